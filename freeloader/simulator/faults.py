"""Failures on demand: which fault, if any, befalls the next request.

Parses faults (command line, control API, in-process) and picks them; carrying one
out is the server's business. The randomness is given from outside, so a seeded
run fails the same way twice.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

MAX_FAULTS = 1000
#: Faults that are carried out in the answer itself, after the request was admitted.
LATE = frozenset(
    {"cut", "cut_reset", "stall", "garbage", "missing_usage", "usage_absurd", "sse_error"}
)
EARLY = frozenset({"hang", "slow", "reset", "empty", "redirect", "captured", "reply"})
#: Refusals by meaning, told in the provider's own words.
REFUSALS = frozenset(
    {
        "minute", "day", "month", "session", "week", "concurrency", "too_large", "credits",
        "bad_key", "forbidden", "no_model", "not_on_plan", "overload", "server_error",
    }
)  # fmt: skip
GARBAGE = (
    "bad_json", "split_utf8", "one_byte", "crlf", "no_done", "double_done", "huge_line",
    "comments", "no_space", "html",
)  # fmt: skip
ABSURD = ("negative", "huge", "twice", "zero", "null")
KINDS = LATE | EARLY | REFUSALS
_FIELDS = {
    "provider", "model", "key", "kind", "mode", "count", "forever", "probability",
    "afterChunks", "seconds", "billed", "on", "case", "status", "headers", "body", "location",
    "bytes", "id",
}  # fmt: skip


@dataclass(slots=True)
class Fault:
    """One fault waiting for requests. ``left`` None: for ever.

    ``kind`` is an HTTP status, a refusal's meaning, or a name from ``KINDS``;
    ``billed``: the provider did the work although the client never saw it
    (hang, reset, empty). ``on``: chat, models or all. ``seconds`` is the length of a
    hang, stall or slowness, or the wait a refusal prints.
    """

    provider: str
    kind: str
    model: str | None = None
    key: str | None = None
    mode: str = ""
    left: int | None = 1
    probability: float = 1.0
    after_chunks: int | None = None
    seconds: float | None = None
    billed: bool = False
    on: str = "chat"
    extra: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    hits: int = 0

    def matches(self, provider: str, model: str | None, key: str, on: str) -> bool:
        return (
            self.left != 0
            and self.provider in ("*", provider)
            and self.on in ("all", on)
            and (self.key is None or self.key == key)
            and (self.model is None or (model is not None and fnmatchcase(model, self.model)))
        )

    def as_dict(self) -> dict[str, Any]:
        found = {
            "id": self.id, "provider": self.provider, "model": self.model, "kind": self.kind,
            "mode": self.mode or None, "left": self.left, "forever": self.left is None,
            "probability": self.probability, "afterChunks": self.after_chunks,
            "seconds": self.seconds, "billed": self.billed, "on": self.on, "hits": self.hits,
        }  # fmt: skip
        return found | dict(self.extra)


def parse_fault(data: Mapping[str, Any]) -> Fault:
    """A fault from JSON. Raises ValueError with the nearest known word."""
    for name in data:
        if name not in _FIELDS:
            near = difflib.get_close_matches(str(name), _FIELDS, 1, 0.0)[0]
            raise ValueError(f"fault: unknown key {name!r}; did you mean {near!r}?")
    kind, mode = _kind(str(data.get("kind", "")), str(data.get("mode") or ""))
    count = None if data.get("forever") else int(data.get("count", 1))
    probability = float(data.get("probability", 1.0))
    if (count is not None and count < 1) or not 0 <= probability <= 1:
        raise ValueError("fault: count is 1 or more, probability between 0 and 1")
    on = str(data.get("on", "chat"))
    if on not in ("chat", "models", "all"):
        raise ValueError(f"fault: on is chat, models or all, not {on!r}")
    if "status" in data and not 200 <= int(data["status"]) <= 599:
        raise ValueError(f"fault: status is between 200 and 599, not {data['status']!r}")
    if not isinstance(data.get("headers") or {}, Mapping):
        raise ValueError("fault: headers is an object")
    seconds, chunks = data.get("seconds"), data.get("afterChunks")
    return Fault(
        provider=str(data.get("provider") or "*"),
        kind=kind,
        model=data.get("model"),
        key=data.get("key"),
        mode=mode,
        left=count,
        probability=probability,
        after_chunks=None if chunks is None else max(0, int(chunks)),
        seconds=None if seconds is None else max(0.0, float(seconds)),
        billed=bool(data.get("billed", False)),
        on=on,
        extra={
            name: data[name]
            for name in ("case", "status", "headers", "body", "location", "bytes")
            if name in data
        },
    )


def parse_word(word: str) -> Fault:
    """``provider[/model]:kind[.mode][:count|forever][:seconds]``, e.g. ``groq:500:3``.

    ``provider`` may be ``*``. Raises ValueError.
    """
    head, _, rest = word.partition(":")
    kind, _, tail = rest.partition(":")
    count, _, seconds = tail.partition(":")
    provider, _, model = head.partition("/")
    if not provider or not kind:
        raise ValueError(f"not a fault: {word!r} (use provider:kind[:count|forever][:seconds])")
    name, _, mode = kind.partition(".")
    data: dict[str, Any] = {"provider": provider, "kind": name, "mode": mode}
    if model:
        data["model"] = model
    if count == "forever":
        data["forever"] = True
    elif count:
        data["count"] = int(count)
    if seconds:
        data["seconds"] = float(seconds)
    return parse_fault(data)


class FaultBook:
    """The faults that wait, oldest first; the first that matches is used up."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, fault: Fault) -> Fault:
        """Raises ValueError beyond ``MAX_FAULTS``."""
        self._faults = [known for known in self._faults if known.left != 0]
        if len(self._faults) >= MAX_FAULTS:
            raise ValueError(f"more than {MAX_FAULTS} faults: clear some first")
        fault.id, self._next = self._next, self._next + 1
        self._faults.append(fault)
        return fault

    def pick(self, provider: str, model: str | None, key: str, on: str = "chat") -> Fault | None:
        """The fault for this request, counted down; None for none."""
        for fault in self._faults:
            if not fault.matches(provider, model, key, on):
                continue
            if fault.probability < 1.0 and self._rng.random() >= fault.probability:
                continue
            fault.hits += 1
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None

    def clear(self, provider: str | None = None, number: int | None = None) -> int:
        """Forgets the faults of one provider, one by its number, or all; returns how many."""
        keep = [
            fault
            for fault in self._faults
            if (provider is not None and fault.provider != provider)
            or (number is not None and fault.id != number)
        ]
        gone = len(self._faults) - len(keep)
        self._faults = keep
        return gone

    def as_list(self) -> list[dict[str, Any]]:
        return [fault.as_dict() for fault in self._faults]


def _kind(kind: str, mode: str) -> tuple[str, str]:
    kind = kind.replace("-", "_").lower()
    if kind in GARBAGE or kind in ABSURD:
        kind, mode = ("garbage" if kind in GARBAGE else "usage_absurd"), kind
    if kind.isdigit():
        if not 400 <= int(kind) <= 599:
            raise ValueError(f"fault: a status is between 400 and 599, not {kind}")
        return kind, mode
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, [*KINDS, *GARBAGE, *ABSURD], 1, 0.0)[0]
        raise ValueError(f"fault: unknown kind {kind!r}; did you mean {near!r}?")
    modes = {"garbage": GARBAGE, "usage_absurd": ABSURD}.get(kind)
    if modes is not None:
        mode = mode or modes[0]
        if mode not in modes:
            raise ValueError(f"fault: {kind} is one of {', '.join(modes)}, not {mode!r}")
    return kind, mode
