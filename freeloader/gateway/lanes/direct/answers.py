"""What a provider's own answer is made into: the same that the child would make of it. Pure.

Names are those that OpenAI's clients know (``reasoning_content``, the five finish
reasons), what every answer has is there (``id``, ``object``, ``created``, ``index``).
The text itself is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from freeloader.child.bodies import parsed
from freeloader.core.events import Answer

_TEXT = 4096
#: Finish reasons seen at OpenAI-compatible providers, as LiteLLM maps them; others: ``stop``.
_FINISHES: Mapping[str, str] = {
    **{name: name for name in ("stop", "length", "tool_calls", "function_call", "content_filter")},
    **dict.fromkeys(("max_tokens", "MAX_TOKENS", "compaction"), "length"),
    "tool_use": "tool_calls",
    **dict.fromkeys(("refusal", "sensitive", "content_filtered", "SAFETY"), "content_filter"),
}


def tidy(data: dict[str, Any], ident: str, created: Callable[[], int], *, stream: bool) -> None:
    """Puts in what every answer has, and OpenAI's names for the rest. Changes ``data``."""
    part_name = "delta" if stream else "message"
    if not isinstance(data.get("id"), str) or not data["id"]:
        data["id"] = ident
    if not isinstance(data.get("created"), int):
        data["created"] = created()
    data["object"] = "chat.completion.chunk" if stream else "chat.completion"
    choices = data.get("choices")
    for number, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        choice.setdefault("index", 0 if stream else number)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            choice["finish_reason"] = _FINISHES.get(reason, "stop")
        elif stream:
            choice["finish_reason"] = None
        part = choice.get(part_name)
        if isinstance(part, dict):
            _tidy_part(part, stream=stream)
        elif part is not None:
            choice[part_name] = {}  # no client could read it


def _tidy_part(part: dict[str, Any], *, stream: bool) -> None:
    thought = part.pop("reasoning", None) if "reasoning" in part else None
    if thought is not None:
        part.setdefault("reasoning_content", thought)
    if not stream:
        part.setdefault("role", "assistant")
        part.setdefault("content", None)


def as_chunk(data: dict[str, Any]) -> None:
    """A whole answer to somebody who asked for a stream: one chunk. Changes ``data``."""
    choices = data.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        part = choice.pop("message", None)
        if not isinstance(part, dict):
            continue
        calls = part.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                call.setdefault("index", number)
        choice["delta"] = part


def hoist_usage(data: dict[str, Any]) -> None:
    """Groq tells a stream's usage in a field of its own. Changes ``data``."""
    own = data.pop("x_groq", None)
    usage = own.get("usage") if isinstance(own, dict) else None
    if isinstance(usage, dict) and not isinstance(data.get("usage"), dict):
        data["usage"] = usage


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """An answer by an HTTP error, as the provider gave it."""
    return Answer(status, headers=headers, body=text_of(body), code=code_of(body), phase="head")


def broken(headers: Mapping[str, str], why: str, body: bytes = b"") -> Answer:
    """A success that came to nothing, or broke off: it may be billed all the same."""
    return Answer(
        200, headers=headers, body=text_of(body) or why, error_class=why, code=code_of(body),
        phase="stream",
    )  # fmt: skip


def our_fault(message: str, error_class: str, phase: str = "connect") -> Answer:
    """A failure of the lane itself: the provider is not to blame."""
    return Answer(None, body=message, error_class=error_class, phase=phase, lane_fault=True)


def failure_in(data: Mapping[str, Any]) -> bytes:
    """The error that stands in a choice instead of an answer (OpenRouter's way); b"" for none."""
    choices = data.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        error = choice.get("error")
        if not error and choice.get("finish_reason") == "error":
            error = {"message": "the answer ended with the finish reason 'error'"}
        if error:
            return orjson.dumps({"error": error})
    return b""


def text_of(body: bytes) -> str:
    return body[:_TEXT].decode("utf-8", "replace")


def code_of(body: bytes) -> str | None:
    """The provider's own error code, where its body has one."""
    data = parsed(body)
    error = data.get("error") if data else None
    code = error.get("code") if isinstance(error, dict) else None
    return str(code)[:100] if isinstance(code, (str, int)) and not isinstance(code, bool) else None
