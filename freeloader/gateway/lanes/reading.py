"""What a lane gathers while chunks pass: content seen, finish reason, usage. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.child.told import Told
from freeloader.core.events import Usage
from freeloader.gateway.lanes.usage import meters_of
from freeloader.money import Meters

_CONTENT = (
    "content",
    "reasoning_content",
    "reasoning",
    "thinking_blocks",
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "images",
    "text",
)


class Reading:
    """Fed with the chunks of one stream, or the one body of a JSON answer."""

    def __init__(self, stream: bool) -> None:
        self._stream = stream
        self.content = False
        self.any = False
        #: Of the latest one: whether it has content; and whether nothing is in it at all, once its
        #: usage is taken out.
        self.says, self.bare = False, True
        self.finish_reason: str | None = None
        self._usage: Told | None = None
        self._said = False  # something, since the usage was told

    def take(self, data: dict[str, Any]) -> bool:
        """Note what is in it, and take the usage out of a chunk. False: it is no answer at all."""
        choices = data.get("choices")
        usage = data.get("usage")
        every = _dicts(choices)
        self.says = says = any(map(_says, every))
        if isinstance(usage, dict):
            if self._usage is None:
                self._usage = Told(usage)
            else:
                self._usage.again(usage, self._said or says)
            self._said = False
            if self._stream:
                del data["usage"]  # told as an event of its own, to those who asked for it
        elif self._usage is not None:
            self._said = self._said or says
        if not isinstance(choices, list):
            return False
        self.any = True
        self.content = self.content or says
        self.bare = True
        for choice in every:
            reason = choice.get("finish_reason")
            if isinstance(reason, str) and reason:
                self.finish_reason = reason
            if reason or choice.get("text") or choice.get("delta"):
                self.bare = False
        return bool(choices) or isinstance(usage, dict)

    @property
    def told(self) -> bool:
        """True if a usage object came."""
        return self._usage is not None

    def usage(self, told: Mapping[str, Any]) -> Usage:
        """The usage: the provider's own object if the door has it, else LiteLLM's version.

        ``reported`` is False where the provider sent none (LiteLLM then made
        one up with a local tokenizer), where its numbers are nonsense or contradict each
        other, and where it went on speaking afterwards.
        """
        raw, reported = told.get("rawUsage"), bool(told.get("usage"))
        if not isinstance(raw, dict):
            own = self._usage
            raw = {} if own is None else own.best
            reported = reported and not (own is not None and (own.contrary or self._said))
        meters = meters_of(raw)
        if meters is None:
            return Usage(Meters(requests=1), reported=False, raw=raw)
        return Usage(meters, reported and (meters.output > 0 or not self.content), raw)


def _says(choice: Mapping[str, Any]) -> bool:
    """True if it carries text, reasoning, a tool call or another part."""
    part = choice.get("delta") or choice.get("message") or choice
    if isinstance(part, dict):
        for name in _CONTENT:  # mostly it is the first
            if part.get(name):
                return True
    return False


def _dicts(choices: Any) -> list[dict[str, Any]]:
    """The choices that are objects at all."""
    return [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []
