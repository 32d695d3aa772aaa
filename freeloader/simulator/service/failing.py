"""How a fault is told: the provider's words for a status, the lies about usage. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from freeloader.simulator.config import LimitSpec, ProviderSpec
from freeloader.simulator.faults import REFUSALS, Fault
from freeloader.simulator.quota import Breach
from freeloader.simulator.wire.base import Usage
from freeloader.simulator.wire.refusals import Refusal, Scene, captured, refuse, refuse_breach

#: Statuses for which a provider has words of its own.
_MEANINGS = {
    "400": "bad_request", "401": "bad_key", "402": "credits", "403": "forbidden",
    "404": "no_model", "413": "too_large", "429": "minute", "500": "server_error",
    "503": "overload", "529": "overload",
}  # fmt: skip
_WINDOWS = {"minute": "1m", "day": "1d", "month": "month", "session": "5h", "week": "7d"}


def failure(fault: Fault, scene: Scene, spec: ProviderSpec) -> Refusal | None:
    """The answer that a fault gives instead of an answer; None for any other fault."""
    extra = fault.extra
    if fault.kind == "redirect":
        target = str(extra.get("location") or "/_sim/redirected")
        return Refusal(int(extra.get("status") or 307), {"location": target}, None, "redirect")
    if fault.kind == "captured":
        return captured(str(extra.get("case")))
    if fault.kind == "empty":
        return Refusal(200, {}, None, "empty")
    if fault.kind == "reply":
        headers = {str(k): str(v) for k, v in (extra.get("headers") or {}).items()}
        return Refusal(int(extra.get("status") or 200), headers, extra.get("body"), "reply")
    if fault.kind.isdigit() or fault.kind in REFUSALS:
        return _spoken(fault, scene, spec)
    return None


def _spoken(fault: Fault, scene: Scene, spec: ProviderSpec) -> Refusal:
    """A status or a meaning in the provider's own words, with its own limit's numbers."""
    kind = _MEANINGS.get(fault.kind, fault.kind)
    if scene.style == "gemini" and fault.kind == "401":
        kind = "401"  # a wrong key is a 400 there; its 401 means something else
    if kind.isdigit():
        kind = "server_error"
    window = _WINDOWS.get(kind)
    if window is not None:
        wait = 7.0 if fault.seconds is None else fault.seconds
        limit = _limit(spec, scene.model, window)
        refusal = refuse_breach(scene, Breach(limit, limit.amount, 1, wait))
    else:
        refusal = refuse(scene, kind)
    status = int(fault.kind) if fault.kind.isdigit() else refusal.status
    return Refusal(status, refusal.headers, refusal.body, fault.kind)


def _limit(spec: ProviderSpec, model: str, window: str) -> LimitSpec:
    """The limit a pretended breach speaks of: one of the model's own, else a plain one."""
    known = spec.models.get(model)
    limits = spec.limits if known is None else spec.limits_for(known)
    own = (x for x in limits if x.window == window and x.amount and x.metric != "usd")
    return next(own, LimitSpec("requests", 60, window))


def reported(fault: Fault | None, honest: Usage) -> list[Usage]:
    """What an answer says of its usage: the truth, unless a fault lies about it."""
    if fault is None or fault.kind not in ("missing_usage", "usage_absurd"):
        return [honest]
    if fault.kind == "missing_usage":
        return []
    if fault.mode == "twice":
        return [honest, _changed(honest, lambda n: n * 2)]
    lies: dict[str, Callable[[int], int | None]] = {
        "negative": lambda n: -n - 1,
        "huge": lambda n: 10**12 + n,
        "zero": lambda n: 0,
        "null": lambda n: None,
    }
    return [_changed(honest, lies[fault.mode])]


def _changed(usage: Usage, change: Callable[[int], int | None]) -> dict[str, Any]:
    return {
        name: _changed(value, change) if isinstance(value, Mapping) else change(value)
        for name, value in usage.items()
    }
