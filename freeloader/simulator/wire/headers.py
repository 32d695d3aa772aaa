"""The rate-limit headers of an answer, in each provider's own spelling. Pure.

Formats as documented and captured: Groq and OpenAI print Go durations, Cerebras
float seconds, Anthropic RFC 3339; Groq's requests are a day's and its tokens a
minute's. Providers that tell nothing on success (Gemini, OpenRouter, …) have no
function here and send nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from freeloader.simulator.quota import View
from freeloader.simulator.wire.refusals import go_duration

Headers = dict[str, str]


def success_headers(style: str, views: Sequence[View], now: float, cost: int = 0) -> Headers:
    """Headers for an answer. ``now`` is Unix seconds; ``cost`` is the call's tokens."""
    write = _STYLES.get(style)
    return write(views, now, cost) if write is not None else {}


def refusal_headers(style: str, views: Sequence[View], now: float) -> Headers:
    """What a refusal carries besides its own headers: Cerebras falls silent there."""
    return {} if style in ("cerebras", "sambanova") else success_headers(style, views, now)


def _find(views: Sequence[View], metric: str, window: str) -> View | None:
    return next((v for v in views if v.limit.metric == metric and v.limit.window == window), None)


def _groq(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {}
    for metric, window in (("requests", "1d"), ("tokens", "1m")):
        _triple(found, metric, _find(views, metric, window))
    return found


def _openai(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {}
    for metric in ("requests", "tokens"):
        own = [v for v in views if v.limit.metric == metric]
        _triple(found, metric, min(own, key=_share, default=None))
    return found


def _triple(found: Headers, name: str, view: View | None) -> None:
    if view is not None:
        found[f"x-ratelimit-limit-{name}"] = str(view.limit.amount)
        found[f"x-ratelimit-remaining-{name}"] = str(view.left)
        found[f"x-ratelimit-reset-{name}"] = go_duration(view.reset_in)


def _cerebras(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {}
    for metric in ("requests", "tokens"):
        for window, word in (("1m", "minute"), ("1h", "hour"), ("1d", "day")):
            view = _find(views, metric, window)
            if view is not None:
                found[f"x-ratelimit-limit-{metric}-{word}"] = str(view.limit.amount)
                found[f"x-ratelimit-remaining-{metric}-{word}"] = str(view.left)
                found[f"x-ratelimit-reset-{metric}-{word}"] = str(round(view.reset_in, 2))
    return found


def _anthropic(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {}
    names = {"requests": "requests", "tokens": "tokens", "input": "input-tokens"}
    for metric, name in (names | {"output": "output-tokens"}).items():
        view = _find(views, metric, "1m")
        if view is not None:
            full = datetime.fromtimestamp(math.ceil(now + view.reset_in), UTC)
            found[f"anthropic-ratelimit-{name}-limit"] = str(view.limit.amount)
            found[f"anthropic-ratelimit-{name}-remaining"] = str(view.left)
            found[f"anthropic-ratelimit-{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found


def _mistral(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {"x-ratelimit-tokens-query-cost": str(cost)}
    names = (("requests", "1m", "req-minute"), ("tokens", "1m", "tokens-minute"))
    for metric, window, name in (*names, ("tokens", "month", "tokens-month")):
        view = _find(views, metric, window)
        if view is not None:
            found[f"x-ratelimit-limit-{name}"] = str(view.limit.amount)
            found[f"x-ratelimit-remaining-{name}"] = str(view.left)
    return found


def _together(views: Sequence[View], now: float, cost: int) -> Headers:
    view = min(views, key=_share, default=None)
    if view is None:
        return {}
    return {
        "x-ratelimit-limit": str(view.limit.amount),
        "x-ratelimit-remaining": str(view.left),
        "x-ratelimit-reset": str(math.ceil(view.reset_in)),
    }


def _sambanova(views: Sequence[View], now: float, cost: int) -> Headers:
    found: Headers = {}
    for window, suffix in (("1m", ""), ("1d", "-day")):
        view = _find(views, "requests", window)
        if view is not None:
            found[f"x-ratelimit-limit-requests{suffix}"] = str(view.limit.amount)
            found[f"x-ratelimit-remaining-requests{suffix}"] = str(view.left)
            found[f"x-ratelimit-reset-requests{suffix}"] = str(math.ceil(now + view.reset_in))
    return found


def _share(view: View) -> float:
    return view.left / view.limit.amount if view.limit.amount else 0.0


_STYLES: dict[str, Callable[[Sequence[View], float, int], Headers]] = {
    "groq": _groq,
    "openai": _openai,
    "generic": _openai,
    "cerebras": _cerebras,
    "anthropic": _anthropic,
    "mistral": _mistral,
    "together": _together,
    "sambanova": _sambanova,
}
