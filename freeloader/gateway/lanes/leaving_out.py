"""Fields that an adapter of LiteLLM does not take: which may be left out, and of which entry.

LiteLLM refuses a whole request for one sampling field that a provider does not
know (``seed`` at one, ``presence_penalty`` at the next), before anything is sent.
Such a field shapes an answer's style and not what it is, so the request goes
without it and the answer says so. Fields that an answer would be wrong without
(tools, formats, stops, lengths, counts) are never left out. Sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: What may be left out, by its name in the body.
MINOR = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "service_tier",
        "temperature",
        "top_logprobs",
        "top_p",
        "verbosity",
    }
)
#: What goes under its older name instead.
RENAMED: Mapping[str, str] = {"max_completion_tokens": "max_tokens"}
#: Entries whose gaps are remembered.
_ENTRIES_MAX = 10_000
_CLASS = "UnsupportedParamsError"
_LISTED = re.compile(r"not support (?:the )?param(?:eter)?s?\W{0,3}\s*\[([^\]]{1,500})\]")
_ONE = re.compile(r"n[o']t support (?:the parameter )?[`'\"]?([a-z_]{1,40})[`'\"]?\s?=")
_QUOTED = re.compile(r"['\"]([a-z_]{1,40})['\"]")


class Gaps:
    """What each entry was found not to take. Kept in memory: the next start learns it anew."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def of(self, entry: str, payload: Mapping[str, Any], *besides: str) -> frozenset[str]:
        """The fields of ``payload``, and ``besides``, that ``entry`` is known not to take."""
        known = self._known.get(entry)
        return known & {*payload, *besides} if known else frozenset()

    def learn(self, entry: str, names: frozenset[str]) -> None:
        if not names:
            return
        self._known[entry] = self._known.get(entry, frozenset()) | names
        while len(self._known) > _ENTRIES_MAX:
            del self._known[next(iter(self._known))]


def refused_fields(meta: Mapping[str, Any], payload: Mapping[str, Any]) -> frozenset[str]:
    """The fields to leave out, by the door's report of a refusal; empty where that cannot help."""
    if meta.get("class") != _CLASS or meta.get("calls"):
        return frozenset()
    text = str(meta.get("message") or "")
    named = {name for found in _LISTED.findall(text) for name in _QUOTED.findall(found)}
    named |= set(_ONE.findall(text))
    able = (MINOR | RENAMED.keys()) & payload.keys()
    return frozenset(named) if named <= able else frozenset()


def without(payload: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    """A copy of the payload for an adapter that does not take these fields."""
    body = {name: value for name, value in payload.items() if name not in left_out}
    for name in RENAMED.keys() & left_out & payload.keys():
        body.setdefault(RENAMED[name], payload[name])
    return body
