"""Anthropic's messages API as its documentation shows it, JSON and event stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from freeloader.simulator.wire.base import (
    BadRequestError,
    Context,
    Count,
    Frame,
    Usage,
    integer,
    messages_of,
    model_of,
)
from freeloader.simulator.wire.content import Ask, Reply, count, input_tokens, pieces, text_of
from freeloader.simulator.wire.sse import event

_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


class Messages:
    """``POST messages``."""

    stream_type = "text/event-stream"

    def parse(self, body: Mapping[str, Any]) -> Ask:
        """Raises BadRequestError; ``max_tokens`` is required, as at Anthropic."""
        limit = integer(body, "max_tokens")
        if limit is None:
            raise BadRequestError("max_tokens: Field required", "max_tokens")
        system, images = text_of(body.get("system"))
        messages = [("system", system)] if system else []
        for message in messages_of(body):
            text, extra = text_of(message.get("content"))
            messages.append((_role(message), text))
            images += extra
        tools = body.get("tools") or ()
        choice = body.get("tool_choice")
        if isinstance(choice, Mapping) and choice.get("type") in ("any", "auto", "none"):
            choice = choice["type"]
        return Ask(
            model=model_of(body),
            messages=messages,
            input_tokens=input_tokens(messages, tools, images),
            max_output=limit,
            stream=body.get("stream") is True,
            include_usage=True,
            tools=tools if isinstance(tools, list) else (),
            tool_choice=choice,
            stop=tuple(body.get("stop_sequences") or ()),
            raw=body,
        )

    def usage(self, count: Count) -> Usage:
        return {
            "input_tokens": count.fresh,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": count.cached,
            "output_tokens": count.output,
        }

    def whole(self, context: Context, replies: Sequence[Reply]) -> dict[str, Any]:
        reply = replies[0]
        return _message(context, _blocks(reply), _REASONS[reply.finish], self._told(context))

    def frames(self, context: Context, replies: Sequence[Reply]) -> Iterator[Frame]:
        reply, told = replies[0], self._told(context)
        start = _message(context, [], None, told | ({"output_tokens": 1} if told else {}))
        yield _named("message_start", {"message": start})
        for at, block in enumerate(_blocks(reply)):
            empty = {"text": "", "thinking": "", "input": {}}
            shown = {k: empty.get(k, v) for k, v in block.items()}
            yield _named("content_block_start", {"index": at, "content_block": shown})
            kind, field = _DELTAS[block["type"]]
            value = block["input"] if block["type"] == "tool_use" else block[block["type"]]
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            if block["type"] == "tool_use":
                yield _piece(at, kind, field, "", count(block["name"]))
            for piece in pieces(text):
                yield _piece(at, kind, field, piece, count(piece))
            yield _named("content_block_stop", {"index": at})
        closing = {"stop_reason": _REASONS[reply.finish], "stop_sequence": None}
        output = {"output_tokens": told["output_tokens"]} if told else {}
        yield _named("message_delta", {"delta": closing, "usage": output})
        yield Frame(event({"type": "message_stop"}, "message_stop"), done=True)

    def error_frame(self, context: Context, status: int) -> bytes:
        error = {"type": "overloaded_error", "message": "Overloaded"}
        return event({"type": "error", "error": error}, "error")

    @staticmethod
    def _told(context: Context) -> dict[str, Any]:
        return dict(context.usages[-1]) if context.usages else {}


_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


def _role(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    answered = any(isinstance(p, Mapping) and p.get("type") == "tool_result" for p in parts)
    return "tool" if answered else str(message["role"])


def _message(
    context: Context, blocks: list[dict[str, Any]], reason: str | None, told: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": f"msg_{context.id}",
        "type": "message",
        "role": "assistant",
        "model": context.ask.model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": dict(told),
    }


def _blocks(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": "sim"})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    for call in reply.calls:
        value = orjson.loads(call.arguments)
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": value})
    return blocks


def _named(name: str, payload: Mapping[str, Any]) -> Frame:
    return Frame(event({"type": name, **payload}, name))


def _piece(at: int, kind: str, field: str, text: str, tokens: int) -> Frame:
    delta = {"type": kind, field: text}
    payload = {"type": "content_block_delta", "index": at, "delta": delta}
    return Frame(event(payload, "content_block_delta"), tokens, content=True)
