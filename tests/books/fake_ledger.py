"""A ledger in memory that crashes, fails and stalls on demand, and things to test with."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from freeloader.books.books import Books
from freeloader.clock import Instant
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Account, Deployment, Limit, Model, Provider
from freeloader.core.rows import AlertRow, HoldRow, UsageRow, WindowRow
from freeloader.errors import Unavailable
from freeloader.money import Meters, Price

LIST_PRICE = Price(1_000_000, 2_000_000)  # $1 and $2 a million tokens
NOON = 1_795_176_000.0  # 2026-11-20T12:00Z


@dataclass
class FakeClock:
    wall: float = NOON
    mono: float = 1000.0

    def now(self) -> Instant:
        return Instant(self.wall, self.mono)

    def go(self, seconds: float) -> Instant:
        self.wall += seconds
        self.mono += seconds
        return self.now()


@dataclass
class FakeLedger:
    """What is in ``holds``, ``usage`` and ``windows`` is on disk. ``broken``: writes fail."""

    holds: dict[str, HoldRow] = field(default_factory=dict)
    usage: dict[str, UsageRow] = field(default_factory=dict)
    windows: dict[str, WindowRow] = field(default_factory=dict)
    alerts: dict[tuple[str, str, str], AlertRow] = field(default_factory=dict)
    past: dict[int, int] = field(default_factory=dict)
    broken: bool = False
    gate: asyncio.Event | None = None
    durable_saves: int = 0
    queued: list[tuple[str, UsageRow | None]] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        return "disk full" if self.broken else None

    async def _write(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise Unavailable("disk full", code="ledger_unavailable")

    async def hold(self, rows: Sequence[HoldRow]) -> None:
        if not self.broken:
            self.holds.update({row.hold_id: row for row in rows})
        await self._write()

    async def settle(
        self, hold_id: str, usage: UsageRow, amount: int, basis: str, now: float
    ) -> object:
        assert usage.cost_pico == amount
        assert usage.basis == basis
        if self.broken:
            self.queued.append((hold_id, usage))
        await self._write()
        self.holds.pop(hold_id, None)
        return self.usage.setdefault(hold_id, usage)

    async def release(self, hold_id: str, now: float) -> object:
        if self.broken:
            self.queued.append((hold_id, None))
        await self._write()
        return self.holds.pop(hold_id, None)

    def record_usage(self, usage: UsageRow) -> bool:
        self.usage.setdefault(usage.attempt_id, usage)
        return True

    def mend(self) -> None:
        self.broken = False
        for hold_id, usage in self.queued:
            self.holds.pop(hold_id, None)
            if usage is not None:
                self.usage.setdefault(hold_id, usage)
        self.queued.clear()

    def recover(self) -> None:
        """What a boot does: holds of a dead daemon are charged in full."""
        for hold_id, row in self.holds.items():
            self.usage.setdefault(
                hold_id,
                UsageRow(
                    row.request_id,
                    row.attempt_id,
                    row.at,
                    row.provider,
                    row.account,
                    row.model,
                    project=row.project,
                    key_id=row.key_id,
                    cost_pico=row.amount_pico,
                    basis="hold",
                    estimated=True,
                ),
            )
        self.holds.clear()

    def _between(self, since: float, until: float) -> list[UsageRow]:
        return [row for row in self.usage.values() if since <= row.at < until]

    async def sums(self, since: float, until: float) -> Mapping[tuple[str, str], tuple[int, int]]:
        await self._write()
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        first = {row.request_id: row for row in reversed(self.usage.values())}
        for row in self._between(since, until):
            who = (row.project or "", row.key_id)
            amount, requests = sums.get(who, (0, 0))
            asked = first[row.request_id] is row
            sums[who] = (amount + row.cost_pico, requests + asked)
        return sums

    async def requests_since(self, since: float, until: float) -> int:
        return len(self._between(since, until))

    async def spent_by_slot(self, since: float, until: float) -> Mapping[int, int]:
        sums = Counter(self.past)
        for row in self._between(since, until):
            sums[int(row.at // 900)] += row.cost_pico
        return sums

    async def load_alerts(self, since: float) -> Sequence[AlertRow]:
        return [row for row in self.alerts.values() if row.at >= since]

    def note_alert(self, row: AlertRow) -> bool:
        if not self.broken:
            self.alerts.setdefault((row.type, row.scope, row.period), row)
        return not self.broken

    async def put_alert(self, row: AlertRow) -> None:
        await self._write()
        self.note_alert(row)

    async def save_windows(self, rows: Sequence[WindowRow], *, durable: bool = False) -> None:
        self.durable_saves += durable
        await self._write()
        for row in rows:
            self.windows[row.key] = WindowRow(
                row.key, json.loads(json.dumps(row.state)), row.at, row.provider, row.expires_at
            )

    async def put_alerts(self, rows: Sequence[AlertRow]) -> None:
        await self._write()
        for row in rows:
            self.alerts.setdefault((row.type, row.scope, row.period), row)

    async def load_windows(self) -> Sequence[WindowRow]:
        await self._write()
        return list(self.windows.values())


def deployment(
    provider: str = "p",
    idx: int = 0,
    model: str = "m",
    *,
    tier: str = "free",
    kind: str = "cloud",
    limits: tuple[Limit, ...] = (),
    price: Price | None = LIST_PRICE,
    same: int | None = None,
    priority: int = 100,
    speed: float | None = 5.0,
    intelligence: float | None = 5.0,
) -> Deployment:
    return Deployment(
        f"{provider}@{idx}/{model}",
        Provider(provider, provider, kind, "active", provider, "openai", None),
        Account(provider, idx, tier, priority, same_account_as=same),
        Model(model, provider, model, intelligence, speed, price=price, free=True, limits=limits),
        f"{provider}/{model}",
        None,
    )


async def opened(
    ledger: FakeLedger, clock: FakeClock, rules: BudgetRules, *deployments: Deployment
) -> Books:
    books = Books(ledger, clock, rules)
    await books.load()
    books.set_deployments(deployments)
    return books


TOKENS = Meters(requests=1, input=1000, output=1000)  # 3e9 picodollars at the price above
COST = 3 * 10**9
