"""The simulator's own bill: what each key used and what it costs, in whole picodollars.

Written from what was really generated, never from what an answer reported: faults
that lie about usage do not touch it. In memory, entries bounded; no HTTP here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

_MAX_ENTRIES = 50_000
_MAX_ROWS = 10_000
STATES = ("accepted", "refused", "failed")


@dataclass(slots=True)
class Entry:
    """One request. ``state``: accepted (work was done, billed), refused, failed (a fault).

    ``input`` includes ``cached``; ``output`` includes reasoning.
    """

    id: str
    at: float
    provider: str
    key: str
    account: str
    model: str
    state: str
    reason: str = ""
    input: int = 0
    cached: int = 0
    output: int = 0
    picodollars: int = 0
    stream: bool = False
    disconnected: bool = False


@dataclass(slots=True)
class Row:
    """The sums of one provider, key and model. requests = accepted + refused + failed."""

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    picodollars: int = 0

    def add(self, entry: Entry) -> None:
        self.requests += 1
        setattr(self, entry.state, getattr(self, entry.state) + 1)
        self.input += entry.input
        self.cached += entry.cached
        self.output += entry.output
        self.picodollars += entry.picodollars


class Bill:
    """Sums that are exact for ever, and the newest entries behind them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._total = Row()
        self._entries: deque[Entry] = deque(maxlen=_MAX_ENTRIES)

    def add(self, entry: Entry) -> None:
        """Books one finished request. Rows beyond the bound go to a row named ``other``."""
        who = (entry.provider, entry.key, entry.model)
        if who not in self._rows and len(self._rows) >= _MAX_ROWS:
            who = (entry.provider, "other", "other")
        self._rows.setdefault(who, Row()).add(entry)
        self._total.add(entry)
        self._entries.append(entry)

    def total(self) -> Row:
        return self._total

    def rows(self) -> dict[tuple[str, str, str], Row]:
        """Sums per (provider, key, model)."""
        return self._rows

    def entries(self) -> list[Entry]:
        """The newest entries, oldest first."""
        return list(self._entries)

    def as_dict(self, provider: str | None = None) -> dict[str, Any]:
        """JSON-ready, optionally of one provider."""
        return {
            "totals": asdict(self._total),
            "rows": [
                {"provider": p, "key": k, "model": m, **asdict(row)}
                for (p, k, m), row in self._rows.items()
                if provider in (None, p)
            ],
            "entries": [asdict(e) for e in self._entries if provider in (None, e.provider)],
        }

    def clear(self) -> None:
        self._rows.clear()
        self._entries.clear()
        self._total = Row()
