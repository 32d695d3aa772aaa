"""What one answer says: its text, its tool calls, the JSON it holds. Pure reading of chat bodies.

Whether it is any good is ``core.outcome.flaws``'; whether it is true nobody can tell here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Larger answers are not parsed to be compared: their text stands.
_JSON_MAX = 2_000_000


def messages_of(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The message of each choice of a chat body."""
    choices = data.get("choices")
    found = []
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            found.append(message)
    return found


def text_of(message: Mapping[str, Any]) -> str:
    """A message's text; tool calls as JSON where there are any; images only named."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(_part(part) for part in content if isinstance(part, dict))
    text = content if isinstance(content, str) else ""
    calls = calls_of(message)
    if calls:
        text = f"{text}\n{json.dumps(calls, ensure_ascii=False)}".strip()
    return text


def calls_of(message: Mapping[str, Any]) -> list[list[Any]]:
    """Name and arguments (parsed where they are JSON) of each tool call."""
    calls = message.get("tool_calls")
    functions = [one.get("function") for one in _dicts(calls)]
    functions.append(message.get("function_call"))
    return [[one.get("name"), _arguments(one.get("arguments"))] for one in _dicts(functions)]


def parsed(text: str) -> tuple[bool, Any]:
    """Whether a text, also inside one code fence, is JSON, and what it holds."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```") and "\n" in bare:
        bare = bare[bare.index("\n") + 1 : -3].strip()
    if len(bare) > _JSON_MAX:
        return False, None
    try:
        return True, json.loads(bare)
    except (ValueError, RecursionError):
        return False, None


def _arguments(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    is_json, said = parsed(value)
    return said if is_json else value


def _part(part: Mapping[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else f"[{part.get('type', 'part')}]"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
