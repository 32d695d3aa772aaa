"""Ollama's own API (chat and generate, NDJSON streams) and the lists of local servers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
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


class OllamaChat:
    """``POST api/chat``. Streams unless told not to, as Ollama does."""

    stream_type = "application/x-ndjson"
    _field = "message"

    def parse(self, body: Mapping[str, Any]) -> Ask:
        """Raises BadRequestError."""
        messages = [
            (str(message["role"]), text_of(message.get("content"))[0])
            for message in messages_of(body)
        ]
        return self._ask(body, messages, body.get("tools") or ())

    def _ask(self, body: Mapping[str, Any], messages: list[tuple[str, str]], tools: Any) -> Ask:
        options = body.get("options")
        options = options if isinstance(options, Mapping) else {}
        shape = body.get("format")
        limit = options.get("num_predict")
        return Ask(
            model=model_of(body),
            messages=messages,
            input_tokens=input_tokens(messages, tools, 0),
            max_output=integer(options, "num_predict") if limit not in (-1, -2) else None,
            stream=body.get("stream") is not False,
            include_usage=True,
            tools=tools if isinstance(tools, list) else (),
            json_schema=shape if isinstance(shape, Mapping) else None,
            json_mode=shape == "json",
            raw=body,
        )

    def usage(self, count: Count) -> Usage:
        return {"prompt_eval_count": count.fresh + count.cached, "eval_count": count.output}

    def whole(self, context: Context, replies: Sequence[Reply]) -> dict[str, Any]:
        reply = replies[0]
        return self._line(context, self._said(reply)) | _end(context, reply)

    def frames(self, context: Context, replies: Sequence[Reply]) -> Iterator[Frame]:
        reply = replies[0]
        for piece in pieces(reply.reasoning):
            part = self._said(Reply("", "stop", reasoning=piece))
            yield _frame(self._line(context, part), count(piece))
        for piece in pieces(reply.text):
            yield _frame(self._line(context, self._said(Reply(piece, "stop"))), count(piece))
        if reply.calls:
            spent = sum(call.tokens() for call in reply.calls)
            yield _frame(self._line(context, self._said(reply)), spent)
        last = self._line(context, self._said(Reply("", reply.finish))) | _end(context, reply)
        yield Frame(orjson.dumps(last) + b"\n", done=True)

    def error_frame(self, context: Context, status: int) -> bytes:
        return orjson.dumps({"error": "llama runner process has terminated"}) + b"\n"

    def _line(self, context: Context, said: Any) -> dict[str, Any]:
        at = datetime.fromtimestamp(context.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "model": context.ask.model,
            "created_at": at,
            self._field: said,
            "done": False,
        }

    def _said(self, reply: Reply) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.reasoning:
            message["thinking"] = reply.reasoning
        if reply.calls:
            message["tool_calls"] = [
                {"function": {"name": call.name, "arguments": orjson.loads(call.arguments)}}
                for call in reply.calls
            ]
        return message


class OllamaGenerate(OllamaChat):
    """``POST api/generate``: a prompt in, ``response`` out."""

    _field = "response"

    def parse(self, body: Mapping[str, Any]) -> Ask:
        """Raises BadRequestError."""
        prompt = body.get("prompt", "")
        if not isinstance(prompt, str):
            raise BadRequestError("prompt must be a string", "prompt")
        return self._ask(body, [("user", prompt)], ())

    def _said(self, reply: Reply) -> Any:
        return reply.text


def _end(context: Context, reply: Reply) -> dict[str, Any]:
    reason = "length" if reply.finish == "length" else "stop"
    told = dict(context.usages[-1]) if context.usages else {}
    times = {"total_duration": 1_000_000, "load_duration": 1000, "eval_duration": 900_000}
    return {"done": True, "done_reason": reason} | times | told


def _frame(line: Mapping[str, Any], tokens: int) -> Frame:
    return Frame(orjson.dumps(line) + b"\n", tokens, content=True)
