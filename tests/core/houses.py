"""Small worlds for tests of the core: providers, deployments and a snapshot of plain dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.model import (
    Account,
    Deployment,
    Model,
    Policy,
    Profile,
    Provider,
    Verdict,
)
from freeloader.core.pacing.plan import Strain
from freeloader.core.ranking import strategies
from freeloader.core.snapshot import UNMEASURED, Health, Rank
from freeloader.money import Meters, Price


def deployment(
    provider: str = "groq",
    model: str = "m",
    *,
    idx: int = 1,
    kind: str = "cloud",
    tier: str = "free",
    priority: int = 100,
    price: Price | None = None,
    free: bool = True,
    trains: bool | None = False,
    **model_fields: Any,
) -> Deployment:
    fields: dict[str, Any] = {
        "intelligence": 5.0,
        "speed": 5.0,
        "context": 100_000,
        "max_output": 8_000,
        "capabilities": frozenset({"streaming", "tools", "json"}),
    }
    fields.update(model_fields)
    return Deployment(
        id=f"{provider}@{idx}/{model}",
        provider=Provider(
            id=provider,
            display_name=provider.title(),
            kind=kind,
            status="active",
            prefix="openai",
            wire="openai",
            base_url="http://127.0.0.1:1/v1",
            trains_on_data=trains,
        ),
        account=Account(provider, idx, tier=tier, priority=priority),
        model=Model(model, provider, model, price=price, free=free, **fields),
        entry=f"{provider}/{model}",
        base_url="http://127.0.0.1:1/v1",
    )


def profile(**fields: Any) -> Profile:
    base: dict[str, Any] = {
        "operation": "chat",
        "model": "auto",
        "needs": frozenset(),
        "upper": Meters(requests=1, input=1_000, output=500),
        "expected": Meters(requests=1, input=500, output=200),
    }
    base.update(fields)
    return Profile(**base)


@dataclass
class PlainSnapshot:
    """A Snapshot of plain dictionaries; ``full`` lists deployments without quota."""

    every: Mapping[str, Deployment]
    healths: Mapping[str, Health] = field(default_factory=dict)
    pauses: Mapping[str, Verdict] = field(default_factory=dict)
    full: frozenset[str] = frozenset()
    budget_left: int | None = None
    strains: Mapping[str, Strain] = field(default_factory=dict)
    version: int = 1

    @classmethod
    def of(cls, deployments: Iterable[Deployment], **fields: Any) -> PlainSnapshot:
        return cls({d.id: d for d in deployments}, **fields)

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        return self.every

    def ranked(self, rank: Rank) -> Sequence[str]:
        key = strategies.key_of(rank)
        return [d.id for d in sorted(self.every.values(), key=lambda d: key(d, self.health(d.id)))]

    def health(self, deployment: str) -> Health:
        return self.healths.get(deployment, UNMEASURED)

    def paused(self, deployment: Deployment, now: float) -> Verdict | None:
        return self.pauses.get(deployment.id)

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        if deployment.id in self.full:
            return Verdict("quota", "quota_exhausted", "no room", until=now + 60)
        return None

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> Verdict | None:
        return None

    def wanted(self, profile: Profile, policy: Policy, now: Any) -> None:
        """Nothing is learnt here."""

    def taken(self, hold: Any, profile: Profile, policy: Policy) -> None:
        """Nothing is planned here."""

    def strain(
        self, deployment: Deployment, expected: Meters, need: float, now: float
    ) -> Strain | None:
        return self.strains.get(deployment.id)

    def budget(
        self,
        deployment: Deployment,
        cost: int | None,
        project: str | None,
        policy: Policy,
        now: float,
        key_id: str | None = None,
        request_id: str | None = None,
    ) -> Verdict | None:
        if self.budget_left is None:
            return None
        if cost is None:
            return Verdict("price", "price_unknown", "price unknown")
        if cost > self.budget_left:
            return Verdict("budget", "budget_exceeded", "daily budget", facts={"budget": "daily"})
        return None
