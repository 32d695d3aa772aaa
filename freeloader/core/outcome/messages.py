"""Where a message says "later", and which span it names: in words, fields or a printed time.

Finds only; ``durations`` reads what is found, and nothing here knows what a refusal means.
Nothing ever raises, and no wait is negative.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from freeloader.core.outcome import tongues
from freeloader.core.outcome.durations import (
    AMOUNTS,
    LONGEST,
    UNITS,
    bounded,
    epoch,
    go_duration,
    moment,
    wait,
    worded,
)

_WORDS = re.compile(
    r"(?:try again|retry|retry after|wait|available|reset(?:s)?|again"
    r"|replenished|refresh(?:es)?|renews?|refills?)\s+"
    r"(?:in|after|for)?\s*(?:about|approximately)?\s*"
    r"(?P<go>(?:\d{1,12}(?:\.\d{1,12})?\s?(?:ms|µs|us|d|h|m|s)(?:(?=\d)|(?![a-z])\s?))+"
    rf"|(?P<amounts>{AMOUNTS})|(?P<clock>\d{{1,3}}:\d{{2}}:\d{{2}})(?!\d))"
    rf"|\b(?P<left>{AMOUNTS}) (?:remaining|left|until) (?:until |before |to )?"
    r"(?:the )?(?:next )?reset",
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
    r"[\"'](?:retry|resets?|available)(?:[_-]?(?:at|on|time|date))?[\"']\s*:\s*"
    r"(?:[\"'](?P<text>[^\"']{8,40})[\"']|(?P<n>\d{10,16}(?:\.\d{1,9})?))",
    re.IGNORECASE,
)
_RESET_AT = re.compile(
    r"(?:(?:reset|available|again|back|until|access)\w*:?\s+(?:(?:at|on|after):?)?"
    r"|(?P<zh>将在|将于|请于))\s*"
    r"(?:(?P<unix>1\d{9})\b|(?P<day>\d{4}-\d{2}-\d{2})(?:T| | at )"
    r"(?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)"
    r"\s?(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)",
    re.IGNORECASE,
)
#: ``resets daily at 08:00 UTC``, ``until midnight Pacific``: a time of day in a zone it names.
_CLOCK = re.compile(
    r"(?:reset|available|again|back|until|access)\w*\s+(?:(?:daily|every day|each day)\s+)?"
    r"(?:at\s+)?(?P<time>midnight|[0-2]?\d:[0-5]\d|1?\d(?=\s?[ap]m\b))(?::00)?(?:\s?(?P<half>[ap])m\b)?\s*\(?"
    r"(?P<zone>UTC|GMT|Z|Pacific|P[SD]?T|Eastern|E[SD]?T|CES?T|Beijing|JST)\b",
    re.IGNORECASE,
)
_ZONES = {
    "p": "America/Los_Angeles",
    "e": "America/New_York",
    "c": "Europe/Berlin",
    "b": "Asia/Shanghai",
    "j": "Asia/Tokyo",
}
#: The span of a limit that is named by a number: ``30 requests per 5h``, ``in the last 10
#: minutes``, ``3-hour window``. A wait ("again in 5 minutes"), a price ("per 1M"), a path are none.
_SPAN = re.compile(
    r"(?:\b(?:per|every|each)|(?:\d|\b(?:req|request|token|message|call|image|prompt)s?|\bqueries)"
    r"\s?/|\bin (?:the |any )?(?:last|past))\s{0,2}(?P<a>[1-9]\d{0,4})[ -]?"
    r"(?P<au>(?-i:s|m|h|d)|sec(?:ond)?s?|min(?:ute)?s?|h(?:ou)?rs?|days?)\b"
    r"|\b(?P<b>[1-9]\d{0,2})[- ]?(?P<bu>(?-i:h|d)|min(?:ute)?|hour|day)s?[- ]"
    r"(?:(?:rolling|sliding|usage|rate|request|token|message)s?[- ])?"
    r"(?:window|limit|quota|period|allowance|session)\b",
    re.IGNORECASE,
)


def wait_in_message(text: str, now: float, zone: str = "UTC") -> float | None:
    """Seconds, by a message.

    What it says in words, else gRPC's ``retryDelay`` or a field that says it, else a
    printed reset time, else a time of day.
    """
    words = _WORDS.search(text)
    if words:
        said = words["go"] or words["left"]
        return go_duration(re.sub(r"\s", "", said.lower())) or worded(said)
    abroad = tongues.wait(text)
    if abroad is not None:
        return bounded(abroad)
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
        named = (printed["zone"] or "").upper()
        named = "Z" if named in ("UTC", "GMT") else named
        written = printed["unix"] or f"{printed['day']}T{printed['time']}{named}"
        here = "Asia/Shanghai" if printed["zh"] and zone == "UTC" else zone
        then = float(written) if printed["unix"] else moment(written, here)
        return bounded(then - now) if then is not None and then > now else None
    return _to_the_clock(text, now)


def _to_the_clock(text: str, now: float) -> float | None:
    """Seconds to the next time that the clock shows what is named."""
    found = _CLOCK.search(text)
    if found is None:
        return None
    zone = ZoneInfo(_ZONES.get(found["zone"][0].lower(), "UTC"))
    said, _, minute = found["time"].lower().replace("midnight", "0:0").partition(":")
    hour = int(said)
    if found["half"]:  # 12 am is midnight
        hour = hour % 12 + (12 if found["half"] in "pP" else 0)
    if hour > 23:
        return None
    here = datetime.fromtimestamp(now, zone)
    then = here.replace(hour=hour, minute=int(minute or 0), second=0, microsecond=0)
    if then <= here:
        then += timedelta(days=1)
    return bounded(then.timestamp() - now)


def span(text: str) -> str | None:
    """The window that a message names by a number, as contract §2 writes it: ``5h``."""
    found = _SPAN.search(text)
    if found is None:
        return None
    count, unit = int(found["a"] or found["b"]), (found["au"] or found["bu"])[0].lower()
    return f"{count}{unit}" if count * UNITS[unit] <= LONGEST else None
