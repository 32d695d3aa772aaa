"""Chat answers and chunks → the bodies that clients see. Pure dict work, no I/O.

Upstream bodies are taken over as they are (ids, finish reasons, logprobs), with
``model`` as the pipeline wrote it; ours are ``routing``, ``usage``'s extra
fields and, for completions, ``text`` and ``budget``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.core.events import Usage

_INT_MAX = 2**53
#: What a choice carries where several models answered: whose it is, what it cost and took.
_OF_MEMBERS = ("model", "provider", "costUsd", "latencyMs", "usage")
#: LiteLLM's own additions, of no meaning outside.
_INTERNAL = ("provider_specific_fields", "_hidden_params", "litellm_model_id")
_NONE_INTERNAL = frozenset(_INTERNAL).isdisjoint


def usage_object(usage: Usage | None, accounting: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's ``usage`` (the provider's own words where it gave them) with ours beside it."""
    raw: Mapping[str, Any] = usage.raw if usage is not None else {}
    meters = usage.meters if usage is not None else None
    prompt = meters.input + meters.cache_read + meters.cache_write if meters else 0
    output = meters.output if meters else 0
    out: dict[str, Any] = {
        "prompt_tokens": _int(raw.get("prompt_tokens"), prompt or accounting.get("tokensIn")),
        "completion_tokens": _int(
            raw.get("completion_tokens"), output or accounting.get("tokensOut")
        ),
    }
    out["total_tokens"] = _int(
        raw.get("total_tokens"), out["prompt_tokens"] + out["completion_tokens"]
    )
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(raw.get(name), dict):
            out[name] = raw[name]
    return {**out, **accounting}


def chat_body(
    data: Mapping[str, Any], usage: Mapping[str, Any], routing: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON answer of ``/v1/chat/completions``."""
    body = _without_internal(data)
    body["choices"] = [_chat_choice(choice) for choice in _choices(data)]
    body["usage"] = usage
    body["routing"] = routing
    return body


def completion_body(
    data: Mapping[str, Any],
    usage: Mapping[str, Any],
    routing: Mapping[str, Any],
    budget: Mapping[str, Any],
    echo: str = "",
) -> dict[str, Any]:
    """The JSON answer of ``/v1/completions``: OpenAI's choices and the seed's fields at once."""
    choices = []
    for choice in _choices(data):
        message = choice.get("message")
        choices.append(_text_choice(choice, echo + _text_in(message)))
    return {
        "id": completion_id(data),
        "object": "text_completion",
        "created": data.get("created"),
        "model": data.get("model"),
        "system_fingerprint": data.get("system_fingerprint"),
        "choices": choices,
        "text": choices[0]["text"] if choices else "",
        "routing": dict(routing),
        "usage": dict(usage),
        "budget": dict(budget),
    }


def completion_id(data: Mapping[str, Any]) -> Any:
    """A chat answer's id, as text completions spell it."""
    given = data.get("id")
    if isinstance(given, str) and given.startswith("chatcmpl-"):
        return given.removeprefix("chat")
    return given


def chat_chunk(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """One stream chunk without usage; None where nothing else is in it."""
    choices = [_chat_choice(choice) for choice in _choices(data)]
    if data.get("usage") is not None and not any(_says_something(one) for one in choices):
        return None
    chunk = _without_internal(data)
    chunk.pop("usage", None)
    chunk["choices"] = choices
    return chunk


def completion_chunk(data: Mapping[str, Any], echo: str = "") -> dict[str, Any] | None:
    """A chat chunk as a text-completion chunk; None where it carries neither text nor an end."""
    choices = []
    for choice in _choices(data):
        text = echo + _text_in(choice.get("delta"))
        if text or choice.get("finish_reason") is not None:
            choices.append(_text_choice(choice, text))
    if not choices:
        return None
    return {
        "id": completion_id(data),
        "object": "text_completion",
        "created": data.get("created"),
        "model": data.get("model"),
        "choices": choices,
    }


def usage_chunk(last: Mapping[str, Any], kind: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """The chunk before ``[DONE]`` for clients that asked for usage."""
    return {
        "id": completion_id(last) if kind == "text_completion" else last.get("id"),
        "object": kind,
        "created": last.get("created"),
        "model": last.get("model"),
        "choices": [],
        "usage": dict(usage),
    }


def _choices(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = data.get("choices")
    return [one for one in choices if isinstance(one, dict)] if isinstance(choices, list) else []


def _chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    out = _without_internal(choice)
    for name in ("message", "delta"):
        inner = out.get(name)
        if isinstance(inner, dict) and not _NONE_INTERNAL(inner):
            out[name] = _without_internal(inner)
    return out


def _without_internal(part: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of it; mostly there is nothing to leave out."""
    out = dict(part)
    if not _NONE_INTERNAL(out):
        for name in _INTERNAL:
            out.pop(name, None)
    return out


def _text_in(part: Any) -> str:
    """The text of a message or delta; parts of any other shape have none."""
    content = part.get("content") if isinstance(part, dict) else None
    return content if isinstance(content, str) else ""


def _says_something(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    said = isinstance(delta, dict) and any(
        value is not None and value != "" for key, value in delta.items() if key != "role"
    )
    return said or choice.get("finish_reason") is not None


def _text_choice(choice: Mapping[str, Any], text: str) -> dict[str, Any]:
    out = {
        "index": choice.get("index", 0),
        "text": text,
        "logprobs": _old_logprobs(choice.get("logprobs")),
        "finish_reason": choice.get("finish_reason"),
    }
    return out | {name: choice[name] for name in _OF_MEMBERS if name in choice}


def _old_logprobs(value: Any) -> dict[str, Any] | None:
    """Chat's logprobs in the old form: four parallel lists."""
    rows = value.get("content") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        return None
    out: dict[str, Any] = {
        "tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []
    }  # fmt: skip
    offset = 0
    for row in rows:
        if not isinstance(row, dict):
            continue
        token = str(row.get("token", ""))
        out["tokens"].append(token)
        out["token_logprobs"].append(row.get("logprob"))
        top = [one for one in row.get("top_logprobs") or [] if isinstance(one, dict)]
        out["top_logprobs"].append({str(one.get("token")): one.get("logprob") for one in top})
        out["text_offset"].append(offset)
        offset += len(token)
    return out


def _int(value: Any, other: Any) -> int:
    for one in (value, other):
        # Beyond JSON's exact integers it is a provider's nonsense, and cannot be written either.
        if isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) <= _INT_MAX:
            return int(one)
    return 0
