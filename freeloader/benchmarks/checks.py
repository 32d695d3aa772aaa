"""Does an answer keep what was asked? Each check is data; a score is a share of checks. Pure.

No code of an answer is ever run. JSON is judged by ``jsonschema``, imported late.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Of a longer answer only so much is judged: none of our prompts wants more.
ANSWER_MAX = 20_000
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")
_FENCE = re.compile(r"```[a-zA-Z]*\n(.*?)```", re.DOTALL)

Check = Mapping[str, Any]


def score(answer: str, checks: Sequence[Check]) -> float:
    """The share of checks that hold, 0 to 1. Raises ValueError for a check that is none."""
    text = answer[:ANSWER_MAX].strip()
    held = [_KINDS[_kind(check)](text, check) for check in checks]
    return sum(held) / len(held) if held else 0.0


def _kind(check: Check) -> str:
    kind = str(check.get("is"))
    if kind not in _KINDS:
        raise ValueError(f"no such check: {kind}")
    return kind


def _number(text: str, check: Check) -> bool:
    """The last number that is said."""
    found = _NUMBER.findall(text)
    if not found:
        return False
    said = found[-1].rstrip(".,").replace(",", "")
    try:
        return abs(float(said) - float(check["value"])) <= float(check.get("within", 1e-9))
    except ValueError:
        return False


def _choice(text: str, check: Check) -> bool:
    """One letter: alone, in brackets, or the last that is named."""
    letters = re.findall(r"(?<![A-Za-z])\(?([A-E])\)?(?![A-Za-z'])", text)
    return bool(letters) and letters[-1] == check["value"]


def _says(text: str, check: Check) -> bool:
    folded = text.casefold()
    every = all(str(word).casefold() in folded for word in check.get("all", ()))
    some = not check.get("any") or any(str(w).casefold() in folded for w in check["any"])
    return every and some and not any(str(w).casefold() in folded for w in check.get("none", ()))


def _matches(text: str, check: Check) -> bool:
    return re.search(str(check["pattern"]), text) is not None


def _words(text: str, check: Check) -> bool:
    return int(check.get("min", 0)) <= len(text.split()) <= int(check.get("max", 10**6))


def _lines(text: str, check: Check) -> bool:
    return len([line for line in text.split("\n") if line.strip()]) == int(check["count"])


def _json(text: str, check: Check) -> bool:
    """Valid against ``schema``, and equal to ``equals`` where that is given."""
    from jsonschema import Draft202012Validator

    value = _parsed(text, bare=bool(check.get("bare")))
    if value is None:
        return False
    if "equals" in check and value != check["equals"]:
        return False
    return bool(Draft202012Validator(check.get("schema", True)).is_valid(value))


def _parsed(text: str, *, bare: bool) -> Any:
    """The JSON of an answer; in a code fence too, unless it had to be ``bare``."""
    fenced = None if bare else _FENCE.search(text)
    try:
        return json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None


_KINDS: Mapping[str, Callable[[str, Check], bool]] = {
    "number": _number,
    "choice": _choice,
    "says": _says,
    "matches": _matches,
    "words": _words,
    "lines": _lines,
    "json": _json,
}
