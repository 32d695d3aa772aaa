"""How providers write "later": durations and moments in headers and messages.

Parsing only: nothing here knows what a refusal means. Durations are seconds,
moments are Unix seconds (wall). Every parser returns None for what it does not
understand, and none ever raises, returns a negative duration or infinity.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

#: Nobody is told to wait longer than a month with reason.
LONGEST = 31 * 86400.0
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6}
_GO = re.compile(r"(?:\d{1,12}(?:\.\d{1,12})?(?:ms|us|µs|d|h|m|s))+")
_GO_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|d|h|m|s)")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,12})?")
_WORDS = re.compile(
    r"(?:try again|retry|retry after|wait|available|reset(?:s)?|again)\s+"
    r"(?:in|after|for)?\s*(?:about|approximately)?\s*"
    r"(?P<go>(?:\d{1,12}(?:\.\d{1,12})?(?:ms|µs|us|d|h|m|s))+(?![a-z])"
    r"|(?P<n>\d{1,12}(?:\.\d{1,12})?)\s*(?P<unit>milliseconds?|seconds?|secs?|minutes?|mins?"
    r"|hours?|hrs?|days?))",
    re.IGNORECASE,
)
_DELAY = re.compile(r"[\"']retryDelay[\"']\s*:\s*[\"'](\d{1,9}(?:\.\d{1,12})?)s[\"']")
#: ``"retry_after": 12``, ``"retryAfterMs": 900`` and the like, as some bodies have it.
_FIELD = re.compile(
    r"[\"'](?:retry[_-]?after|estimated[_-]?time)(?:[_-]?(?P<unit>ms|seconds|secs?))?[\"']"
    r"\s*:\s*[\"']?(?P<n>\d{1,9}(?:\.\d{1,12})?)(?P<more>\w?)",
    re.IGNORECASE,
)
_RESET_AT = re.compile(
    r"(?:reset|available|again|until)\w*\s+(?:at|on|after)?\s*"
    r"(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<time>\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_WORD_UNIT = {"mil": 0.001, "sec": 1.0, "min": 60.0, "hou": 3600.0, "hrs": 3600.0, "hr": 3600.0}


def bounded(seconds: float) -> float:
    """Never negative, never more than a month."""
    return min(max(seconds, 0.0), LONGEST)


def go_duration(text: str) -> float | None:
    """``1m26.4s``, ``825ms``, ``8h57m50.97s`` in seconds."""
    text = text.strip()
    if not _GO.fullmatch(text):
        return None
    return bounded(sum(float(n) * _UNITS[unit] for n, unit in _GO_PART.findall(text)))


def number(text: str) -> float | None:
    """A plain decimal number, as sent (it may be negative)."""
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


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
    """A number that can only be a moment (seconds or milliseconds since 1970), in seconds."""
    if value >= 1e11:
        return value / 1000
    return value if value >= 1e9 else None


def wait(text: str, now: float, zone: str = "UTC") -> float | None:
    """Seconds from ``now``, in any of the ways above; a moment that is past gives 0."""
    plain = number(text)
    if plain is not None:
        then = epoch(plain)
        return bounded(plain if then is None else then - now)
    go = go_duration(text)
    if go is not None:
        return go
    then = moment(text, zone)
    return None if then is None else bounded(then - now)


def wait_in_message(text: str, now: float, zone: str = "UTC") -> float | None:
    """What a message says in words, else Gemini's ``retryDelay`` or a field that says it, else a
    printed reset time."""
    words = _WORDS.search(text)
    if words:
        if words["n"] is None:
            return go_duration(words["go"].lower())
        unit = words["unit"].lower()
        scale = 86400.0 if unit.startswith("day") else _WORD_UNIT[unit[:3]]
        return bounded(float(words["n"]) * scale)
    delay = _DELAY.search(text)
    if delay:
        return bounded(float(delay[1]))
    field = _FIELD.search(text)
    if field and not field["more"]:
        seconds = float(field["n"]) / (1000 if (field["unit"] or "").lower() == "ms" else 1)
        then = epoch(seconds)
        return bounded(seconds if then is None else then - now)
    at = _RESET_AT.search(text)
    if at:
        written = f"{at['day']}T{at['time']}{at['zone'] or ''}"
        then = moment(written, zone)
        return bounded(then - now) if then is not None and then > now else None
    return None
