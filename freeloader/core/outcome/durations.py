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
_AMOUNT = (
    r"\d{1,12}(?:\.\d{1,12})?\s*(?:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?)"
)
_AMOUNT_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*(mil|sec|min|hou|hr|day)", re.IGNORECASE)
#: ``2 hours and 5 minutes``, ``1 hour, 30 minutes``; ``1:30:00`` is a clock that runs down.
_AMOUNTS = rf"{_AMOUNT}(?:(?:\s*,)?(?:\s+and)?\s+{_AMOUNT}){{0,3}}"
_WORDS = re.compile(
    r"(?:try again|retry|retry after|wait|available|reset(?:s)?|again)\s+"
    r"(?:in|after|for)?\s*(?:about|approximately)?\s*"
    r"(?P<go>(?:\d{1,12}(?:\.\d{1,12})?(?:ms|µs|us|d|h|m|s))+(?![a-z])"
    rf"|(?P<amounts>{_AMOUNTS})|(?P<clock>\d{{1,3}}:\d{{2}}:\d{{2}})(?!\d))",
    re.IGNORECASE,
)
_DELAY = re.compile(r"[\"']retryDelay[\"']\s*:\s*[\"'](\d{1,9}(?:\.\d{1,12})?)s[\"']")
#: The same message of gRPC as an object, and as its text form.
_DELAY_PARTS = re.compile(
    r"retry_?delay[\"']?\s*:?\s*\{\s*[\"']?seconds[\"']?\s*:\s*[\"']?(?P<s>\d{1,9})[\"']?"
    r"(?:[\s,]*[\"']?nanos[\"']?\s*:\s*(?P<n>\d{1,9}))?",
    re.IGNORECASE,
)
#: ``"retry_after": 12``, ``"retryAfterMs": 900`` and the like, as some bodies have it.
_FIELD = re.compile(
    r"[\"'](?:retry[_-]?after|resets?[_-]?(?:in|after)|estimated[_-]?time)"
    r"(?:[_-]?(?P<unit>ms|seconds|secs?))?[\"']"
    r"\s*:\s*[\"']?(?P<n>\d{1,9}(?:\.\d{1,12})?)(?P<more>\w?)",
    re.IGNORECASE,
)
#: ``"reset_at": 1790000030``, ``"retryAt": "2026-09-21T14:13:50Z"``: a moment in a field.
_FIELD_AT = re.compile(
    r"[\"'](?:retry|resets?|available)[_-]?(?:at|on|time|date)[\"']\s*:\s*"
    r"(?:[\"'](?P<text>[^\"']{8,40})[\"']|(?P<n>\d{10,16}(?:\.\d{1,9})?))",
    re.IGNORECASE,
)
_RESET_AT = re.compile(
    r"(?:reset|available|again|until)\w*\s+(?:at|on|after)?\s*"
    r"(?P<day>\d{4}-\d{2}-\d{2})[ T](?P<time>\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
#: The span of a limit that is named by a number: ``30 requests per 5h``, ``in the last 10
#: minutes``, ``3-hour window``. A wait ("again in 5 minutes"), a price ("per 1M"), a path are none.
_SPAN = re.compile(
    r"(?:\b(?:per|every|each)|(?:\d|\b(?:req|request|token|message|call|image|prompt)s?|\bqueries)"
    r"\s?/|\bin (?:the |any )?(?:last|past))\s{0,2}(?P<a>[1-9]\d{0,4})[ -]?"
    r"(?P<au>(?-i:s|m|h|d)|sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|days?)\b"
    r"|\b(?P<b>[1-9]\d{0,2})[- ]?(?P<bu>(?-i:h|d)|min(?:ute)?|hour|day)s?[- ]"
    r"(?:(?:rolling|sliding|usage|rate|request|token|message)s?[- ])?"
    r"(?:window|limit|quota|period|allowance)\b",
    re.IGNORECASE,
)
_WORD_UNIT = {"mil": 0.001, "sec": 1.0, "min": 60.0, "hou": 3600.0, "hr": 3600.0, "day": 86400.0}


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


def worded(text: str) -> float | None:
    """``7 seconds``, ``1 hour and 30 minutes``, ``1:30:00`` in seconds."""
    text = text.strip()[:80]
    if re.fullmatch(r"\d{1,3}:\d{2}:\d{2}", text):
        hours, minutes, seconds = (int(part) for part in text.split(":"))
        return bounded(hours * 3600.0 + minutes * 60.0 + seconds)
    if not re.fullmatch(_AMOUNTS, text, re.IGNORECASE):
        return None
    found = _AMOUNT_PART.findall(text)
    return bounded(sum(float(n) * _WORD_UNIT[unit.lower()] for n, unit in found))


def wait(text: str, now: float, zone: str = "UTC") -> float | None:
    """Seconds from ``now``, in any of the ways above; a moment that is past gives 0."""
    plain = number(text)
    if plain is not None:
        then = epoch(plain)
        return bounded(plain if then is None else then - now)
    for parse in (go_duration, worded):
        if (seconds := parse(text)) is not None:
            return seconds
    then = moment(text, zone)
    return None if then is None else bounded(then - now)


def wait_in_message(text: str, now: float, zone: str = "UTC") -> float | None:
    """What a message says in words, else gRPC's ``retryDelay`` or a field that says it, else a
    printed reset time."""
    words = _WORDS.search(text)
    if words:
        return go_duration(words["go"].lower()) or worded(words["go"])
    delay = _DELAY.search(text)
    if delay:
        return bounded(float(delay[1]))
    parts = _DELAY_PARTS.search(text)
    if parts:
        return bounded(int(parts["s"]) + int(parts["n"] or 0) / 1e9)
    return _in_field(text, now, zone)


def _in_field(text: str, now: float, zone: str) -> float | None:
    """A field of the body that says it; a moment that is past says nothing."""
    field = _FIELD.search(text)
    if field and not field["more"]:
        seconds = float(field["n"]) / (1000 if (field["unit"] or "").lower() == "ms" else 1)
        then = epoch(seconds)
        return bounded(seconds if then is None else then - now)
    at = _FIELD_AT.search(text)
    if at and (seconds := wait(at["text"] or at["n"], now, zone) or 0.0):
        return seconds
    printed = _RESET_AT.search(text)
    if printed:
        written = f"{printed['day']}T{printed['time']}{printed['zone'] or ''}"
        then = moment(written, zone)
        return bounded(then - now) if then is not None and then > now else None
    return None


def span(text: str) -> str | None:
    """The window that a message names by a number, as contract §2 writes it: ``5h``."""
    found = _SPAN.search(text)
    if found is None:
        return None
    count, unit = int(found["a"] or found["b"]), (found["au"] or found["bu"])[0].lower()
    return f"{count}{unit}" if count * _UNITS[unit] <= LONGEST else None
