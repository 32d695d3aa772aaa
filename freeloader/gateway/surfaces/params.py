"""Checks the passed parameters of an inference body: type and range, nothing else.

What a single model accepts is the provider's business; what is plainly no valid
OpenAI parameter is refused here with its name, before anything is held or sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from freeloader.errors import InvalidRequest

_WORD = re.compile(r"[a-z_]{1,20}")
_MAX_STOPS = 16
_MAX_BIAS = 2048


def wrong(param: str, rule: str) -> InvalidRequest:
    """The error for a parameter that breaks a rule."""
    return InvalidRequest(f"{param} {rule}.", param=param)


def check_params(passed: Mapping[str, Any]) -> dict[str, Any]:
    """The scalar parameters of ``passed``, checked. Raises InvalidRequest with ``param``."""
    out: dict[str, Any] = {}
    if _CHECKS.keys().isdisjoint(passed):
        return out
    for name, check in _CHECKS.items():
        if name in passed:
            check(name, passed[name])
            out[name] = passed[name]
    if out.get("top_logprobs") is not None and out.get("logprobs") is not True:
        raise wrong("top_logprobs", "needs logprobs: true")
    return out


def output_bound(passed: Mapping[str, Any]) -> int | None:
    """The client's own bound on one answer's tokens, or None."""
    if "max_completion_tokens" not in passed and "max_tokens" not in passed:
        return None
    bounds = {
        name: passed[name] for name in ("max_completion_tokens", "max_tokens") if name in passed
    }
    for name, value in bounds.items():
        _integer(1, 10_000_000)(name, value)
    if len(set(bounds.values())) > 1:
        raise wrong("max_tokens", "and max_completion_tokens say different things; give one")
    return next(iter(bounds.values()), None)


def flag(name: str, value: Any) -> bool:
    """``value`` if it is true or false. Raises InvalidRequest."""
    if type(value) is not bool:
        raise wrong(name, "must be true or false")
    return value


def text(name: str, value: Any, longest: int = 512) -> str:
    """``value`` if it is text of a sane length. Raises InvalidRequest."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise wrong(name, f"must be text of 1 to {longest} characters")
    return value


def _number(low: float, high: float) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if type(value) not in (int, float) or not low <= value <= high:
            raise wrong(name, f"must be a number from {low:g} to {high:g}")

    return check


def _integer(low: int, high: int) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            raise wrong(name, f"must be a whole number from {low} to {high}")

    return check


def _word(name: str, value: Any) -> None:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise wrong(name, "must be a word such as low, medium or high")


def _stop(name: str, value: Any) -> None:
    several = isinstance(value, list) and len(value) <= _MAX_STOPS
    if isinstance(value, str) or (several and all(isinstance(one, str) for one in value)):
        return
    raise wrong(name, f"must be text or a list of up to {_MAX_STOPS} texts")


def _bias(name: str, value: Any) -> None:
    if (
        isinstance(value, dict)
        and len(value) <= _MAX_BIAS
        and all(type(one) in (int, float) and -100 <= one <= 100 for one in value.values())
    ):
        return
    raise wrong(name, "must map token ids to numbers from -100 to 100")


def _flag(name: str, value: Any) -> None:
    flag(name, value)


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "seed": _integer(-(2**63), 2**63 - 1),
    "stop": _stop,
    "logit_bias": _bias,
    "logprobs": _flag,
    "top_logprobs": _integer(0, 20),
    "max_tokens": _integer(1, 10_000_000),
    "max_completion_tokens": _integer(1, 10_000_000),
    "parallel_tool_calls": _flag,
    "reasoning_effort": _word,
    "verbosity": _word,
}
