"""OpenAI's chat, completions and embeddings as providers with that wire write them.

Groq's answers carry ``service_tier`` and ``x_groq``; Mistral and Cerebras report usage
in their last chunk unasked; DeepSeek and Groq name reasoning differently. Pure: no sockets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
from freeloader.simulator.wire.content import (
    MAX_CHOICES,
    Ask,
    Reply,
    ToolCall,
    count,
    embedding,
    input_tokens,
    pieces,
    text_of,
)
from freeloader.simulator.wire.sse import DONE, event

_REASONING_FIELD = {"groq": "reasoning", "openrouter": "reasoning", "cerebras": "reasoning"}
#: These report usage in their last chunk, asked or not.
_TELLS_UNASKED = frozenset({"mistral", "cerebras"})


class Chat:
    """``POST chat/completions``."""

    stream_type = "text/event-stream"

    def parse(self, body: Mapping[str, Any]) -> Ask:
        """Raises BadRequestError."""
        messages, images = [], 0
        for message in messages_of(body):
            text, extra = text_of(message.get("content"))
            calls = message.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                inner = call.get("function", {}) if isinstance(call, Mapping) else {}
                text += f"{inner.get('name', '')}{inner.get('arguments', '')}"
            messages.append((str(message["role"]), text))
            images += extra
        tools = body.get("tools") or ()
        if not isinstance(tools, list | tuple):
            raise BadRequestError("tools must be an array", "tools")
        shape = body.get("response_format")
        schema = _schema(shape)
        return Ask(
            model=model_of(body),
            messages=messages,
            input_tokens=input_tokens(messages, tools, images),
            max_output=integer(body, "max_completion_tokens", "max_tokens"),
            stream=body.get("stream") is True,
            include_usage=_include_usage(body),
            choices=_choices(body),
            tools=tools,
            tool_choice=body.get("tool_choice"),
            json_schema=schema,
            json_mode=isinstance(shape, Mapping) and shape.get("type") == "json_object",
            stop=_stop(body.get("stop")),
            raw=body,
        )

    def usage(self, count: Count) -> Usage:
        return usage(count)

    def whole(self, context: Context, replies: Sequence[Reply]) -> dict[str, Any]:
        choices = [
            {
                "index": at,
                "message": _message(context.style, reply),
                "logprobs": None,
                "finish_reason": reply.finish,
            }
            for at, reply in enumerate(replies)
        ]
        answer = _head(context, "chat.completion") | {"choices": choices}
        if context.usages:
            answer["usage"] = context.usages[-1]
        if context.style == "groq":
            answer |= {"usage_breakdown": None, "service_tier": "on_demand"}
            answer["x_groq"] = {"id": f"req_{context.id}"}
        return answer

    def frames(self, context: Context, replies: Sequence[Reply]) -> Iterator[Frame]:
        head = _head(context, "chat.completion.chunk")
        first = {"x_groq": {"id": f"req_{context.id}"}} if context.style == "groq" else {}
        for at, reply in enumerate(replies):
            opening = {"role": "assistant", "content": None if reply.calls else ""}
            yield Frame(event(head | {"choices": [_delta(at, opening)]} | first))
            first = {}
            yield from self._body(head, context.style, at, reply)
            closing: dict[str, Any] = {"choices": [_delta(at, {}, reply.finish)]}
            if at == len(replies) - 1 and context.usages:
                if context.style == "groq":
                    closing["x_groq"] = {"id": f"req_{context.id}", "usage": context.usages[-1]}
                if context.style in _TELLS_UNASKED:
                    closing["usage"] = context.usages[-1]
            yield Frame(event(head | closing))
        if context.ask.include_usage and context.style not in _TELLS_UNASKED:
            for reported in context.usages:
                yield Frame(event(head | {"choices": [], "usage": reported}))
        yield Frame(DONE, done=True)

    def _body(self, head: Usage, style: str, at: int, reply: Reply) -> Iterator[Frame]:
        def frame(delta: Mapping[str, Any], tokens: int) -> Frame:
            return Frame(event({**head, "choices": [_delta(at, delta)]}), tokens, content=True)

        field = _REASONING_FIELD.get(style, "reasoning_content")
        for piece in pieces(reply.reasoning):
            yield frame({field: piece}, count(piece))
        for piece in pieces(reply.text):
            yield frame({"content": piece}, count(piece))
        for place, call in enumerate(reply.calls):
            named = _call(call, "") | {"index": place}
            yield frame({"tool_calls": [named]}, count(call.name))
            for piece in pieces(call.arguments):
                part = {"index": place, "function": {"arguments": piece}}
                yield frame({"tool_calls": [part]}, count(piece))

    def error_frame(self, context: Context, status: int) -> bytes:
        return event(
            _head(context, "chat.completion.chunk")
            | {
                "provider": context.provider,
                "error": {"code": status, "message": "Provider disconnected"},
                "choices": [_delta(0, {"content": ""}, "error")],
            }
        )


class Completions(Chat):
    """``POST completions``, the older shape: a prompt in, text out."""

    def parse(self, body: Mapping[str, Any]) -> Ask:
        """Raises BadRequestError."""
        prompt = body.get("prompt")
        if isinstance(prompt, list) and all(isinstance(part, str) for part in prompt):
            prompt = "\n".join(prompt)
        if not isinstance(prompt, str):
            raise BadRequestError("prompt must be a string or an array of strings", "prompt")
        return Ask(
            model=model_of(body),
            messages=[("user", prompt)],
            input_tokens=count(prompt),
            max_output=integer(body, "max_tokens") or 16,
            stream=body.get("stream") is True,
            include_usage=_include_usage(body),
            choices=_choices(body),
            stop=_stop(body.get("stop")),
            raw=body,
        )

    def whole(self, context: Context, replies: Sequence[Reply]) -> dict[str, Any]:
        answer = _head(context, "text_completion")
        answer["choices"] = [_text(at, r.text, r.finish) for at, r in enumerate(replies)]
        if context.usages:
            answer["usage"] = context.usages[-1]
        return answer

    def frames(self, context: Context, replies: Sequence[Reply]) -> Iterator[Frame]:
        head = _head(context, "text_completion")
        for at, reply in enumerate(replies):
            for piece in pieces(reply.text):
                data = event(head | {"choices": [_text(at, piece, None)]})
                yield Frame(data, count(piece), content=True)
            yield Frame(event(head | {"choices": [_text(at, "", reply.finish)]}))
        if context.ask.include_usage:
            for reported in context.usages:
                yield Frame(event(head | {"choices": [], "usage": reported}))
        yield Frame(DONE, done=True)


def usage(told: Count) -> dict[str, Any]:
    """OpenAI's usage object. ``outside``: reasoning only shows as total − prompt − completion."""
    prompt = told.fresh + told.cached
    completion = told.output - told.reasoning if told.outside else told.output
    reported: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + told.output,
        "prompt_tokens_details": {"cached_tokens": told.cached},
    }
    if told.reasoning and not told.outside:
        reported["completion_tokens_details"] = {"reasoning_tokens": told.reasoning}
    return reported


def embeddings(model: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """An embeddings answer and its input tokens. Raises BadRequestError."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise BadRequestError("input must be a string or an array of strings", "input")
    size = min(integer(body, "dimensions") or 64, 4096)
    tokens = sum(count(text) for text in texts)
    data = [
        {"object": "embedding", "index": at, "embedding": embedding(text, size)}
        for at, text in enumerate(texts[:2048])
    ]
    spent = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": spent}, tokens


def _head(context: Context, kind: str) -> dict[str, Any]:
    prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
    return {
        "id": f"{prefix}-{context.id}",
        "object": kind,
        "created": context.created,
        "model": context.ask.model,
        "system_fingerprint": "fp_simulated",
    }


def _message(style: str, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message[_REASONING_FIELD.get(style, "reasoning_content")] = reply.reasoning
    if reply.calls:
        message["content"] = None
        message["tool_calls"] = [_call(call, call.arguments) for call in reply.calls]
    return message


def _call(call: ToolCall, arguments: str) -> dict[str, Any]:
    inner = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": inner}


def _delta(at: int, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": at, "delta": delta, "logprobs": None, "finish_reason": finish}


def _text(at: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": at, "logprobs": None, "finish_reason": finish}


def _include_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if body.get("stream") is not True:
        detail = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise BadRequestError(detail, "stream_options")
    return isinstance(options, Mapping) and options.get("include_usage") is True


def _choices(body: Mapping[str, Any]) -> int:
    wanted = integer(body, "n") or 1
    if wanted > MAX_CHOICES:
        raise BadRequestError(f"n may be at most {MAX_CHOICES}", "n")
    return wanted


def _stop(stop: Any) -> tuple[str, ...]:
    if isinstance(stop, str):
        return (stop,)
    return tuple(str(mark) for mark in stop[:4]) if isinstance(stop, list) else ()


def _schema(shape: Any) -> Mapping[str, Any] | None:
    if not isinstance(shape, Mapping) or shape.get("type") != "json_schema":
        return None
    inner = shape.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    return schema if isinstance(schema, Mapping) else {}
