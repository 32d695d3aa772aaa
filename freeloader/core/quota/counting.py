"""Hold, settle, release, reset: what our own calls do to a window."""

from __future__ import annotations

from collections.abc import Sequence

from freeloader.core.quota import counters
from freeloader.core.quota.calendared import Calendared
from freeloader.core.quota.hearing import doubt, learn_amount
from freeloader.core.quota.rolling import Rolling
from freeloader.core.quota.window import Reservation, Window, blocked_until, unsure


def reserve(window: Window, amount: int, now: float) -> Reservation:
    """Holds ``amount``; whether it fits was asked before, in the same breath."""
    if window.blocked is not None and blocked_until(window, now) is None:
        window.blocked = None  # and not before: until here the clock was only asked, not believed
    if window.refused_at is not None:
        doubt(window, now)
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
    elif isinstance(window.counter, Calendared):
        window.counter.clear()
    if window.amount < window.limit.amount:
        learn_amount(window, window.limit.amount, now, pinned=False)
    window.blocked = window.elsewhere = window.refused_at = None
    window.heard = False


def taken(window: Window, now: float) -> float:
    """What is used of it, and what open holds may yet use."""
    return min(window.counter.used(now), float(window.amount)) + window.held


def inherit(window: Window, former: Sequence[Window], much: float, now: float) -> None:
    """``much`` more is used, which ``former`` have counted: its calls were counted there.

    What slid in them gets as old here as there; else all of it is as new as it can be.
    A refusal holds on where each of them was refused.
    """
    counter, slid = window.counter, [w.counter for w in former if isinstance(w.counter, Rolling)]
    if isinstance(counter, Rolling) and not counter.used(now) and len(slid) == len(former):
        counter.begin(slid, now)
        counter.add(sum(one.held for one in former), now, 0.0)
    elif isinstance(counter, counters.Refill):  # none is ever more than empty
        counter.put(min(counter.used(now) + much, float(window.amount)), now)
    else:
        counter.add(much, now, now)
    if isinstance(counter, counters.Once):
        counter.opened_by(w.counter for w in former if isinstance(w.counter, counters.Once))
    ends = [blocked_until(one, now) for one in former]
    refused = [end for end in ends if end is not None]
    if refused and len(refused) == len(ends):
        window.blocked = (now, max(refused))


def clock_set(window: Window, step: float, now: float) -> None:
    """The clock was set forward by ``step`` seconds (negative: back) and says ``now``: all that
    happened is as long ago as before, and no wait is shorter. (Where it was set back, what lies
    ahead is taken for new by whoever looks at it, as it is after a restart.)

    What an answer says that was under way lowers nothing: when it was sent is on the other time.
    """
    window.counter.clock_set(step, now)
    window.order += 1
    if step < 0:
        return
    window.flow.clock_set(step)
    window.opened += step
    window.touched += step
    window.told += step
    window.unsure = (window.unsure[0], window.unsure[1] + step)
    if window.refused_at is not None:
        window.refused_at += step
    if window.blocked is not None:
        window.blocked = (window.blocked[0] + step, window.blocked[1] + step)
    if window.elsewhere is not None:
        window.elsewhere = (window.elsewhere[0], window.elsewhere[1] + step)
