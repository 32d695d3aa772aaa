"""Does a call fit, now or when, alone or behind those who wait. Nothing is held here."""

from __future__ import annotations

from functools import partial
from math import inf, isfinite

from freeloader.core.model import OWN, Verdict
from freeloader.core.periods import iso, window_seconds
from freeloader.core.quota.counters import Once
from freeloader.core.quota.window import (
    EPSILON,
    RECHECK,
    Window,
    blocked_until,
    name_of,
    need,
    never_fits,
    reset_at,
    said,
    too_large,
)
from freeloader.money import Meters


def has_room(window: Window, meters: Meters, now: float) -> bool:
    """Whether ``verdict`` has nothing to say: most windows, most of the time.

    Asked of every window of every candidate, so it makes nothing and says nothing.
    """
    limit, amount = window.limit, window.amount
    if amount <= 0 or limit.per_request_ceiling or window.blocked is not None:
        return False
    taken = window.counter.used(now) + window.held
    if not taken:  # a hold takes the whole window at most
        return True
    return taken + min(need(limit, meters), amount) <= amount + EPSILON


def fits(window: Window, amount: int, now: float) -> float | None:
    """None: there is room. Else the wall time at which there may be; infinity: never.

    Where only open holds are in the way: held requests will be used, so their
    window's reset counts; held tokens mostly settle lower, so the answer is soon.
    """
    blocked = None if window.blocked is None else blocked_until(window, now)
    used = window.counter.used(now)
    if used + window.held + amount <= window.amount + EPSILON:
        return blocked
    free = window.counter.below(window.amount - window.held - amount + EPSILON / 2, now)
    if window.held and not isfinite(free):
        free = _after_holds(window, amount, used, now)
    elif window.held and window.limit.metric != "requests":
        free = min(free, _after_holds(window, amount, used, now))
    return free if blocked is None else max(free, blocked)


def fits_behind(window: Window, amount: int, ahead: int, now: float) -> float | None:
    """As ``fits``, where ``ahead`` is claimed by those who wait already: they come first.

    What they take together with ``amount`` may be several times the whole window.
    """
    if ahead <= 0 or window.amount <= 0:
        return fits(window, amount, now)
    rounds, rest = divmod(ahead + amount, window.amount)
    if rest == 0:
        rounds, rest = rounds - 1, window.amount
    free = fits(window, rest, now)
    if rounds == 0 or (free is not None and not isfinite(free)):
        return free
    if window.kind == "concurrency":
        return now + RECHECK
    span = window_seconds(window.limit.window)
    if window.kind == "refill":  # what comes back, comes back evenly
        over = window.counter.used(now) + window.held + ahead + amount - window.amount
        return now + over * span / window.amount
    if window.kind == "calendar" and free is None:
        return reset_at(window, now) + (rounds - 1) * span
    return (now if free is None else free) + rounds * span


def _after_holds(window: Window, amount: int, used: float, now: float) -> float:
    """When to look again if the open holds were all given back, or for requests: all used."""
    if used + amount > window.amount + EPSILON:
        return max(now + RECHECK, window.counter.below(window.amount - amount, now))
    if window.limit.metric == "requests" and window.kind == "refill":  # they come back one by one
        over = used + window.held + amount - window.amount
        return now + over * window_seconds(window.limit.window) / window.amount
    if window.limit.metric == "requests" and window.kind not in ("once", "concurrency"):
        return reset_at(window, now)
    return now + RECHECK


def _none_at_all(window: Window) -> Verdict:
    """Nothing but raising it helps where the owner said so; else another plan does."""
    allows = f"{name_of(window)} allows 0"
    own = window.limit.source == OWN
    gate = "ownLimit" if own else "tier"
    whose = "is switched off by its own limit" if own else "is not on this plan"
    return Verdict(gate, "no_model_passes_gates", f"{whose}: {allows}")


def verdict(window: Window, meters: Meters, now: float, ahead: int = 0) -> Verdict | None:
    """``fits_behind`` as a refusal in words, or None."""
    limit, much = window.limit, partial(said, window.limit)
    if window.amount <= 0:
        return _none_at_all(window)
    if limit.per_request_ceiling and too_large(limit, meters, window.amount):
        reason = f"request too large: {name_of(window)} allows {much(window.amount)} in all"
        return Verdict("quota", "no_model_passes_gates", reason, relax=window.amount)
    wanted = need(limit, meters)
    until = fits_behind(window, min(window.amount, wanted), ahead, now)
    if until is None:
        return None
    gone = expires_at(window)
    if gone is not None and gone <= now:
        words = f"{name_of(window)}: what is left expired {iso(gone)}"
        return Verdict("quota", "quota_exhausted", words)
    used = min(window.counter.used(now), float(window.amount))
    words = f"{name_of(window)}: {much(used)} of {much(window.amount)} used"
    words += f", {much(window.held)} held"
    if wanted > 1 and not ahead and window.counter.used(now) + window.held < window.amount:
        words += f", {much(wanted)} may be needed"
    if ahead:
        words += f", {much(ahead)} wanted by requests that wait already"
    if not isfinite(until):
        return Verdict("quota", "quota_exhausted", f"{words}; nothing comes back")
    return Verdict("quota", "quota_exhausted", f"{words}; free again {iso(until)}", until)


def covers(window: Window, now: float) -> bool:
    """Whether a free allowance has room for one more call as calls were so far."""
    if blocked_until(window, now) is not None:
        return False
    calls = max(1, window.order)
    usual = 1.0 if window.limit.metric == "requests" else max(1.0, window.charged / calls)
    return window.counter.used(now) + window.held + usual <= window.amount + EPSILON


def ceiling(window: Window, asked: Meters) -> Verdict | None:
    """``never_fits`` as a refusal in words, or None."""
    if not never_fits(window, asked):
        return None
    wanted = need(window.limit, asked)
    reason = (
        f"request too large: asks for about {said(window.limit, wanted)} with its max_tokens, "
        f"{name_of(window)} allows {said(window.limit, window.amount)} in all"
    )
    return Verdict("quota", "no_model_passes_gates", reason, relax=window.amount)


def full_at(window: Window, now: float) -> float | None:
    """When the whole amount is there again (``resetsAt``); None: it is, or never will be."""
    free = window.counter.below(0, now)
    blocked = blocked_until(window, now)
    if free <= now:
        return blocked
    free = free if blocked is None else max(free, blocked)
    return free if isfinite(free) else None


def expires_at(window: Window) -> float | None:
    """When credits that end on a day are gone, used or not; None: they stay."""
    counter = window.counter
    end = counter.expires if isinstance(counter, Once) else inf
    return end if isfinite(end) else None
