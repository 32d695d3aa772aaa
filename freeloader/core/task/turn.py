"""Which part of a conversation is asked about: its last user turn, and what is in play there.

A system prompt, tools on offer and all that was said before do not change what a question
is about. Tool results or calls after the last user turn do: then an agent is at work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from freeloader.records import record

#: Text taken of a turn: more than is read (``text.CUT``), from both ends.
_KEEP = 4_096
_TOOLS_MAX = 256
#: ``getWeather``, ``get_weather`` and ``GetWeather`` have the same words.
_NAME_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@record(frozen=True, slots=True)
class Turn:
    """The last user turn. ``offered`` are the functions that may be called (see
    ``words_of_tool``); ``at_work``: tools were called or have answered since; ``forced``:
    a tool must be called."""

    text: str = ""
    size: int = 0
    images: bool = False
    at_work: bool = False
    forced: bool = False
    offered: tuple[Mapping[str, Any], ...] = ()


def turn_of(payload: Mapping[str, Any]) -> Turn:
    """From a chat payload (``messages``, ``tools``, ``tool_choice``), in OpenAI's shape."""
    messages: Sequence[Mapping[str, Any]] = payload.get("messages") or ()
    last = len(messages) - 1
    at_work = False
    while last >= 0 and messages[last].get("role") != "user":
        message = messages[last]
        if message.get("role") in ("tool", "function") or message.get("tool_calls"):
            at_work = True
        at_work = at_work or bool(message.get("function_call"))
        last -= 1
    text, images = _content(messages[last].get("content")) if last >= 0 else ("", False)
    choice = payload.get("tool_choice", payload.get("function_call"))
    forced = choice is not None and (choice == "required" or isinstance(choice, Mapping))
    kept = text if len(text) <= 2 * _KEEP else text[:_KEEP] + text[-_KEEP:]
    return Turn(kept, len(text), images, at_work, forced, _offered(payload))


def _content(content: Any) -> tuple[str, bool]:
    if isinstance(content, str):
        return content, False
    parts = content if isinstance(content, (list, tuple)) else ()
    texts = [p["text"] for p in parts if isinstance(p, Mapping) and isinstance(p.get("text"), str)]
    images = any(isinstance(p, Mapping) and p.get("type") == "image_url" for p in parts)
    return "\n".join(texts), images


def _offered(payload: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    tools = [t.get("function") or {} for t in payload.get("tools") or () if isinstance(t, Mapping)]
    tools += [f for f in payload.get("functions") or () if isinstance(f, Mapping)]
    return tuple(tools[:_TOOLS_MAX])


def words_of_tool(tool: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Stems of what a tool is about (its name without the verb), and of all its names."""
    parameters = tool.get("parameters")
    names = parameters.get("properties") if isinstance(parameters, Mapping) else None
    name = _stems(str(tool.get("name", "")))
    every = name | _stems(" ".join(names if isinstance(names, Mapping) else ()))
    return name - _VERBS, every


def _stems(text: str) -> frozenset[str]:
    words = map(str.lower, _NAME_WORD.findall(text))
    return frozenset(stem(word) for word in words if len(word) > 2 and word not in _COMMON)


def stem(word: str) -> str:
    """A word without the commonest English endings: ``books`` and ``booking`` are ``book``."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


#: What tools do; what they do it to says more. And nouns that any text may hold.
_VERBS = frozenset(
    ("calculate", "compute", "create", "search", "find", "fetch", "update", "delete", "remove",
     "add", "set", "send", "check", "book", "open", "play", "take", "show", "convert", "generate",
     "retrieve", "lookup", "edit", "read", "write", "cancel", "start", "stop", "schedule", "post",
     "current", "latest", "state", "status", "details",
     "time", "message", "note", "title", "code",
     "web", "app", "image", "test", "direction")
)  # fmt: skip
_COMMON = frozenset(
    ("get", "the", "and", "for", "with", "name", "type", "value", "data", "info", "list", "from",
     "text", "query", "input", "param", "function", "tool", "run", "make", "new", "all", "use")
)  # fmt: skip
