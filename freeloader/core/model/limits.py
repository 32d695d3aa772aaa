"""What a provider says of its limits: in the registry, in headers, in refusals, when asked."""

from __future__ import annotations

from dataclasses import dataclass

#: The source of a limit that the owner gave.
OWN = "own"
#: The source of a limit that only the headers of a provider's answers tell of.
HEADERS = "headers"


@dataclass(frozen=True, slots=True)
class Limit:
    """One published or learnt limit of a provider.

    ``metric`` is a meter, ``tokens`` or ``concurrency``; ``window`` is a number
    and ``s|m|h|d``, or ``month``, or ``once``; ``reset`` is ``refill``,
    ``rolling``, ``calendar`` (in ``timezone``) or ``unknown``; ``scope`` is
    ``account``, ``model``, ``ip`` or ``ip+model``. ``amount`` 0 means: not on
    this plan. Money limits (metric ``usd``) are in picodollars. ``allowance``: it is what
    an account gets for nothing; one that can be billed goes on beyond it, for money.
    """

    metric: str
    amount: int
    window: str
    reset: str = "unknown"
    scope: str = "account"
    timezone: str = "UTC"
    applies_to: tuple[str, ...] = ()
    tier: str | None = None
    charged_on: str = "accepted"
    excludes: tuple[str, ...] = ()
    per_request_ceiling: bool = False
    expires_days: int | None = None
    confidence: str = "low"
    source: str = ""
    allowance: bool = False


@dataclass(frozen=True, slots=True)
class RateLimitHeader:
    """What one response header says of one limit.

    ``means``: ``limit | remaining | used | reset``; ``format``: ``int``,
    ``duration`` (Go style, ``1m26.4s``), ``seconds``, ``epoch_ms``, ``epoch_s``, ``rfc3339``.
    """

    name: str
    metric: str
    window: str
    means: str
    format: str


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """What one number of a provider's quota endpoint says: ``path`` is dotted, into its JSON.

    ``means``: ``limit | remaining | used``, of the limit of ``metric`` and ``window``.
    """

    path: str
    metric: str
    window: str
    means: str


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """How one kind of refusal of a provider is recognised, and what it means.

    All given parts must hold: ``status``, ``match`` (regular expression,
    searched in the body's text, case ignored), ``header`` (``name`` or
    ``name: regex``). ``kind`` is an outcome kind (``core.outcome``). ``wait``:
    ``message | header | reset | window | none``, ``midnight ZONE``, ``message ZONE``
    or seconds as text (``core.outcome.waits`` says what each does).
    """

    kind: str
    status: int | None = None
    match: str = ""
    header: str = ""
    window: str | None = None
    metric: str | None = None
    scope: str | None = None
    wait: str | None = None
