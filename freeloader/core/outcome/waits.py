"""How long a refusal lasts: what it states, where that may be believed, and what is usual.

By a rule's ``wait``: ``message`` (words in the body), ``header`` (Retry-After), ``reset``
(X-RateLimit-Reset, also inside the body), ``window`` (until the window begins anew),
``midnight ZONE`` (a stated wait counts only above an hour), ``message ZONE`` (times printed
without a zone are in that one), ``none``, or seconds (where neither Retry-After nor the
message nor a reset of that window says). Without it: header, message, then what is usual for
the window. Pure; all results are seconds from ``now`` (wall).
"""

from __future__ import annotations

from freeloader.core.model import ErrorRule, Limit
from freeloader.core.outcome import durations, messages
from freeloader.core.outcome.answers import Reading
from freeloader.core.periods import period, window_seconds

_HOUR = 3600.0
_DAY = 86400.0
_SOONEST = 1.0


def wait_of(rule: ErrorRule, reading: Reading, limit: Limit | None, now: float) -> float | None:
    """How long to wait by a rule; never negative, never longer than the window."""
    form, _, zone = (rule.wait or "").partition(" ")
    if form == "none" or (not form and rule.kind not in ("slow_down", "spent", "overloaded")):
        return None
    fixed = durations.number(form) if form else None
    if fixed is not None:
        header, message = reading.retry_after(now), messages.wait_in_message(reading.text, now)
        reset = reading.reset_after(now) if rule.window else None
        return capped((message or reset or fixed) if header is None else header, rule.window)
    if form == "midnight":
        return _until_midnight(reading, zone or "UTC", now)
    if form == "window":
        return _usual(rule.kind, rule.window, limit, now)
    said = stated(form, zone or "UTC", reading, now)
    if said is None and rule.kind == "overloaded":
        return None
    if said is None or _useless(said, rule.window, limit):
        return _usual(rule.kind, rule.window, limit, now)
    return capped(said, rule.window)


def stated(form: str, zone: str, reading: Reading, now: float) -> float | None:
    """The wait that the answer itself states, looked for first where the rule says."""
    header = reading.retry_after(now)
    message = messages.wait_in_message(reading.text, now, zone)
    reset = reading.reset_after(now)
    order = {"message": (message, header, reset), "reset": (reset, header, message)}
    return next((x for x in order.get(form, (header, message, reset)) if x is not None), None)


def _useless(said: float, window: str | None, limit: Limit | None) -> bool:
    """A few seconds on a limit that begins anew at midnight: known to be wrong (Gemini)."""
    calendar = limit is not None and limit.reset == "calendar"
    return calendar and said < _HOUR and window_seconds(window or "1m") >= _DAY


def _until_midnight(reading: Reading, zone: str, now: float) -> float:
    said = stated("message", "UTC", reading, now)
    if said is not None and said > _HOUR:
        return min(said, _DAY + 2 * _HOUR)
    return period("1d", zone, now).end - now


def capped(seconds: float, window: str | None) -> float:
    """A refusal lasts no longer than its window; of unknown windows a day is believed.

    Nor is it over at once: a 0, or a moment that is past, would be asked and refused again.
    """
    longest = _DAY if window in (None, "once") else window_seconds(window or "1m")
    return min(durations.bounded(seconds) or _SOONEST, longest)


def _usual(kind: str, window: str | None, limit: Limit | None, now: float) -> float | None:
    """What to wait where the answer says nothing (providers' habits, see the facts)."""
    if kind == "overloaded" or window == "once":
        return None
    if window is None:
        return 60.0
    length = window_seconds(window)
    if length <= 2 * _HOUR:
        return length
    reset = limit.reset if limit else "unknown"
    if reset in ("refill", "rolling"):  # some of it is back long before the whole is
        return min(length, _HOUR)
    if window in ("1d", "month"):
        return period(window, limit.timezone if limit else "UTC", now).end - now
    return length
