"""Answers of providers with wires of their own, as bytes. Sources: each provider's reference."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

SSE, LINES, AMAZON = (
    "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream",
)  # fmt: skip
Body = dict[str, Any]


def http(body: Any, kind: str = "application/json", status: int = 200) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
    return head.encode() + data


def sse(*events: Body, done: bool = False) -> bytes:
    lines = [
        (f"event: {one['type']}\n" if "type" in one else "") + f"data: {json.dumps(one)}\n\n"
        for one in events
    ]
    return http(("".join(lines) + "data: [DONE]\n\n" * done).encode(), SSE)


def lines(*objects: Body, kind: str = LINES) -> bytes:
    return http(b"".join(json.dumps(one).encode() + b"\n" for one in objects), kind)


def frames(*events: tuple[str, Body]) -> bytes:
    return http(b"".join(_frame(kind, payload) for kind, payload in events), AMAZON)


def _frame(kind: str, payload: Body) -> bytes:
    """One message of ``application/vnd.amazon.eventstream``."""
    failed = kind.endswith("Exception")
    told = {
        ":exception-type" if failed else ":event-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception" if failed else "event",
    }
    heads = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + struct.pack(">H", len(value))
        + value.encode()
        for name, value in told.items()
    )
    data = json.dumps(payload).encode()
    start = struct.pack(">II", len(heads) + len(data) + 16, len(heads))
    start += struct.pack(">I", zlib.crc32(start))
    whole = start + heads + data
    return whole + struct.pack(">I", zlib.crc32(whole))


# Cohere's chat, v2
COHERE_USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 7},
    "tokens": {"input_tokens": 71, "output_tokens": 9},
}
COHERE: Body = {
    "id": "x",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
    "usage": COHERE_USAGE,
}
_COHERE_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}


def cohere_event(kind: str, **message: Any) -> Body:
    return {"type": kind, "index": 0, "delta": {"message": message}}


def cohere_end(reason: str, usage: Any) -> Body:
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": usage}}


COHERE_TEXT = (
    {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}},
    cohere_event("content-start", content={"type": "text", "text": ""}),
    cohere_event("content-delta", content={"text": "hel"}),
    cohere_event("content-delta", content={"text": "lo"}),
    {"type": "content-end", "index": 0},
)
COHERE_CALL = (
    cohere_event("tool-plan-delta", tool_plan="I look"),
    cohere_event("tool-call-start", tool_calls=_COHERE_CALL),
    cohere_event("tool-call-delta", tool_calls={"function": {"arguments": '{"at":'}}),
    cohere_event("tool-call-delta", tool_calls={"function": {"arguments": ' "x"}'}}),
    {"type": "tool-call-end", "index": 0},
)

# Ollama's chat
OLLAMA_COUNTS = {"prompt_eval_count": 11, "eval_count": 7}


def ollama(text: str, **more: Any) -> Body:
    return {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": False,
            "message": {"role": "assistant", "content": text, **more}}  # fmt: skip


def ollama_end(text: str = "", /, **counts: Any) -> Body:
    return {**ollama(text), "done": True, "done_reason": "stop", **counts}


# Bedrock's converse
BEDROCK_USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
BEDROCK: Body = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": BEDROCK_USAGE,
}
BEDROCK_TEXT: tuple[tuple[str, Body], ...] = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"delta": {"text": "hel"}, "contentBlockIndex": 0}),
    ("contentBlockDelta", {"delta": {"text": "lo"}, "contentBlockIndex": 0}),
)
BEDROCK_END: tuple[tuple[str, Body], ...] = (
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
)

# Gemini
GEMINI_USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}


def gemini(text: str, finish: str | None = None, **more: Any) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


# Anthropic's messages
ANTHROPIC_USAGE = {"input_tokens": 11, "output_tokens": 7}
ANTHROPIC: Body = {
    "id": "m", "type": "message", "role": "assistant", "model": "c",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": ANTHROPIC_USAGE,
}  # fmt: skip


def anthropic(*parts: str, begun: Any = ANTHROPIC_USAGE) -> list[Body]:
    started = {**ANTHROPIC, "content": [], "stop_reason": None, "usage": begun}
    texts = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": one}}
        for one in parts
    ]
    opened = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    return [{"type": "message_start", "message": started}, opened, *texts]


def anthropic_end(usage: Any) -> list[Body]:
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": usage},
        {"type": "message_stop"},
    ]
