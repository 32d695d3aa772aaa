"""The pretend providers that come with the package, and the registry's view of them.

The data is in ``profiles.json``: numbers from the providers' published or observed
limits. ``registry_document`` is how a daemon learns of a running simulator; it is
the only thing the two share, and it is plain data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from freeloader.simulator.config import Config, LimitSpec, ModelSpec, ProviderSpec, parse_provider

PICO_PER_USD = 10**12
#: What the daemon's first run is served with when there is no key at all.
FIRST_RUN = ("swift", "sage", "penny", "cabin")


@cache
def profiles() -> Mapping[str, ProviderSpec]:
    """Every bundled pretend provider by name."""
    known: dict[str, ProviderSpec] = {}
    for name, entry in _data()["providers"].items():
        known[name] = parse_provider(name, entry, known)
    return known


def default_config(**changes: Any) -> Config:
    """All bundled providers; ``changes`` are fields of ``Config``."""
    return Config(**({"providers": dict(profiles())} | changes))


def registry_document(
    base_url: str,
    names: Iterable[str] = FIRST_RUN,
    providers: Mapping[str, ProviderSpec] | None = None,
) -> dict[str, Any]:
    """A registry document (contract §2) for pretend providers at ``base_url``.

    ``names`` picks them (default: the first run's); ``providers`` are the specs to
    describe where they differ from the bundled ones. Raises KeyError for a name that
    does not exist.
    """
    known = profiles() if providers is None else providers
    root = base_url.rstrip("/")
    return {
        "version": "simulator",
        "providers": {name: _entry(root, known[name]) for name in names},
    }


def _entry(root: str, spec: ProviderSpec) -> dict[str, Any]:
    free = any(model.free for model in spec.models.values())
    return {
        "displayName": spec.display_name or spec.name,
        "kind": "simulated",
        "status": "active",
        "litellm": {"prefix": "openai", "params": {}},
        "wire": "openai",
        "baseUrl": f"{root}/{spec.name}{spec.bases[0] if spec.bases else '/v1'}",
        "auth": {"env": [], "format": None, "keyless": spec.keyless, "fields": ["api_key"]},
        "endpoints": {"models": "/models", "quota": None},
        "signupUrl": None,
        "terms": {"cardRequired": False, "trainsOnData": False, "notes": "Pretend provider."},
        "freeTier": {
            "type": ("recurring" if spec.limits else "unlimited") if free else "none",
            "confidence": "high",
            "source": "simulator",
            "limits": [limit_json(limit) for limit in spec.limits],
        },
        "rateLimitHeaders": _data()["rateLimitHeaders"].get(spec.style, []),
        "errorRules": _data()["errorRules"].get(spec.style, _data()["errorRules"]["generic"]),
        "models": {name: _model(model) for name, model in spec.models.items()},
    }


def _model(model: ModelSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "family": model.family or model.id,
        "intelligence": model.intelligence,
        "strengths": {},
        "speed": model.speed,
        "context": model.context,
        "maxOutput": model.max_output,
        "capabilities": list(model.capabilities),
        "pricing": _pricing(model),
        "free": model.free,
        "evidence": {"intelligence": "pretend: set by the simulator"},
        "deprecatedOn": None,
        "replacedBy": None,
    }
    if model.limits is not None:
        entry["limits"] = [limit_json(limit) for limit in model.limits]
    return entry


def _pricing(model: ModelSpec) -> dict[str, Any]:
    read = model.rates.cache_read
    return {
        "input": model.rates.input / 10**6,
        "output": model.rates.output / 10**6,
        "cacheRead": None if read is None else read / 10**6,
        "tiers": [],
    }


def limit_json(limit: LimitSpec) -> dict[str, Any]:
    """One limit in the registry's words; money in dollars."""
    entry: dict[str, Any] = {
        "metric": limit.metric,
        "amount": limit.amount / PICO_PER_USD if limit.metric == "usd" else limit.amount,
        "window": limit.window,
        "reset": limit.reset,
        "scope": limit.scope,
    }
    if limit.timezone != "UTC":
        entry["timezone"] = limit.timezone
    if limit.applies_to:
        entry["appliesTo"] = list(limit.applies_to)
    if limit.charged_on != "accepted":
        entry["chargedOn"] = limit.charged_on
    if limit.excludes:
        entry["excludes"] = list(limit.excludes)
    if limit.per_request_ceiling:
        entry["perRequestCeiling"] = True
    return entry


@cache
def _data() -> dict[str, Any]:
    text = files(__package__).joinpath("profiles.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
