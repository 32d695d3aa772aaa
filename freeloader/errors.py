"""Typed errors, shared by every room. No HTTP here: the gateway gives them statuses.

::

    FreeloaderError
    ├── InvalidRequest          the caller's body or arguments (code says which)
    │   ├── AmbiguousModel      a model name that several unlike models answer to
    │   ├── ModelNotFound       a model name nobody answers to
    │   └── BodyTooLarge
    ├── Unauthorized            no key, or a wrong one
    ├── Forbidden               a key that may not do this; a host or origin not allowed
    ├── NotFound                a record that is not there (account, key, decision …)
    ├── Conflict                it exists already, or another change was first
    ├── Refused                 no candidate may serve the request, for policy's reasons
    │   ├── NoModelPassesGates
    │   ├── BudgetExceeded
    │   ├── PriceUnknown
    │   ├── QuotaExhausted      (retry_after set)
    │   ├── RateLimited         our own limit on a key (retry_after set)
    │   └── BudgetBusy          (retry_after set)
    ├── UpstreamError           every allowed attempt failed
    │   ├── UpstreamFailed
    │   └── UpstreamTimeout
    ├── Unavailable             not now (retry_after set): starting, overloaded, ledger
    ├── NotImplementedYet       a route or command that a later release builds
    ├── ConfigError             a setting, file or overlay that cannot be used
    └── SecretStoreError        the keyring or the secrets file does not answer
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FreeloaderError(Exception):
    """A failure that a user is told about.

    ``message`` is one sentence and a next step; ``code`` is the contract's
    error code; ``details`` is JSON-ready and holds no secret; ``retry_after``
    is in seconds, or None where waiting cannot help.
    """

    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after


class InvalidRequest(FreeloaderError):
    code = "invalid_request"


class AmbiguousModel(InvalidRequest):
    code = "ambiguous_model"


class ModelNotFound(InvalidRequest):
    code = "model_not_found"


class BodyTooLarge(InvalidRequest):
    code = "body_too_large"


class Unauthorized(FreeloaderError):
    code = "invalid_api_key"


class Forbidden(FreeloaderError):
    code = "forbidden"


class NotFound(FreeloaderError):
    code = "not_found"


class Conflict(FreeloaderError):
    code = "conflict"


class Refused(FreeloaderError):
    """No candidate may serve the request; the subclass says whose rule it was."""


class NoModelPassesGates(Refused):
    code = "no_model_passes_gates"


class BudgetExceeded(Refused):
    code = "budget_exceeded"


class PriceUnknown(Refused):
    code = "price_unknown"


class QuotaExhausted(Refused):
    code = "quota_exhausted"


class RateLimited(Refused):
    code = "rate_limited"


class BudgetBusy(Refused):
    code = "budget_busy"


class UpstreamError(FreeloaderError):
    """Every allowed attempt failed; ``details['attempts']`` lists each."""


class UpstreamFailed(UpstreamError):
    code = "upstream_failed"


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"


class Unavailable(FreeloaderError):
    code = "overloaded"


class NotImplementedYet(FreeloaderError):
    code = "not_implemented"


class ConfigError(FreeloaderError):
    code = "invalid_config"


class SecretStoreError(FreeloaderError):
    code = "secret_store_unavailable"
