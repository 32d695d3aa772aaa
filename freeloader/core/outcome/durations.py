"""How providers write "later": durations and moments, as in a header.

Parsing only: nothing here knows what a refusal means (``messages`` finds them in a text).
Durations are seconds, moments are Unix seconds (wall). Every parser returns None for what
it does not understand, and none ever raises, returns a negative duration or infinity.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

#: Nobody is told to wait longer than a month with reason.
LONGEST = 31 * 86400.0
UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6}
_GO = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|us|µs|d|h|m|s))+")
_GO_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|d|h|m|s)")
#: ``12``, ``-0.5``, ``1,912``.
_NUMBER = re.compile(r"[+-]?(?:\d{1,18}|\d{1,3}(?:,\d{3}){1,5})(?:\.\d{1,12})?")
_ISO = re.compile(
    r"P(?:(\d{1,3})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?"
)
_AMOUNT = (
    r"\d{1,12}(?:\.\d{1,12})?\s*(?:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)"
)
_AMOUNT_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*(mil|sec|min|hou|hr|day)", re.IGNORECASE)
#: ``2 hours and 5 minutes``, ``1 hour, 30 minutes``; ``1:30:00`` is a clock that runs down.
AMOUNTS = rf"{_AMOUNT}(?:(?:\s*,)?(?:\s+and)?\s+{_AMOUNT}){{0,3}}"
_WORD_UNIT = {"mil": 0.001, "sec": 1.0, "min": 60.0, "hou": 3600.0, "hr": 3600.0, "day": 86400.0}


def bounded(seconds: float) -> float:
    """Never negative, never more than a month."""
    return min(max(seconds, 0.0), LONGEST)


def go_duration(text: str) -> float | None:
    """``1m26.4s``, ``825ms``, ``8h57m50.97s`` in seconds."""
    text = text.strip()
    if not _GO.fullmatch(text):
        return None
    return bounded(sum(float(n) * UNITS[unit] for n, unit in _GO_PART.findall(text)))


def number(text: str) -> float | None:
    """A plain decimal number, as sent (it may be negative)."""
    text = text.strip()
    return float(text.replace(",", "")) if _NUMBER.fullmatch(text) else None


def moment(text: str, zone: str = "UTC") -> float | None:
    """RFC 3339 (``zone`` where none is written) or an HTTP date, as Unix seconds."""
    text = text.strip()[:64]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC if zone == "UTC" else ZoneInfo(zone))
    try:
        return found.timestamp()
    except (OverflowError, ValueError):
        return None


def epoch(value: float) -> float | None:
    """A number that can only be a moment (since 1970, down to microseconds), in seconds."""
    if value >= 1e14:
        return value / 1e6
    if value >= 1e11:
        return value / 1000
    return value if value >= 1e9 else None


def worded(text: str) -> float | None:
    """``7 seconds``, ``1 hour and 30 minutes``, ``1:30:00`` in seconds."""
    text = text.strip()[:80]
    if re.fullmatch(r"\d{1,3}:\d{2}:\d{2}", text):
        hours, minutes, seconds = (int(part) for part in text.split(":"))
        return bounded(hours * 3600.0 + minutes * 60.0 + seconds)
    if not re.fullmatch(AMOUNTS, text, re.IGNORECASE):
        return None
    found = _AMOUNT_PART.findall(text)
    return bounded(sum(float(n) * _WORD_UNIT[unit.lower()] for n, unit in found))


def iso_duration(text: str) -> float | None:
    """``PT30S``, ``P1DT2H`` in seconds."""
    found = _ISO.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    lengths = zip(found.groups(), (86400.0, 3600.0, 60.0, 1.0), strict=True)
    return bounded(sum(float(n or 0) * length for n, length in lengths))


def wait(text: str, now: float, zone: str = "UTC") -> float | None:
    """Seconds from ``now``, in any of the ways above; a moment that is past gives 0."""
    plain = number(text)
    if plain is not None:
        then = epoch(plain)
        return bounded(plain if then is None else then - now)
    for parse in (go_duration, worded, iso_duration):
        if (seconds := parse(text)) is not None:
            return seconds
    then = moment(text, zone)
    return None if then is None else bounded(then - now)
