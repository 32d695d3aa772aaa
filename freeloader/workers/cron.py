"""When a cron line is due next. Pure: the time comes in, a time goes out.

Daylight saving: a line whose hour field starts with ``*`` follows the clock on
the wall through every real minute, so it runs in both passes of a repeated
hour. A line with fixed hours runs once per day: in the first pass of a repeated
hour, and where its time is skipped, at the moment of the skip. No jitter and
no memory of past runs here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from croniter.croniter import CroniterError

from freeloader.errors import ConfigError

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELD = re.compile(r"[0-9A-Za-z*,/#-]+")
_STEP_S = 7 * 86_400
"""No zone changes its clock and changes it back within a week."""

_TRIES = 1_000
"""More candidates than one clock change can make invalid, and still no time at all."""


def parse(line: str) -> str:
    """``line`` in five fields, aliases (``@daily``) resolved. Raises ConfigError if it is none.

    A sixth field is seconds, as croniter has it: ``* * * * * */30`` is every half minute.
    """
    text = _ALIASES.get(line.strip().lower(), " ".join(line.split()))
    fields = text.split(" ")
    sound = len(fields) in (5, 6) and all(_FIELD.fullmatch(part) for part in fields)
    if not sound or not croniter.is_valid(text):
        raise ConfigError(
            f"{line!r} is not a cron line; write minute, hour, day, month and weekday "
            "(and seconds, if you like), for example '15 3 * * *'."
        )
    return text


def next_due(line: str, tz: str, now: float) -> float:
    """The first moment after ``now`` (Unix seconds) at which ``line`` is due in zone ``tz``.

    Raises ConfigError for a bad line, an unknown zone, or a line that is never due.
    """
    text = parse(line)
    zone = _zone(tz)
    try:
        if text.split(" ")[1].startswith("*"):
            return _by_the_wall_clock(text, zone, now)
        return _once_a_day(text, zone, now)
    except CroniterError as error:
        raise ConfigError(f"The cron line {line!r} is never due.") from error


def _by_the_wall_clock(text: str, zone: ZoneInfo, now: float) -> float:
    """The next instant whose reading in the zone matches, however often it is read."""
    start, offset = now, _offset(zone, now)
    reading = _reading(now, offset)
    for _ in range(_TRIES):
        due = (_next(text, reading) - offset).timestamp()
        change = _change(zone, start, due)
        if change is None:
            return due
        # The clock is changed before that: go on with the new offset. The change itself may be due.
        start, offset = change, _offset(zone, change)
        reading = _reading(change, offset) - timedelta(seconds=1)
    raise ConfigError(f"The cron line {text!r} is never due.")


def _once_a_day(text: str, zone: ZoneInfo, now: float) -> float:
    """The next reading that matches, each taken once: its first pass, or the skip over it."""
    reading = _reading(now, _offset(zone, now))
    for _ in range(_TRIES):
        reading = _next(text, reading)
        due = _first_pass(zone, reading)
        if due > now:
            return due
    raise ConfigError(f"The cron line {text!r} is never due.")


def _first_pass(zone: ZoneInfo, reading: datetime) -> float:
    """When the zone's clock shows ``reading`` first, or jumps over it."""
    local = reading.replace(tzinfo=zone)
    early, late = local.timestamp(), local.replace(fold=1).timestamp()
    if early <= late:
        return early
    # A gap: the two offsets put the reading on the wrong sides of the change between them.
    change = _change(zone, late, early)
    return early if change is None else change


def _change(zone: ZoneInfo, start: float, end: float) -> float | None:
    """The first second in (start, end] with another offset than ``start`` has; None if none."""
    low, high = int(start // 1), int(-(-end // 1))
    offset = _offset(zone, start)
    while low + _STEP_S < high and _offset(zone, low + _STEP_S) == offset:
        low += _STEP_S
    high = min(high, low + _STEP_S)
    if _offset(zone, high) == offset:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return float(high)


def _next(text: str, reading: datetime) -> datetime:
    due = croniter(text, reading).get_next(datetime)
    if not isinstance(due, datetime):
        raise TypeError("croniter was asked for a datetime")
    return due


def _reading(instant: float, offset: timedelta) -> datetime:
    """What a clock at ``offset`` shows, as a UTC-labelled datetime that croniter will not shift."""
    return datetime.fromtimestamp(instant, UTC) + offset


def _offset(zone: ZoneInfo, instant: float) -> timedelta:
    return datetime.fromtimestamp(instant, zone).utcoffset() or timedelta(0)


def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{tz!r} is not a time zone; write one like 'Europe/Berlin'.") from error
