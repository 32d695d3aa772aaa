"""What a provider's headers, reports and refusals do to a window.

They may always raise a count; what they may lower, and when, is the rule of ``observe``.
"""

from __future__ import annotations

from math import isfinite

from freeloader.core.periods import window_seconds
from freeloader.core.quota import counters
from freeloader.core.quota.window import Reservation, Window, reset_at, unsure

#: So many requests more than we can have sent are somebody else's; one may be rounding.
_NOTICED = 2
#: For so long a refusal's word is taken that a limit is lower than published, or its own span.
_BELIEVED_S = 86_400.0
#: A refusal below this share of the limit came too early.
_EARLY = 0.9


def observe(
    window: Window, used: int, now: float, request: Reservation | None, *, counted: bool
) -> None:
    """The provider says how much was used when it admitted ``request`` (None: unknown which),
    which is settled or released here already; ``counted``: and its call is in the count.

    It may always raise the count. It lowers it only if no request was sent since
    that one, and then what was settled since is added; a sliding count only where
    it is far off, because all of it must be taken as new then. Nor does the answer to an
    older call lower what was said meanwhile by other ways: others may have used the key.
    """
    single = 1 if window.limit.metric == "requests" and counted and request is not None else 0
    if request is not None:
        notice(window, used, now, request)
    window.counter.told(used, single, now, None if request is None else request.at)
    if request is None:
        window.told = now
        return
    if window.order != request.order or request.at <= window.told:
        return
    have = window.counter.used(now)
    lower = max(0.0, used - single + (window.charged - request.charged))
    if lower < (have / 2 if window.kind == "rolling" else have):
        window.counter.put(lower, now)


def notice(window: Window, used: int, now: float, request: Reservation) -> None:
    """Requests that the provider counts and that we cannot have sent: the key is used elsewhere.

    Only whole requests tell: token counts differ by how each side counts them. Ours are
    those before ``request``, those sent since, and refused ones that may count; one
    more for rounding. What was used before the provider was first heard is nobody's guess.
    """
    first, window.heard = not window.heard, True
    if first or window.limit.metric != "requests":
        return
    ours = request.count + (window.order - request.order) + unsure(window, now)
    excess = used - ours
    if excess >= _NOTICED:
        before = 0.0 if window.elsewhere is None else window.elsewhere[0]
        window.elsewhere = (before + excess, now)


def refused_early(window: Window, now: float) -> bool:
    """A long window was refused long before it was full: it is drained elsewhere, or smaller
    than anybody says. Only after a whole period of our own counting."""
    if window.limit.metric != "requests" or window.kind in ("concurrency", "once"):
        return False
    span = window_seconds(window.limit.window)
    begun = reset_at(window, now) - span if window.kind == "calendar" else now - span
    if not window.heard and window.opened > begun:
        return False
    count = window.counter.used(now) + window.held + unsure(window, now)
    if span < 3600 or count >= window.amount * _EARLY:
        return False
    before = 0.0 if window.elsewhere is None else window.elsewhere[0]
    window.elsewhere = (before + window.amount - count, now)
    return True


def learn_amount(window: Window, amount: int, now: float, *, pinned: bool) -> bool:
    """The provider says what its limit is. A limit the owner set is only ever lowered."""
    wanted = min(amount, window.limit.amount) if pinned else amount
    if wanted == window.amount or wanted < 0:
        return False
    window.amount = wanted
    if isinstance(window.counter, counters.Refill):
        window.counter.resize(wanted, window_seconds(window.limit.window), now)
    return True


def named(window: Window, amount: int, now: float, *, pinned: bool) -> None:
    """A refusal says how large the limit is.

    No later answer would say that it was raised again, because no more is asked for: what is
    lower than published is doubted after a while (``doubt``).
    """
    learn_amount(window, amount, now, pinned=pinned)
    window.refused_at = now if window.amount < window.limit.amount else None


def back_at(window: Window, asked: int, until: float, now: float) -> None:
    """A refusal said that there is room for ``asked`` at ``until``: what refills evenly is by so
    much too full now. It only raises the count."""
    rate = window.amount / window_seconds(window.limit.window)
    used = window.amount - asked + (until - now) * rate
    window.counter.put(max(window.counter.used(now), min(used, float(window.amount))), now)


def doubt(window: Window, now: float) -> None:
    """What a refusal said long ago of a smaller limit is no longer believed."""
    said = window.refused_at
    if said is None or abs(now - said) < max(_BELIEVED_S, window_seconds(window.limit.window)):
        return
    window.refused_at = None
    if window.amount < window.limit.amount:
        learn_amount(window, window.limit.amount, now, pinned=False)


def exhaust(window: Window, until: float | None, now: float) -> float | None:
    """A refusal said that it is spent. Returns until when, or None where it never comes back.

    Without a time of its own, the window's reset is taken (for a bucket that
    refills: the moment at which a hundredth of it is back); never longer than
    the window is, whatever the refusal says.
    """
    if window.kind == "refill" and until is None:
        window.counter.put(max(window.counter.used(now), float(window.amount)), now)
        until = window.counter.below(window.amount * 0.99, now)
    end = reset_at(window, now)
    if until is None or until > end or window.kind == "once":
        until = end
    if until >= end and window.kind in ("once", "calendar"):
        window.counter.put(max(window.counter.used(now), float(window.amount)), now)
    if not isfinite(until):
        return None
    window.blocked = (now, until) if until > now else None
    return until
