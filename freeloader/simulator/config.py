"""What a pretend provider is: its models, prices, limits, keys and manners, as frozen data.

Reads the registry's JSON schema for limits and prices, so that a provider's entry
can be copied over. Unknown keys are refused and the nearest known one is named.
Holds no state and starts nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from freeloader.simulator.limits import make_window

PICO_PER_USD = 10**12
_METRICS = ("requests", "tokens", "input", "output", "usd", "units", "concurrency")
_RESETS = ("refill", "rolling", "calendar", "unknown")
_SCOPES = ("account", "model", "ip", "ip+model")


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """One limit, as in the registry. ``usd`` amounts are held in picodollars."""

    metric: str
    amount: int
    window: str
    reset: str = "rolling"
    scope: str = "account"
    timezone: str = "UTC"
    applies_to: tuple[str, ...] = ()
    charged_on: str = "accepted"
    excludes: tuple[str, ...] = ()
    per_request_ceiling: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars per million tokens; × a count = picodollars. No float adds up money."""

    input: int = 0
    output: int = 0
    cache_read: int | None = None

    def cost(self, fresh: int, cached: int, output: int) -> int:
        """Picodollars for uncached input, cached input and output tokens."""
        read = self.input if self.cache_read is None else self.cache_read
        return fresh * self.input + cached * read + output * self.output


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds to the first token, tokens per second after it (0: at once), jitter 0–1."""

    first_ms: float = 0.0
    tokens_per_second: float = 0.0
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One pretend model. ``limits`` None: the provider's hold for it."""

    id: str
    family: str = ""
    rates: Rates = Rates()
    context: int = 131072
    max_output: int = 16384
    capabilities: tuple[str, ...] = ("streaming", "tools", "json")
    limits: tuple[LimitSpec, ...] | None = None
    latency: Latency | None = None
    reasoning_tokens: int = 0
    reasoning_outside: bool = False
    intelligence: float | None = None
    speed: float | None = None
    free: bool = False
    embedding: bool = False
    #: What it says to a prompt that holds a text: (text, answer), the first that fits.
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One pretend provider. ``keys`` None: every key is an account of its own."""

    name: str
    style: str = "generic"
    display_name: str = ""
    bases: tuple[str, ...] = ("/v1", "/openai/v1")
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    limits: tuple[LimitSpec, ...] = ()
    keys: Mapping[str, str] | None = None
    keyless: bool = False
    latency: Latency = Latency()
    count_max_tokens: bool = False
    bill_on_disconnect: str = "generated"
    cache_min_tokens: int = 1024
    unit_pico: int = 11_000_000
    short_daily_hint: bool = False
    any_model: bool = False

    def limits_for(self, model: ModelSpec) -> tuple[LimitSpec, ...]:
        return self.limits if model.limits is None else model.limits

    def latency_for(self, model: ModelSpec) -> Latency:
        return self.latency if model.latency is None else model.latency


@dataclass(frozen=True, slots=True)
class Config:
    """One run of the simulator. ``pace`` multiplies every delay (0: none at all).

    ``root`` names the provider that also answers without its name in the path;
    ``faults`` are dictionaries as the control API takes them.
    """

    providers: Mapping[str, ProviderSpec] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    seed: int = 1
    pace: float = 1.0
    control_token: str | None = field(default=None, repr=False)
    root: str | None = None
    log_size: int = 5000


def parse_config(data: Mapping[str, Any], known: Mapping[str, ProviderSpec]) -> Config:
    """A whole configuration file; its providers are laid over ``known``. Raises ValueError."""
    fields = {"providers", "faults", "seed", "pace", "controlToken", "root", "logSize"}
    _only(data, fields, "the configuration")
    providers = dict(known)
    for name, entry in (data.get("providers") or {}).items():
        providers[name] = parse_provider(name, entry, known)
    root = data.get("root")
    if root is not None and root not in providers:
        raise ValueError(f"root names no provider: {root!r}")
    return Config(
        providers=providers,
        faults=tuple(data.get("faults") or ()),
        seed=int(data.get("seed", 1)),
        pace=_positive(data.get("pace", 1.0), "pace"),
        control_token=data.get("controlToken"),
        root=root,
        log_size=max(1, min(100_000, int(data.get("logSize", 5000)))),
    )


_PROVIDER_FIELDS = {
    "like", "style", "displayName", "bases", "models", "limits", "keys", "keyless", "latency",
    "countMaxTokens", "billOnDisconnect", "cacheMinTokens", "shortDailyHint", "anyModel",
}  # fmt: skip


def parse_provider(
    name: str, data: Mapping[str, Any], known: Mapping[str, ProviderSpec]
) -> ProviderSpec:
    """A provider from JSON: what is not given comes from ``like``, or from its present self."""
    if not name or name.startswith("_") or "/" in name:
        raise ValueError(f"not a provider's name: {name!r}")
    _only(data, _PROVIDER_FIELDS, f"provider {name}")
    like = data.get("like")
    if like is not None and like not in known:
        raise ValueError(f"provider {name}: like names no known provider: {like!r}")
    base = known.get(like or name) or ProviderSpec(name)
    bill = str(data.get("billOnDisconnect", base.bill_on_disconnect))
    if bill not in ("generated", "whole", "nothing"):
        raise ValueError(f"provider {name}: billOnDisconnect is generated, whole or nothing")
    models = data.get("models")
    return ProviderSpec(
        name=name,
        style=str(data.get("style", base.style)),
        display_name=str(data.get("displayName", base.display_name if not like else name)),
        bases=tuple(str(b).rstrip("/") for b in data.get("bases", base.bases)),
        models=base.models if models is None else _models(models),
        limits=_limits(data["limits"]) if "limits" in data else base.limits,
        keys=_keys(data["keys"]) if "keys" in data else base.keys,
        keyless=bool(data.get("keyless", base.keyless)),
        latency=_latency(data["latency"]) if "latency" in data else base.latency,
        count_max_tokens=bool(data.get("countMaxTokens", base.count_max_tokens)),
        bill_on_disconnect=bill,
        cache_min_tokens=int(data.get("cacheMinTokens", base.cache_min_tokens)),
        short_daily_hint=bool(data.get("shortDailyHint", base.short_daily_hint)),
        any_model=bool(data.get("anyModel", base.any_model)),
    )


def _models(data: Mapping[str, Any] | Sequence[str]) -> dict[str, ModelSpec]:
    if not isinstance(data, Mapping):
        return {str(name): ModelSpec(str(name), family=str(name)) for name in data}
    return {name: _model(name, entry) for name, entry in data.items()}


_MODEL_FIELDS = {
    "family", "pricing", "context", "maxOutput", "capabilities", "limits", "latency", "free",
    "reasoningTokens", "reasoningOutside", "intelligence", "speed", "embedding",
    "answers",
}  # fmt: skip


def _model(name: str, data: Mapping[str, Any]) -> ModelSpec:
    _only(data, _MODEL_FIELDS, f"model {name}")
    limits = data.get("limits")
    return ModelSpec(
        id=name,
        family=str(data.get("family", name)),
        rates=_rates(data.get("pricing") or {}),
        context=int(data.get("context", 131072)),
        max_output=int(data.get("maxOutput", 16384)),
        capabilities=tuple(data.get("capabilities", ("streaming", "tools", "json"))),
        limits=None if limits is None else _limits(limits),
        latency=_latency(data["latency"]) if "latency" in data else None,
        reasoning_tokens=int(data.get("reasoningTokens", 0)),
        reasoning_outside=bool(data.get("reasoningOutside", False)),
        intelligence=data.get("intelligence"),
        speed=data.get("speed"),
        free=bool(data.get("free", False)),
        embedding=bool(data.get("embedding", False)),
        answers=tuple((str(t), str(a)) for t, a in dict(data.get("answers") or {}).items()),
    )


def _rates(data: Mapping[str, Any]) -> Rates:
    _only(data, {"input", "output", "cacheRead"}, "pricing")

    def rate(name: str) -> int:
        return int(Decimal(str(_positive(data.get(name) or 0, name))) * 10**6)

    read = data.get("cacheRead")
    return Rates(rate("input"), rate("output"), None if read is None else rate("cacheRead"))


def _latency(data: Mapping[str, Any]) -> Latency:
    _only(data, {"firstMs", "tokensPerSecond", "jitter"}, "latency")
    return Latency(
        _positive(data.get("firstMs", 0), "firstMs"),
        _positive(data.get("tokensPerSecond", 0), "tokensPerSecond"),
        min(1.0, _positive(data.get("jitter", 0), "jitter")),
    )


_LIMIT_FIELDS = {
    "metric", "amount", "window", "reset", "scope", "timezone", "appliesTo", "chargedOn",
    "excludes", "perRequestCeiling", "tier", "confidence", "source",
}  # fmt: skip


def _limits(data: Sequence[Mapping[str, Any]]) -> tuple[LimitSpec, ...]:
    return tuple(_limit(entry) for entry in data)


def _limit(data: Mapping[str, Any]) -> LimitSpec:
    _only(data, _LIMIT_FIELDS, "limit")
    metric = _choice(str(data.get("metric")), _METRICS, "metric")
    amount = Decimal(str(data.get("amount", 0)))
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"limit: amount must be zero or more, not {data.get('amount')!r}")
    applies = data.get("appliesTo") or ()
    spec = LimitSpec(
        metric=metric,
        amount=int(amount * PICO_PER_USD) if metric == "usd" else int(amount),
        window=str(data.get("window", "1m")),
        reset=_choice(str(data.get("reset", "rolling")), _RESETS, "reset"),
        scope=_choice(str(data.get("scope", "account")), _SCOPES, "scope"),
        timezone=str(data.get("timezone", "UTC")),
        applies_to=(applies,) if isinstance(applies, str) else tuple(applies),
        charged_on=_choice(str(data.get("chargedOn", "accepted")), ("accepted", "sent"), "charge"),
        excludes=tuple(data.get("excludes") or ()),
        per_request_ceiling=bool(data.get("perRequestCeiling", False)),
    )
    if metric != "concurrency":
        make_window(spec.amount, spec.window, spec.reset, spec.timezone)
    return spec


def _keys(data: Any) -> dict[str, str] | None:
    """``{key: account}``, or a list of keys each an account of its own; null lifts the list."""
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {str(key): str(account) for key, account in data.items()}
    return {str(key): str(key) for key in data}


def _only(data: Mapping[str, Any], fields: set[str], what: str) -> None:
    if not isinstance(data, Mapping):
        raise ValueError(f"{what}: an object was expected, not {type(data).__name__}")
    for name in data:
        if name not in fields:
            near = difflib.get_close_matches(str(name), fields, 1, 0.0)
            raise ValueError(f"{what}: unknown key {name!r}; did you mean {near[0]!r}?")


def _choice(value: str, allowed: Sequence[str], what: str) -> str:
    if value not in allowed:
        raise ValueError(f"{what} is one of {', '.join(allowed)}, not {value!r}")
    return value


def _positive(value: Any, what: str) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{what} must be zero or more, not {value!r}")
    return number
