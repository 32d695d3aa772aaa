"""Hold, settle, release, reset: what our own calls do to a window."""

from __future__ import annotations

from freeloader.core.quota import counters
from freeloader.core.quota.hearing import learn_amount
from freeloader.core.quota.window import Reservation, Window, unsure


def reserve(window: Window, amount: int, now: float) -> Reservation:
    """Holds ``amount``; whether it fits was asked before, in the same breath."""
    window.order += 1
    window.held += amount
    window.touched = now
    count = window.counter.used(now) + window.held
    return Reservation(window.key, amount, now, window.order, window.charged, count)


def mark(window: Window, now: float) -> Reservation:
    """A moment to measure what a provider says against: nothing is held."""
    count = window.counter.used(now) + window.held
    return Reservation(window.key, 0, now, window.order, window.charged, count)


def settle(window: Window, held: Reservation, used: int, now: float) -> None:
    """The hold becomes what was really used, which may be more than was held."""
    window.held = max(0, window.held - held.amount)
    window.charged += used
    window.touched = max(window.touched, now)
    window.flow.add(used, now)
    window.counter.add(used, now, held.at)


def release(window: Window, held: Reservation, now: float, *, sent: bool) -> None:
    """Nothing was consumed; but a refused call counts where the provider counts what is sent."""
    counted = sent and window.limit.charged_on == "sent" and window.limit.metric == "requests"
    if counted:
        settle(window, held, 1, now)
        return
    window.held = max(0, window.held - held.amount)
    window.touched = max(window.touched, now)
    if sent:
        window.unsure = (unsure(window, now) + 1, now)


def reset(window: Window, now: float) -> None:
    """The owner says that it is fresh, and as large as it was said to be: less was learnt from
    answers of before. Open holds stay. What the provider counted until now is nobody's guess."""
    window.counter.put(0.0, now)
    if isinstance(window.counter, counters.Once):
        window.counter.reopen(now)
    if window.amount < window.limit.amount:
        learn_amount(window, window.limit.amount, now, pinned=False)
    window.blocked = window.elsewhere = None
    window.heard = False
