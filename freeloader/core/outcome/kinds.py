"""What one failed attempt can mean: the kinds, and who retries and is to blame by each. Pure.

Which of them an answer is, is ``core.outcome.judging``'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from freeloader.core.outcome.answers import Reading

#: retry and blame by kind; ``their_fault`` and the like may be set apart below.
_MEANING = {
    "ok": ("none", "provider"),
    "slow_down": ("other", "account"),
    "spent": ("other", "account"),
    "credits_gone": ("other", "account"),
    "not_on_plan": ("other", "account"),
    "request_too_large": ("other", "client"),
    "key_bad": ("other", "account"),
    "overloaded": ("other", "provider"),
    "incompatible_history": ("other", "us"),
    "our_fault": ("other", "us"),
    "their_fault": ("other", "provider"),
    "client_fault": ("none", "client"),
    "model_gone": ("other", "provider"),
    "quality_failure": ("other", "provider"),
}
KINDS = tuple(_MEANING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one failed attempt means.

    ``until``: wall seconds at which it may work again; None where waiting does not
    help, or nobody knows. ``window`` and ``metric`` name the limit that was hit.
    ``scope``: ``request | model | account | provider``; ``guessed``: nothing tells whether it
    is not the account's rather than the model's. ``limit``: how large that is, where the refusal
    says so. ``retry``: ``same | other | none``.
    ``blame``: ``client | provider | account | lane | us``.
    """

    kind: str
    reason: str
    until: float | None = None
    window: str | None = None
    metric: str | None = None
    scope: str = "model"
    retry: str = "other"
    blame: str = "provider"
    guessed: bool = False
    limit: int | None = None


def plain(
    kind: str, reason: str, scope: str, retry: str | None = None, blame: str | None = None
) -> Outcome:
    """One that no limit is named in; ``retry`` and ``blame`` where they are not the kind's."""
    usual_retry, usual_blame = _MEANING[kind]
    return Outcome(
        kind,
        reason[:300],
        scope=scope,
        retry=retry or usual_retry,
        blame=blame or usual_blame,
    )


def reason_of(kind: str, reading: Reading) -> str:
    """The status and the provider's own words, or the kind where it gave none."""
    status = "" if reading.status is None else f"{reading.status} "
    return f"{status}{reading.message or kind.replace('_', ' ')}"[:300]


def finish(
    kind: str,
    reading: Reading,
    window: str | None,
    metric: str | None,
    scope: str,
    seconds: float | None,
    now: float,
) -> Outcome:
    """One that is about a limit; ``seconds``: how long it lasts, None: nobody knows."""
    retry, blame = _MEANING[kind]
    until = None if seconds is None else now + seconds
    return Outcome(kind, reason_of(kind, reading), until, window, metric, scope, retry, blame)
