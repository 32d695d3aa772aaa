"""A window and a deployment as the tests of quotas make them, and the moment they live in."""

from __future__ import annotations

from datetime import UTC, datetime

from freeloader.core import quota
from freeloader.core.model import Account, Deployment, Limit, Model, Provider
from freeloader.core.quota import Window

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def window(amount: int = 10, span: str = "1m", reset: str = "rolling", **more: object) -> Window:
    limit = Limit("requests", amount, span, reset, **more)  # type: ignore[arg-type]
    return quota.window_for(limit, "k", NOW)


def fill(target: Window, count: int, now: float = NOW) -> None:
    for _ in range(count):
        quota.settle(target, quota.reserve(target, 1, now), 1, now)


def deployment(
    *, idx: int = 0, same: int | None = None, model: str = "m", provider: str = "p"
) -> Deployment:
    return Deployment(
        f"{provider}@{idx}/{model}",
        Provider(provider, provider, "cloud", "active", provider, "openai", None),
        Account(provider, idx, same_account_as=same),
        Model(model, provider, model, free=True),
        "e",
        None,
    )
