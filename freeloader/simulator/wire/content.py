"""What a pretend model answers, and how many tokens that is. Pure and deterministic.

The counting rule, so that tests can predict a bill: one token is four bytes of
UTF-8, rounded up per text. Input is the sum over messages, plus the compact JSON of
``tools``, plus 85 per image; output is the text, plus each tool call's name and
arguments, plus reasoning. No tokenizer, no network, no time.

Words in the last user message steer it: ``sim:tokens=N`` (an answer of exactly N
tokens), ``sim:tool`` (call the first tool), ``sim:reason=N`` (N reasoning tokens),
``sim:stop`` (an empty answer).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 85
MAX_CHOICES = 16
_EXCERPT = 200
_FILLER = b"one two three four five six seven eight nine ten "
_DIRECTIVE = re.compile(r"sim:(tokens|reason)=(\d{1,6})")
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool; ``arguments`` is JSON text."""

    id: str
    name: str
    arguments: str

    def tokens(self) -> int:
        return count(self.name) + count(self.arguments)


@dataclass(frozen=True, slots=True)
class Reply:
    """One choice. ``finish``: stop, length or tool_calls."""

    text: str
    finish: str
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in the simulator's own words, whatever wire it came in on."""

    model: str
    messages: Sequence[tuple[str, str]]
    input_tokens: int
    max_output: int | None = None
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = None
    json_schema: Mapping[str, Any] | None = None
    json_mode: bool = False
    stop: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """The last message that a user wrote."""
        return next((text for role, text in reversed(self.messages) if role == "user"), "")


def count(text: str) -> int:
    """Tokens of a text: bytes of UTF-8 / 4, rounded up."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def text_of(content: Any) -> tuple[str, int]:
    """The text of a message's content and the tokens of its images."""
    if isinstance(content, str):
        return content, 0
    texts, images = [], 0
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") in ("image_url", "image"):
            images += IMAGE_TOKENS
        elif "content" in part:
            texts.append(text_of(part["content"])[0])
    return "\n".join(texts), images


def input_tokens(messages: Sequence[tuple[str, str]], tools: Any, images: int) -> int:
    """The input of a request by the counting rule."""
    listed = -(-len(orjson.dumps(tools)) // BYTES_PER_TOKEN) if tools else 0
    return sum(count(text) for _, text in messages) + listed + images


def compose(
    provider: str,
    ask: Ask,
    ceiling: int,
    reasoning: int = 0,
    answers: Sequence[tuple[str, str]] = (),
) -> list[Reply]:
    """The answer's choices, each within ``max_output`` (else ``ceiling``) tokens.

    ``answers`` are given ones: (text in the prompt, what is said to it).
    """
    budget = min(ask.max_output or ceiling, ceiling)
    directives = {name: int(value) for name, value in _DIRECTIVE.findall(ask.prompt)}
    thinking = min(directives.get("reason", reasoning), budget)
    calls = _tool_calls(ask)
    spent = thinking + sum(call.tokens() for call in calls)
    if calls and spent <= budget:
        reply = Reply("", "tool_calls", calls, _words(thinking), spent, thinking)
    else:
        given = next((answer for text, answer in answers if text in ask.prompt), None)
        text, finish = _text(provider, ask, directives.get("tokens"), budget - thinking, given)
        spent = count(text) + thinking
        reply = Reply(text, finish, (), _words(thinking), spent, thinking)
    return [reply] * ask.choices


def pieces(text: str, tokens: int = 4) -> list[str]:
    """The text in pieces of about so many tokens, cut between characters."""
    if text.isascii():
        size = tokens * BYTES_PER_TOKEN
        return [text[at : at + size] for at in range(0, len(text), size)]
    size = tokens * 2
    return [text[at : at + size] for at in range(0, len(text), size)]


def embedding(text: str, dimensions: int) -> list[float]:
    """A small vector that depends on the text alone; equal texts are equal vectors."""
    seed = sum((at + 1) * byte for at, byte in enumerate(text.encode()[:4096])) + 1
    return [((seed * (at * 2 + 3)) % 2003 - 1001) / 1001 for at in range(dimensions)]


def _text(
    provider: str, ask: Ask, tokens: int | None, budget: int, given: str | None
) -> tuple[str, str]:
    if given is not None:
        text = given
    elif tokens is not None:
        text = _words(tokens)
    elif ask.json_schema is not None:
        text = orjson.dumps(sample(ask.json_schema, ask.prompt)).decode()
    elif ask.json_mode:
        said = {"simulated": True, "model": f"{provider}/{ask.model}", "youSaid": _said(ask)}
        text = orjson.dumps(said).decode()
    elif "sim:stop" in ask.prompt:
        text = ""
    else:
        text = (
            f"Simulated answer from {provider}/{ask.model}: you said "
            f'"{_said(ask)}"; this did not leave your machine.'
        )
    for mark in ask.stop:
        if mark and mark in text:
            text = text[: text.index(mark)]
    data = text.encode()
    if len(data) > budget * BYTES_PER_TOKEN:
        return data[: budget * BYTES_PER_TOKEN].decode(errors="ignore"), "length"
    return text, "stop"


def _said(ask: Ask) -> str:
    text = " ".join(ask.prompt[: _EXCERPT * 2].split())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT] + "..."


def _words(tokens: int) -> str:
    size = tokens * BYTES_PER_TOKEN
    return (_FILLER * (size // len(_FILLER) + 1))[:size].decode()


def _tool_calls(ask: Ask) -> tuple[ToolCall, ...]:
    functions = [f for tool in ask.tools if (f := _function(tool)) is not None]
    if not functions or ask.tool_choice == "none":
        return ()
    answered = bool(ask.messages) and ask.messages[-1][0] == "tool"
    chosen = [f for f in functions if f["name"] in ask.prompt]
    forced = _forced(ask.tool_choice)
    if forced:
        chosen = [f for f in functions if f["name"] == forced]
    elif ask.tool_choice in ("required", "any"):
        chosen = chosen or functions[:1]
    elif answered:
        return ()
    elif not chosen and "sim:tool" in ask.prompt:
        chosen = functions[:1]
    return tuple(
        ToolCall(f"call_sim_{at}", f["name"], _arguments(f, ask.prompt))
        for at, f in enumerate(chosen)
    )


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any] | None:
    inner = tool.get("function", tool)
    if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
        return inner
    return None


def _forced(choice: Any) -> str | None:
    if not isinstance(choice, Mapping):
        return None
    inner = choice.get("function", choice)
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return name if isinstance(name, str) else None


def _arguments(function: Mapping[str, Any], prompt: str) -> str:
    schema = function.get("parameters") or function.get("input_schema") or {}
    value = sample(schema, prompt) if isinstance(schema, Mapping) else {}
    return orjson.dumps(value if isinstance(value, dict) else {}).decode()


def sample(schema: Mapping[str, Any], prompt: str, depth: int = 0) -> Any:
    """A value that satisfies a plain JSON schema: required properties, first choices."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for word in ("anyOf", "oneOf"):
        if schema.get(word):
            return sample(schema[word][0], prompt, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        known = schema.get("properties") or {}
        wanted = schema.get("required", list(known)) if depth < _MAX_DEPTH else []
        return {name: sample(known.get(name, {}), prompt, depth + 1) for name in wanted}
    if kind == "array":
        items = schema.get("items") or {}
        amount = max(int(schema.get("minItems", 0)), 1 if depth < _MAX_DEPTH else 0)
        return [sample(items, prompt, depth + 1) for _ in range(min(amount, 16))]
    plain = {"integer": 1, "number": 1.5, "boolean": True, "null": None}
    return plain.get(kind, prompt[:40] or "text")
