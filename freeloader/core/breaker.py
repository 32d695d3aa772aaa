"""Cooldown and circuit breaker: closed, open, half-open. What outcomes do to it.

One ``Breaker`` guards one thing that can be at fault: a model of an account, an
account, a key, a provider. Ejections age by monotonic time (``mono``), pauses that
a provider named end by the wall clock. It counts no quota and reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from freeloader.core.model import Verdict
from freeloader.core.periods import iso

#: Consecutive faults of theirs that open it (Envoy's default for outliers).
OPEN_AFTER = 5
#: A hang counts as so many faults: it costs the client most. Two open the breaker.
HANG_FAULTS = 3
#: First ejection in seconds; the n-th lasts n times as long, up to the cap.
EJECTION = 30.0
EJECTION_MAX = 300.0
#: After so many quiet seconds one ejection is forgiven.
FORGIVE_AFTER = 600.0
#: Overload without a wait of its own: doubles from the first to the second, seconds.
OVERLOAD_FIRST, OVERLOAD_MAX = 2.0, 30.0
#: What waiting does not mend (a bad key, no credits) is still tried once in so many seconds.
STANDING = 86400.0
#: A refusal for its rate that names no time: so long.
SLOW_DOWN = 60.0


@dataclass(slots=True)
class Breaker:
    """``paused``: a pause by the wall clock (said at, until). ``probe``: the one attempt let
    through while half-open. ``standing``: waiting does not help, so no time is promised.
    ``parts``: which of the things behind it failed since the last success, two at most."""

    failures: int = 0
    ejections: int = 0
    ejected_until: float = -inf
    paused: tuple[float, float] | None = None
    standing: bool = False
    code: str = "upstream_failed"
    reason: str = ""
    half: bool = False
    probe: str | None = None
    parts: frozenset[str] = frozenset()

    @property
    def idle(self) -> bool:
        """True where it remembers nothing: it may be thrown away."""
        return not (self.failures or self.ejections or self.half or self.paused)


def state(breaker: Breaker, now: float, mono: float) -> str:
    """``closed | open | half-open``."""
    if not breaker.half:
        return "closed"
    if mono < breaker.ejected_until or _paused_until(breaker, now) > now:
        return "open"
    return "half-open"


def refusal(breaker: Breaker, now: float, mono: float) -> Verdict | None:
    """Why it lets nothing through now, or None. Half-open lets one attempt through."""
    if not breaker.half:
        return None
    wait = max(breaker.ejected_until - mono, _paused_until(breaker, now) - now)
    if wait > 0:
        until = None if breaker.standing else now + wait
        said = breaker.reason if until is None else f"{breaker.reason}; until {iso(until)}"
        return Verdict("breaker", breaker.code, said, until)
    if breaker.probe is not None:
        said = f"{breaker.reason}; one request is trying whether it is over"
        return Verdict("breaker", breaker.code, said, now + 1.0)
    return None


def begin(breaker: Breaker, attempt: str) -> bool:
    """An attempt was admitted. True if it is the one that tries whether all is well again."""
    if breaker.half and breaker.probe is None:
        breaker.probe = attempt
        return True
    return False


def end(breaker: Breaker, attempt: str) -> None:
    """The attempt is over; where it left no outcome, another one may try."""
    if breaker.probe == attempt:
        breaker.probe = None


def succeed(breaker: Breaker, now: float, mono: float) -> None:
    """An answer came. A success of a call from before the pause does not end the pause."""
    if state(breaker, now, mono) == "open":
        return
    breaker.failures = 0
    breaker.parts = frozenset()
    breaker.half = breaker.standing = False
    breaker.paused = breaker.probe = None
    breaker.reason = ""
    if breaker.ejections and mono - breaker.ejected_until > FORGIVE_AFTER:
        breaker.ejections -= 1


def fault(
    breaker: Breaker,
    now: float,
    mono: float,
    reason: str,
    *,
    hang: bool = False,
    part: str | None = None,
) -> None:
    """Their fault. Opens after ``OPEN_AFTER`` in a row, or at once where it was half-open.

    ``part``: only this one of several things behind the breaker failed. One that is
    broken alone never closes the way to the others: it takes two.
    """
    was = state(breaker, now, mono)
    breaker.failures += HANG_FAULTS if hang else 1
    if part is not None and len(breaker.parts) < 2:
        breaker.parts |= {part}
    alone = part is not None and len(breaker.parts) < 2
    if was == "open" or (was == "closed" and (breaker.failures < OPEN_AFTER or alone)):
        return
    quiet = max(0.0, mono - breaker.ejected_until) if breaker.ejections else 0.0
    forgiven = int(quiet // FORGIVE_AFTER) if quiet < inf else breaker.ejections
    breaker.ejections = max(0, breaker.ejections - forgiven) + 1
    breaker.ejected_until = mono + min(EJECTION_MAX, EJECTION * breaker.ejections)
    many = f"{breaker.failures} faults in a row" if was == "closed" else "failed again"
    _open(breaker, "upstream_failed", f"{many}: {reason}")


def overload(
    breaker: Breaker, now: float, mono: float, reason: str, until: float | None = None
) -> None:
    """Overloaded: a short pause that doubles, or the provider's own, and a fault in the count."""
    fault(breaker, now, mono, reason)
    short = min(OVERLOAD_MAX, OVERLOAD_FIRST * 2.0 ** min(10, max(0, breaker.failures - 1)))
    wait = short if until is None else min(max(until - now, 0.0), EJECTION_MAX)
    pause(breaker, now + wait, now, "upstream_failed", reason)


def pause(breaker: Breaker, until: float, now: float, code: str, reason: str) -> None:
    """Nothing before ``until`` (wall). Of two pauses the later end counts."""
    if until <= _paused_until(breaker, now):
        return
    breaker.paused = (now, until)
    _open(breaker, code, reason)


def stand(breaker: Breaker, now: float, reason: str) -> None:
    """Waiting does not help: closed until reset or changed, but for one try a day."""
    breaker.paused = (now, now + STANDING)
    _open(breaker, "upstream_failed", reason)
    breaker.standing = True


def dump(breaker: Breaker) -> dict[str, Any]:
    """Its pause as JSON-ready data: what a restart must not forget. Faults are counted anew."""
    return {
        "paused": None if breaker.paused is None else list(breaker.paused),
        "standing": breaker.standing,
        "code": breaker.code,
        "reason": breaker.reason,
    }


def load(state: Mapping[str, Any], now: float) -> Breaker | None:
    """A dumped pause that is not over yet. Raises KeyError, TypeError or ValueError for what
    is no dumped one."""
    if state["paused"] is None:
        return None
    said, until = state["paused"]
    breaker = Breaker()
    pause(breaker, float(until), float(said), str(state["code"]), str(state["reason"]))
    breaker.standing = bool(state["standing"])
    return breaker if _paused_until(breaker, now) > now else None


def _open(breaker: Breaker, code: str, reason: str) -> None:
    breaker.half, breaker.probe, breaker.standing = True, None, False
    breaker.code, breaker.reason = code, reason


def _paused_until(breaker: Breaker, now: float) -> float:
    """The end of the pause, moved along when the clock was set back."""
    if breaker.paused is None:
        return -inf
    said, until = breaker.paused
    if now < said:
        until = now + (until - said)
        breaker.paused = (now, until)
    return until
