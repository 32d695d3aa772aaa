"""What a provider's success headers say of its limits, as observations for the books.

Reads headers only; what a refusal means is ``core.outcome``'s. A header that is
missing, malformed or negative yields nothing: a wrong number is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from freeloader.core.model import QuotaReport, RateLimitHeader
from freeloader.core.outcome import durations

#: LiteLLM passes the provider's own headers on under this prefix.
UPSTREAM = "llm_provider-"
#: A window of this name is the one that tripped: it says nothing on a success.
TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class Observation:
    """One number a provider told us.

    ``means``: ``limit | remaining | used | reset``; ``value`` a count in the
    metric's unit, or for ``reset`` the wall second at which the window is full again.
    """

    metric: str
    window: str
    means: str
    value: int | float


def plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names; what LiteLLM marks as the provider's own wins over its copies."""
    out: dict[str, str] = {}
    own: dict[str, str] = {}
    for name, value in headers.items():
        low = name.lower()
        if low.startswith(UPSTREAM):
            own[low.removeprefix(UPSTREAM)] = str(value)
        else:
            out[low] = str(value)
    return out | own


def observations(
    headers: Mapping[str, str], facts: Sequence[RateLimitHeader], now: float
) -> tuple[Observation, ...]:
    """What ``headers`` say, by the provider's header facts. ``now`` is wall seconds."""
    if not facts:
        return ()
    given = plain(headers)
    found = []
    for fact in facts:
        text = given.get(fact.name.lower())
        if text is None or fact.window == TRIPPED:
            continue
        value = _reset(text, now) if fact.means == "reset" else _count(text)
        if value is not None:
            found.append(Observation(fact.metric, fact.window, fact.means, value))
    return tuple(found)


def reported(answer: Any, facts: Sequence[QuotaReport]) -> tuple[Observation, ...]:
    """What a quota endpoint's JSON says, by the provider's own mapping; nothing for the rest."""
    found = []
    for fact in facts:
        value = answer
        for part in fact.path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if isfinite(value) and value >= 0:
            found.append(Observation(fact.metric, fact.window, fact.means, int(value)))
    return tuple(found)


def _count(text: str) -> int | None:
    value = durations.number(re.split(r", |;", text)[0])  # ``100, 100;w=60`` of a draft
    if value is None or value < 0:
        return None
    return int(value)


def _reset(text: str, now: float) -> float | None:
    """In whatever form: providers change a header's format more often than its name."""
    seconds = durations.wait(text, now)
    return None if seconds is None else now + seconds
