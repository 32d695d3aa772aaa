"""The texts of a request and its answer, kept in the journal only where the owner asked for it.

Collects what was relayed, up to a bound; masking and writing happen in the
journal's own thread. What is private in a text is masked only as far as keys go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.gateway.ports import JournalPort, Keep

#: Characters kept of a request, and of an answer.
CHARS_MAX = 256 * 1024
_ASKED = ("messages", "prompt", "tools", "response_format")


@dataclass(slots=True)
class _Choice:
    model: str | None = None  # where several models answered
    text: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)


class Texts:
    """What one run asked and was answered."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._left = CHARS_MAX
        self._choices: dict[int, _Choice] = {}

    def note(self, data: Mapping[str, Any]) -> None:
        """One chunk, or a whole answer, as it is relayed."""
        if not self._keep.responses or self._left <= 0:
            return
        choices = data.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping):
                part = choice.get("delta") or choice.get("message") or choice
                index = choice.get("index")
                if isinstance(part, Mapping):
                    self._part(index if isinstance(index, int) else 0, part, choice.get("model"))

    def save(
        self,
        journal: JournalPort,
        decision_id: str,
        at: float,
        payload: Mapping[str, Any],
        scrub: Callable[[str], str],
    ) -> None:
        """Hands over to the journal what is to be kept, if anything is."""
        if not self._keep.prompts and not self._choices:
            return
        asked = {name: payload[name] for name in _ASKED if name in payload}

        def make() -> tuple[str | None, str | None]:
            prompt = json.dumps(asked, ensure_ascii=False, default=str)[:CHARS_MAX]
            return (
                scrub(prompt) if self._keep.prompts else None,
                scrub(self._answer()) if self._choices else None,
            )

        journal.texts(decision_id, at, make)

    def _part(self, index: int, part: Mapping[str, Any], model: Any) -> None:
        choice = self._choices.setdefault(index, _Choice())
        if isinstance(model, str):
            choice.model = model
        for name in ("content", "text", "refusal"):
            self._add(choice.text, part.get(name))
        calls = part.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            function = call.get("function") if isinstance(call, Mapping) else None
            if not isinstance(function, Mapping):
                continue
            at = call.get("index")
            kept = choice.calls.setdefault(at if isinstance(at, int) else number, {})
            for name in ("name", "arguments"):
                pieces: list[str] = []
                self._add(pieces, function.get(name))
                kept[name] = kept.get(name, "") + "".join(pieces)

    def _add(self, to: list[str], value: Any) -> None:
        if isinstance(value, str) and value and self._left > 0:
            to.append(value[: self._left])
            self._left -= len(value)

    def _answer(self) -> str:
        """The text itself; JSON where there are tool calls or several choices."""
        if len(self._choices) == 1:
            (only,) = self._choices.values()
            if not only.calls:
                return "".join(only.text)
        rows = [
            {"index": index, "content": "".join(choice.text)}
            | ({"model": choice.model} if choice.model else {})
            | ({"toolCalls": list(choice.calls.values())} if choice.calls else {})
            for index, choice in sorted(self._choices.items())
        ]
        return json.dumps(rows, ensure_ascii=False)
