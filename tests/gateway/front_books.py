"""Some models at two providers, and books that say of them what a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from freeloader.clock import Instant
from freeloader.core.model import Account, Deployment, Model, Provider
from freeloader.core.snapshot import UNMEASURED
from freeloader.money import Meters, Price

GROQ = Provider("groq", "Groq", "cloud", "active", "groq", "openai", "https://groq.example")
LOCAL = Provider("ollama", "Ollama", "local", "active", "ollama", "openai", "http://127.0.0.1:1")
SMALL = Model(
    "small", "groq", "small", intelligence=3.5, speed=8.0, context=8192, free=True,
    capabilities=frozenset({"streaming", "tools"}), price=Price(150_000, 600_000),
)  # fmt: skip
BIG = Model("org/big", "groq", "big", intelligence=None, context=131072, free=True)
TINY = Model("tiny", "ollama", "tiny", intelligence=1.8)


def house(*models: tuple[Provider, Model, str]) -> dict[str, Deployment]:
    out = {}
    for provider, model, tier in models:
        account = Account(provider.id, 0, tier=tier)
        name = f"{account.name}/{model.id}"
        out[name] = Deployment(name, provider, account, model, name, provider.base_url)
    return out


@dataclass
class FakeBooks:
    deployments: dict[str, Deployment] = field(
        default_factory=lambda: house(
            (GROQ, SMALL, "free"), (GROQ, BIG, "paid"), (LOCAL, TINY, "free")
        )
    )
    pauses: dict[str, Any] = field(default_factory=dict)
    quotas: dict[str, Any] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    resets: list[tuple[str | None, int | None]] = field(default_factory=list)
    unlearnt: int = 0
    covered: set[str] = field(default_factory=set)
    stopped: bool = True
    spent_known: bool = True
    no_money: str | None = None

    def quota_alerts(self, now: Instant) -> list[dict[str, Any]]:
        return [{"type": "quota_near", "message": "requests per 1d: 9 of 10 used", "at": "",
                 "window": "groq@0|requests|1d|"}]  # fmt: skip

    def reset(self, provider: str | None, idx: int | None, now: Instant) -> int:
        self.resets.append((provider, idx))
        return 3

    def learnt(self, provider: str | None, idx: int | None) -> int:
        return 2 - self.unlearnt

    def unlearn(self, provider: str | None, idx: int | None, now: Instant) -> int:
        self.unlearnt = 2
        return 2

    def health(self, deployment: str) -> Any:
        return replace(UNMEASURED, covered=deployment in self.covered)

    def paused(self, deployment: Deployment, now: float) -> Any:
        return self.pauses.get(deployment.id)

    def strain(self, deployment: Deployment, expected: Meters, need: float, now: float) -> None:
        return None

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Any:
        return self.quotas.get(deployment.id)

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> None:
        return None

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]:
        self.asked.append(project)
        span = {"limit": 5.0, "softLimit": None, "spent": 1.0, "held": 0.0, "remaining": 4.0,
                "requests": 7, "resetsAt": "2026-11-21T00:00:00.000Z"}  # fmt: skip
        coming = {"monthlyAtCurrentRate": 1.0, "exhaustedAt": None}
        return {"daily": span, "monthly": span, "projects": {}, "alerts": [], "projection": coming}

    async def confirm_spike(self, now: Instant) -> bool:
        stopped, self.stopped = self.stopped, False
        return stopped

    def windows_view(self, now: Instant) -> list[dict[str, Any]]:
        return [
            {"provider": "groq", "account": 0, "model": None, "metric": "requests",
             "window": "1m", "limit": 30, "used": 0, "held": 0, "remaining": 30,
             "resetsAt": None, "confidence": "high", "source": ""},
            {"provider": "groq", "account": 0, "model": "small",
             "metric": "requests", "window": "1d", "limit": 1000, "used": 10, "held": 0,
             "remaining": 9, "resetsAt": "2026-11-21T00:00:00.000Z", "confidence": "high",
             "source": "https://groq.example"},
        ]  # fmt: skip
