"""What is wrong with an answer that came back whole: empty, cut off, broken JSON, broken calls.

Nobody failed here: the provider answered, and is paid. What was found is only a reason
to ask a stronger model (``core.fallback``). Nothing is repaired, and what an answer
says is not judged. Of a stream only emptiness can be known before its first delta.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: A repetition counts from so many characters on, made of a piece no longer than that.
_ENDLESS, _PIECE_MAX = 600, 200
#: Only the end of an answer is looked at for repetition.
_TAIL = 2_400
#: Larger schemas, and larger answers, are not put to the validator: it is slow.
_SCHEMA_MAX, _CONTENT_MAX = 64_000, 1_000_000
#: Keywords that would run a client's regular expressions here.
_PATTERNS = ("pattern", "patternProperties")
_BY_PATTERN = (*_PATTERNS, "additionalProperties", "unevaluatedProperties")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking_blocks")


class Asked(NamedTuple):
    """What the request bound its answer to. ``bound`` is its own ``max_tokens``, or None."""

    json: bool = False
    schema: Mapping[str, Any] | None = None
    bound: int | None = None

    @classmethod
    def of(cls, payload: Mapping[str, Any], bound: int | None) -> Asked:
        """``payload`` is the checked body: its ``response_format`` says what is wanted."""
        form = payload.get("response_format")
        if form is None:
            return cls(bound=bound)
        kind = form.get("type") if isinstance(form, Mapping) else None
        if kind == "json_schema" and isinstance(form, Mapping):
            inner = form.get("json_schema")
            schema = inner.get("schema") if isinstance(inner, Mapping) else None
            return cls(True, schema if isinstance(schema, Mapping) else None, bound)
        return cls(kind == "json_object", None, bound)


def found(data: Mapping[str, Any], asked: Asked) -> str | None:
    """The first flaw of a whole answer (OpenAI's shape), in words; None: nothing was found."""
    listed = data.get("choices")
    every = listed if isinstance(listed, list) else ()
    choices = [choice for choice in every if isinstance(choice, dict)]
    if not choices:
        return "it is empty: no choices"
    output = _output(data)
    for choice in choices:
        if (said := _of(choice, asked, output)) is not None:
            return said
    return None


def empty(finish_reason: str | None) -> str | None:
    """Of a stream that ended before any content. A filtered answer is an answer."""
    return None if finish_reason == "content_filter" else "it is empty"


def _of(choice: Mapping[str, Any], asked: Asked, output: int | None) -> str | None:
    part = choice.get("message") or choice.get("delta") or choice
    if not isinstance(part, dict):
        return "it is empty"
    finish = choice.get("finish_reason")
    text, calls = _text(part), list(_calls(part))
    if part.get("refusal") or finish == "content_filter":
        return None
    if not text.strip() and not calls:
        thought = any(part.get(name) for name in _THOUGHTS)
        return "it is empty: all of it went into reasoning" if thought else "it is empty"
    if (said := _repeats(text)) is not None:
        return said
    if finish == "length" and _cut_off(asked, output):
        return "it is cut off (finish_reason length, and the request set no such bound)"
    for call in calls:
        if (said := _broken_call(call)) is not None:
            return said
    if asked.json and not calls and (finish != "length" or asked.bound is None):
        return _json_flaw(text, asked.schema)
    return None


def _cut_off(asked: Asked, output: int | None) -> bool:
    """By somebody else's bound, not by the request's own."""
    if asked.bound is None:
        return True
    return output is not None and output < asked.bound * 0.9


def _output(data: Mapping[str, Any]) -> int | None:
    usage = data.get("usage")
    told = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return told if isinstance(told, int) and not isinstance(told, bool) else None


def _text(part: Mapping[str, Any]) -> str:
    content = part.get("content", part.get("text"))
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        pieces = (piece.get("text") for piece in content if isinstance(piece, dict))
        return "".join(piece for piece in pieces if isinstance(piece, str))
    return ""


def _calls(part: Mapping[str, Any]) -> Iterator[Any]:
    calls = part.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield call.get("function") if isinstance(call, dict) else None
    if part.get("function_call") is not None:
        yield part["function_call"]


def _broken_call(function: Any) -> str | None:
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        return "a tool call has no function name"
    said = function.get("arguments")
    if said in (None, "") or isinstance(said, Mapping):
        return None  # a function without parameters, or an adapter that parsed already
    try:
        parsed = json.loads(said)
    except (TypeError, ValueError, RecursionError):
        return f"the arguments of the tool call {function['name']!r:.60} are no JSON"
    if not isinstance(parsed, dict):
        return f"the arguments of the tool call {function['name']!r:.60} are no object"
    return None


def _json_flaw(text: str, schema: Mapping[str, Any] | None) -> str | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "it is no JSON, which the request asked for"
    if schema is None:
        return None
    written = json.dumps(schema, default=str)
    if len(text) > _CONTENT_MAX or len(written) > _SCHEMA_MAX:
        return None
    return _against(value, schema, _BY_PATTERN if '"patternProperties"' in written else _PATTERNS)


def _against(value: Any, schema: Mapping[str, Any], without: tuple[str, ...]) -> str | None:
    """The first place where the value breaks the schema. A schema that is none says nothing.

    Patterns are not tried (a hostile one runs for ever), and nothing is fetched.
    """
    from jsonschema import Draft202012Validator, SchemaError, validators  # heavy, rarely needed
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    known = {
        name: rule for name, rule in Draft202012Validator.VALIDATORS.items() if name not in without
    }
    make = validators.create(Draft202012Validator.META_SCHEMA, known)
    try:
        problem = next(make(schema, registry=Registry()).iter_errors(value), None)
    except (SchemaError, UnknownType, Unresolvable, RecursionError):
        return None
    except (TypeError, ValueError, AttributeError, KeyError):
        return None  # the validator trusts schemas to be well formed
    if problem is None:
        return None
    place = "/".join(str(step) for step in problem.absolute_path) or "its top level"
    return f"it breaks the asked schema at {place[:80]} ({problem.validator})"


def _repeats(text: str) -> str | None:
    """The end of the text is one short piece over and over: a model that ran away.

    The smallest period of every suffix at once, by the prefix function (Knuth, Morris
    and Pratt) of the text turned round.
    """
    if len(text) < _ENDLESS:
        return None
    back = text[: -_TAIL - 1 : -1]
    borders = [0] * len(back)
    longest = 0
    for i in range(1, len(back)):
        while longest and back[i] != back[longest]:
            longest = borders[longest - 1]
        if back[i] == back[longest]:
            longest += 1
        borders[i] = longest
        length, period = i + 1, i + 1 - longest
        if length >= max(_ENDLESS, 10 * period) and period <= _PIECE_MAX:
            piece = " ".join(back[period - 1 :: -1].split())
            if piece:
                return f"it repeats {piece[:40]!r} without end"
    return None
