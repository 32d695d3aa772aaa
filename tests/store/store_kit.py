"""What the tests of the store share: a clock, rows with short names, an open store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from freeloader.clock import Instant
from freeloader.store import HoldRow, Store, UsageRow

NOW = 1_795_176_000.0  # 2026-11-20T12:00:00Z, on a quarter of an hour


@dataclass
class FakeClock:
    wall: float = NOW

    def now(self) -> Instant:
        return Instant(self.wall, 1.0)


def hold(name: str, amount: int = 1000, **more: object) -> HoldRow:
    """A hold ``h-NAME`` of attempt ``a-NAME``."""
    values = {"at": NOW, "project": "p", "key_id": "k", "model": "m", **more}
    return HoldRow(
        hold_id=f"h-{name}",
        attempt_id=f"a-{name}",
        request_id=f"r-{name}",
        provider="groq",
        account=1,
        amount_pico=amount,
        **values,
    )


def usage(name: str, cost: int = 0, **more: object) -> UsageRow:
    values = {"at": NOW, "project": "p", "key_id": "k", "model": "m", **more}
    return UsageRow(
        request_id=f"r-{name}",
        attempt_id=f"a-{name}",
        provider="groq",
        account=1,
        cost_pico=cost,
        **values,
    )


def open_store(home: Path, clock: FakeClock | None = None) -> Store:
    return Store.open(home / "freeloader.db", home / "journal.db", clock or FakeClock())
