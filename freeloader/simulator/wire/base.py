"""What every wire gives and takes: a parsed request, a context, frames of a stream. Data only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from freeloader.simulator.wire.content import Ask, Reply

Usage = Mapping[str, Any]


class BadRequestError(Exception):
    """The client's body cannot be served: what is wrong, and which field."""

    def __init__(self, detail: str, param: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.param = param


@dataclass(frozen=True, slots=True)
class Context:
    """One admitted request, as a wire needs it to write its answer.

    ``usages`` is what the answer reports: one object usually, none where a fault
    hides it, two where a fault repeats it.
    """

    provider: str
    style: str
    id: str
    created: int
    ask: Ask
    usages: Sequence[Usage]


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream. ``tokens`` were generated for it; ``done`` ends the stream."""

    data: bytes
    tokens: int = 0
    content: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """What is to be reported as usage, before a wire spells it."""

    fresh: int
    cached: int
    output: int
    reasoning: int
    outside: bool = False


class Wire(Protocol):
    """One API shape: a body in, an answer's JSON or frames out."""

    stream_type: str

    def parse(self, body: Mapping[str, Any]) -> Ask: ...
    def usage(self, count: Count) -> Usage: ...
    def whole(self, context: Context, replies: Sequence[Reply]) -> Any: ...
    def frames(self, context: Context, replies: Sequence[Reply]) -> Iterator[Frame]: ...
    def error_frame(self, context: Context, status: int) -> bytes: ...


def integer(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of the fields that is there, as a positive whole number."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadRequestError(f"{name} must be a positive integer", name)
        return value
    return None


def messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The list of messages. Raises BadRequestError."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("messages must be a non-empty array", "messages")
    for at, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise BadRequestError("each message needs a role", f"messages[{at}].role")
    return messages


def model_of(body: Mapping[str, Any]) -> str:
    """The model's name. Raises BadRequestError."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequestError("you must provide a model parameter", "model")
    return model
