"""The bundled registry's free providers with known limits, as one household has them.

Known: the free tier is recurring, active, of high confidence, with published limits.
Two things are scaled, so that pure Python gets through a week and somebody is short:
a provider without a limit of a day or longer (only a rate) has its minutes and hours
stretched ``STRETCH`` times; who even then could carry the week alone is left out.
Beside them one provider whose limit nobody publishes: the truth knows it, we do not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from freeloader.catalog import load
from freeloader.core.model import Account, Deployment, Limit
from freeloader.money import Meters
from week.demand import SIZES
from week.truth import consumed, seconds

#: A rate-only provider's minute lasts an hour here.
STRETCH = 60
#: Requests a day of one model above which a provider could carry the week alone.
PLENTY = 2_000
#: Whose limits are not published, and what they are in truth.
UNKNOWN = "ollama_cloud"
HIDDEN = Limit("requests", 30, "5h", "rolling", "account")
_LONG = ("1d", "7d", "30d", "month")


@dataclass(frozen=True)
class Farm:
    """``deployments`` as the router knows them; ``hidden`` holds limits that only truth knows."""

    deployments: tuple[Deployment, ...]
    hidden: dict[str, tuple[Limit, ...]]
    left_out: tuple[str, ...]
    stretched: tuple[str, ...]


def build() -> Farm:
    """The farm, the same in every run of one registry."""
    catalog = load(None, None)
    out: list[Deployment] = []
    hidden: dict[str, tuple[Limit, ...]] = {}
    left: list[str] = []
    stretched: set[str] = set()
    for name in sorted(catalog.providers):
        provider = catalog.providers[name]
        if not (provider.routable and provider.status == "active" and provider.kind != "local"):
            continue
        known = provider.free_confidence == "high" and provider.free_type in ("recurring", "trial")
        if not known and name != UNKNOWN:
            continue
        fields = {field: "x" for field in provider.auth_fields if field != "api_key"}
        for one in catalog.deployments([Account(name, 1, params=fields)]):
            if not one.model.free or one.model.mode != "chat" or "whisper" in one.model.id:
                continue
            if name == UNKNOWN:
                made = _with(one, ())
                hidden[made.id] = (HIDDEN,)
            elif not (limits := _limits(one)):
                continue
            else:
                made = _with(one, limits)
                if limits != tuple(one.limits):
                    stretched.add(name)
            if name != UNKNOWN and _per_day(made) > PLENTY:
                left.append(made.public_model)
                continue
            out.append(made)
    return Farm(tuple(out), hidden, tuple(left), tuple(sorted(stretched)))


def _limits(deployment: Deployment) -> tuple[Limit, ...]:
    found = tuple(x for x in deployment.limits if x.metric != "concurrency" and x.window != "once")
    if not found or any(limit.window in _LONG for limit in found):
        return found
    return tuple(_stretched(limit) for limit in found)


def _stretched(limit: Limit) -> Limit:
    """A minute's limit becomes an hour's. A ceiling per request stays as it is."""
    window = {"1m": "1h", "1h": "60h"}.get(limit.window, limit.window)
    amount = limit.amount
    if limit.metric != "requests":  # tokens of a minute would starve an hour: only the rate scales
        amount *= 4
    return replace(limit, window=window, amount=amount)


def _per_day(deployment: Deployment) -> float:
    """Small requests a day that the tightest of its limits allows."""
    small = Meters(requests=1, input=SIZES[0][0], output=SIZES[0][1])
    rates = (
        limit.amount / seconds(limit.window) * 86400 / consumed(limit, small, deployment)
        for limit in deployment.limits
    )
    return min(rates, default=0.0)


def _with(deployment: Deployment, limits: tuple[Limit, ...]) -> Deployment:
    provider = replace(deployment.provider, limits=())
    model = replace(deployment.model, limits=limits)
    return replace(deployment, provider=provider, model=model)
