"""What a pretend provider says when it refuses: status, headers and body in its own words.

Templates are data (``refusals.json``, shaped as captured from real providers and
their documentation); here the numbers are filled in. ``captured.json`` holds real
answers as they were, to be replayed whole. Decides nothing about who is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from importlib.resources import files
from typing import Any

from freeloader.simulator.config import LimitSpec
from freeloader.simulator.limits import window_seconds
from freeloader.simulator.quota import Breach

_SHANGHAI = timezone(timedelta(hours=8))
_WORDS = {60: "minute", 3600: "hour", 86400: "day", 604800: "week", 1: "second"}
_ABBREVIATIONS = {"second": "S", "minute": "M", "hour": "H", "day": "D", "week": "W", "month": "M"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no answer."""

    status: int
    headers: Mapping[str, str]
    body: Any
    kind: str


@dataclass(frozen=True, slots=True)
class Scene:
    """Who asked for what, and when: the parts of a refusal that are not numbers."""

    style: str
    model: str
    account: str
    key: str
    now: float
    short_daily_hint: bool = False
    max_output: int = 0
    afford: int = 0
    context: int = 0


def refuse(scene: Scene, kind: str, **words: str) -> Refusal:
    """A refusal that has nothing to do with a limit: a key, a model, a fault."""
    zero = Breach(LimitSpec("requests", 0, "1m"), 0, 1, None)
    return _render(scene, kind, _numbers(scene, zero) | words)


def refuse_breach(scene: Scene, breach: Breach) -> Refusal:
    """The refusal of one limit, with its numbers, e.g. ``Please try again in 3.405s``."""
    kind = breach_kind(breach)
    if scene.style == "openrouter" and kind == "day" and breach.limit.amount >= 1000:
        kind = "day_high"
    return _render(scene, kind, _numbers(scene, breach))


def breach_kind(breach: Breach) -> str:
    """minute, day, week, month, session, credits, concurrency, too_large or not_on_plan."""
    limit = breach.limit
    if limit.metric == "concurrency":
        return "concurrency"
    if breach.too_large:
        return "too_large"
    if limit.amount == 0:
        return "not_on_plan"
    if limit.window == "once":
        return "credits"
    if limit.window == "month":
        return "credits" if limit.metric == "usd" else "month"
    seconds = window_seconds(limit.window) or 0
    for bound, kind in ((3600, "minute"), (86399, "session"), (86400, "day"), (604800, "week")):
        if seconds <= bound:
            return kind
    return "month"


def captured(case: str) -> Refusal:
    """One captured answer as it was. Raises ValueError for an unknown case."""
    found = _load("captured.json").get(case)
    if found is None:
        raise ValueError(f"no captured case {case!r}; known: {', '.join(sorted(captured_cases()))}")
    return Refusal(found["status"], found["headers"], found["body"], case)


def captured_cases() -> dict[str, Any]:
    """All captured answers by id."""
    return _load("captured.json")


def styles() -> dict[str, Any]:
    """The refusal templates: style → kind → status, headers, body."""
    return _load("refusals.json")


def go_duration(seconds: float, digits: int = 3) -> str:
    """Go's spelling: ``825ms``, ``3.405s``, ``1m26.4s``, ``8h57m50.969470679s``."""
    whole = round(max(0.0, seconds) * 10**digits)
    if whole < 10**digits:
        return f"{_trim(whole / 10 ** (digits - 3), max(0, digits - 3))}ms" if whole else "0s"
    minutes, rest = divmod(whole, 60 * 10**digits)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{_trim(rest / 10**digits, digits)}s"


def masked(key: str) -> str:
    """A key as OpenAI prints it back: its first and last characters."""
    return f"{key[:3]}***{key[-4:]}" if len(key) > 10 else "***"


def organization(account: str) -> str:
    """A stable pretend organization id for an account."""
    return "org_" + hashlib.sha256(account.encode()).hexdigest()[:24]


def _render(scene: Scene, kind: str, words: Mapping[str, str]) -> Refusal:
    template = _template(scene.style, kind)
    headers = {k: v.format_map(words) for k, v in template["headers"].items()}
    return Refusal(template["status"], headers, _fill(template["body"], words), kind)


def _template(style: str, kind: str) -> Mapping[str, Any]:
    own, generic = styles().get(style, {}), styles()["generic"]
    for candidate in (own.get(kind), generic.get(kind), own.get("any")):
        if candidate is not None:
            return dict(candidate)
    return dict(generic["any"])


def _numbers(scene: Scene, breach: Breach) -> dict[str, str]:
    limit = breach.limit
    wait = 0.0 if breach.wait is None else breach.wait
    if breach.wait is None and scene.style == "gemini":
        wait = 11.665902715  # what was captured where no wait can help
    told = wait
    if scene.short_daily_hint and wait > 3600:
        told = 21.497994  # older Gemini answers hint at seconds where hours are meant
    window = _word(limit.window)
    metric = {"units": "neurons", "usd": "credits"}.get(limit.metric, limit.metric)
    counted = "tokens" if metric in ("input", "output") else metric
    short = {"minute": "min"}.get(window, window)
    until = datetime.fromtimestamp(scene.now + wait, UTC)
    return {
        "model": scene.model,
        "key": masked(scene.key),
        "org": organization(scene.account),
        "user": "user_" + organization(scene.account)[4:],
        "request_id": "req_sim",
        "detail": "",
        "param": "",
        "limit": str(limit.amount),
        "limit_grouped": f"{limit.amount:,}",
        "used": str(max(0, breach.used)),
        "requested": str(breach.requested),
        "max_output": str(scene.max_output),
        "afford": str(scene.afford),
        "context": str(scene.context),
        "metric": counted,
        "metric_one": counted.removesuffix("s"),
        "metric_words": f"{metric} tokens" if metric != counted else counted,
        "metric_per": f"{counted} per {window}",
        "Metric_per": f"{counted} per {window}".capitalize(),
        "metric_per_short": f"{counted} per {short}",
        "abbr": f"{counted[0].upper()}P{_ABBREVIATIONS.get(window, '')}",
        "window_word": window,
        "window_title": window.title(),
        "window_seconds": str(window_seconds(limit.window) or 0),
        "wait_go": go_duration(wait),
        "wait_nano": go_duration(told, 9),
        "wait_floor": str(math.floor(told)),
        "wait_ceil": str(max(1, math.ceil(wait))),
        "wait_ms": str(max(1, math.ceil(wait * 1000))),
        "reset_ms": str(round((scene.now + wait) * 1000)),
        "reset_shanghai": until.astimezone(_SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
        "google_metric": _google_metric(limit),
        "google_quota": _google_quota(limit),
        "google_model": scene.model.removeprefix("models/").removesuffix("-it"),
    }


def _google_metric(limit: LimitSpec) -> str:
    name = "requests" if limit.metric == "requests" else "input_token_count"
    return f"generate_content_free_tier_{name}"


def _google_quota(limit: LimitSpec) -> str:
    per = "Day" if limit.window == "1d" else "Minute"
    if limit.metric == "requests":
        return f"GenerateRequestsPer{per}PerProjectPerModel-FreeTier"
    return f"GenerateContentInputTokensPerModelPer{per}-FreeTier"


def _word(window: str) -> str:
    seconds = window_seconds(window)
    return window if seconds is None else _WORDS.get(seconds, window)


def _fill(template: Any, words: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return template.format_map(words)
    if isinstance(template, list):
        return [_fill(item, words) for item in template]
    if isinstance(template, dict):
        return {key: _fill(value, words) for key, value in template.items()}
    return template


def _trim(number: float, digits: int) -> str:
    text = f"{number:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def _load(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return dict(json.loads(text))
