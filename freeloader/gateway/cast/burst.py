"""A whole chat body as the chunks of a stream, for answers that are known only at the end.

Two chunks a choice: all that it says, then how it ended. Pure dict work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def chunks(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks, without usage. What a choice carries besides its message stays with the first."""
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    for choice in body.get("choices") or ():
        index = choice.get("index", 0)
        more = {k: v for k, v in choice.items() if k not in ("message", "finish_reason")}
        delta = _delta(choice.get("message") or {})
        yield {**head, "choices": [{**more, "delta": delta, "finish_reason": None}]}
        reason = choice.get("finish_reason") or "stop"
        yield {**head, "choices": [{"index": index, "delta": {}, "finish_reason": reason}]}


def _delta(message: Mapping[str, Any]) -> dict[str, Any]:
    delta = {key: value for key, value in message.items() if value is not None}
    delta.setdefault("role", "assistant")
    calls = delta.get("tool_calls")
    if isinstance(calls, list):
        delta["tool_calls"] = [
            {"index": at, **call} for at, call in enumerate(calls) if isinstance(call, dict)
        ]
    return delta
