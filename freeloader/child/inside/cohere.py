"""Cohere's chat as Cohere sends it, for the pinned LiteLLM, which cannot read it.

LiteLLM takes each line of the event stream for JSON and looks for tool calls, the end and the
usage in places where Cohere has none of them: every stream ended at its first line. Of a whole
answer it says ``stop``, also where a tool is called, the length ran out or the generation
failed; it forgets that a tool must be called, and refuses to ask for JSON. Source: Cohere's
API v2, "Chat".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

_REASONS = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
#: Ends that are failures: what came so far is no answer.
_FAILED = frozenset({"ERROR", "TIMEOUT"})


def install() -> None:
    """Put them in the place of LiteLLM's own. Call after LiteLLM is imported."""
    from litellm.llms.cohere.chat.transformation import CohereChatConfig
    from litellm.llms.cohere.chat.v2_transformation import CohereV2ChatConfig
    from litellm.llms.cohere.common_utils import CohereV2ModelResponseIterator

    transform = CohereV2ChatConfig.transform_response
    # Requests of either version are checked by the second one's list, and mapped by the first.
    mapped, able = (
        CohereChatConfig.map_openai_params,
        CohereV2ChatConfig.get_supported_openai_params,
    )

    def transform_response(self: Any, *args: Any, **named: Any) -> Any:
        made = transform(self, *args, **named)
        raw = named["raw_response"] if "raw_response" in named else args[1]
        made.choices[0].finish_reason = reason_of(raw.json().get("finish_reason"))
        return made

    def map_openai_params(self: Any, *args: Any, **named: Any) -> Any:
        made = mapped(self, *args, **named)
        wanted = named["non_default_params"] if "non_default_params" in named else args[0]
        return {**made, **asked(wanted)}

    def get_supported_openai_params(self: Any, model: str) -> list[str]:
        return [*able(self, model), "response_format"]

    def convert(self: Any, chunk: str | bytes) -> dict[str, Any]:
        return piece_of(chunk)

    CohereV2ChatConfig.transform_response = transform_response
    CohereChatConfig.map_openai_params = map_openai_params
    CohereV2ChatConfig.get_supported_openai_params = get_supported_openai_params
    CohereV2ModelResponseIterator.convert_str_chunk_to_generic_chunk = convert


def asked(params: Mapping[str, Any]) -> dict[str, Any]:
    """A form of the answer, and that a tool must (or must not) be called, in Cohere's words.

    One tool by its name cannot be asked for there: then it is any.
    """
    found: dict[str, Any] = {}
    choice, form = params.get("tool_choice"), _object(params.get("response_format"))
    if choice in ("required", "none"):
        found["tool_choice"] = choice.upper()
    elif isinstance(choice, dict):
        found["tool_choice"] = "REQUIRED"
    if form.get("type") in ("json_object", "json_schema"):
        schema = _object(form.get("json_schema")).get("schema")
        found["response_format"] = {"type": "json_object"}
        found["response_format"] |= {"json_schema": schema} if isinstance(schema, dict) else {}
    return found


def reason_of(told: object) -> str:
    """Cohere's reason in OpenAI's words. Raises ValueError where it means a failure."""
    if told in _FAILED:
        raise ValueError(f"the generation failed: {told}")
    return _REASONS.get(str(told), "stop")


def piece_of(line: str | bytes) -> dict[str, Any]:
    """One line of the stream in the shape of LiteLLM's ``GenericStreamingChunk``.

    Lines that say nothing (names of events, comments, ``[DONE]``) are empty pieces. Raises
    ValueError for what is no JSON object, and where the generation failed.
    """
    text = line.encode() if isinstance(line, str) else line
    data = text.removeprefix(b"data:").strip()
    if (not text.startswith((b"data:", b"{"))) or data == b"[DONE]":
        return _piece()
    event = orjson.loads(data)
    if not isinstance(event, dict):
        raise ValueError("an event that is no object")
    delta = _object(event.get("delta"))
    message = _object(delta.get("message"))
    kind, place = event.get("type"), event.get("index")
    if kind == "content-delta":
        text_of = _object(message.get("content")).get("text")
        return _piece(text=text_of if isinstance(text_of, str) else "")
    if kind in ("tool-call-start", "tool-call-delta"):
        return _piece(tool_use=_call(message.get("tool_calls"), place))
    if kind == "message-end":
        reason = reason_of(delta.get("finish_reason"))
        return _piece(is_finished=True, finish_reason=reason, usage=_usage(delta.get("usage")))
    if "type" not in event:
        raise ValueError("no event of a chat")
    return _piece()


def _piece(**more: Any) -> dict[str, Any]:
    empty = {"text": "", "tool_use": None, "is_finished": False, "finish_reason": "", "usage": None}
    return {**empty, "index": 0, **more}


def _call(told: object, place: object) -> dict[str, Any]:
    """A call's beginning (with its name), or some more of its arguments."""
    call = _object(told[0] if isinstance(told, list) and told else told)
    function = _object(call.get("function"))
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {
            "name": function.get("name"),
            "arguments": function.get("arguments") or "",
        },
        "index": place if isinstance(place, int) else 0,
    }


def _usage(told: object) -> dict[str, int]:
    """The tokens that were read and written; zeros, which nobody believes, where it is unknown:
    without any LiteLLM guesses."""
    tokens = _object(_object(told).get("tokens"))
    into, out = tokens.get("input_tokens"), tokens.get("output_tokens")
    if type(into) is not int or type(out) is not int:
        into = out = 0
    return {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
