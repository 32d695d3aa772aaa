"""Holds and usage as the tables have them, there and back. Checks what no row may hold."""

from __future__ import annotations

import sqlite3
from operator import attrgetter
from typing import Any

from freeloader.money import METERS, Meters
from freeloader.store.rows import HoldRow, UsageRow, check_meters, check_pico


def hold_from(row: sqlite3.Row) -> HoldRow:
    """A hold as the table has it."""
    values = _common_from(row)
    names = ("hold_id", "amount_pico", "state", "epoch", "charged_pico", "settled_at")
    rest = {name: row[name] for name in names}
    return HoldRow(**values, **rest, unpriced=bool(row["unpriced"]))


def usage_from(row: sqlite3.Row) -> UsageRow:
    """A usage row as the table has it."""
    values = {name: row[name] for name in _USAGE}
    values |= {name: bool(row[name]) for name in ("estimated", "unpriced")}
    return UsageRow(**_common_from(row), **values)


_COMMON = (
    *("request_id", "attempt_id", "at", "provider", "account", "model", "family"),
    *("key_id", "task"),
)
_USAGE = ("cost_pico", "premium_pico", "basis", "latency_ms", "first_ms", "outcome")
#: Read all at once: in the writer's thread each step holds up the event loop's.
_COMMON_OF, _USAGE_OF = attrgetter(*_COMMON), attrgetter(*_USAGE)


def _common_params(row: HoldRow | UsageRow) -> dict[str, Any]:
    check_meters(row.meters)
    values = dict(zip(_COMMON, _COMMON_OF(row), strict=True))
    values["project"] = row.project or ""
    values.update(zip(METERS, row.meters.values(), strict=True))
    return values


def _common_from(row: sqlite3.Row) -> dict[str, Any]:
    values = {name: row[name] for name in _COMMON}
    values["project"] = row["project"] or None
    values["meters"] = Meters(*(row[name] for name in METERS))
    return values


def hold_params(row: HoldRow, epoch: int) -> dict[str, Any]:
    return _common_params(row) | {
        "hold_id": row.hold_id,
        "amount_pico": check_pico("amount_pico", row.amount_pico),
        "epoch": epoch,
        "unpriced": int(row.unpriced),
    }


def usage_params(row: UsageRow) -> dict[str, Any]:
    """The columns of a usage row. Raises ValueError for what no row may hold."""
    check_pico("cost_pico", row.cost_pico)
    values = _common_params(row)
    values.update(zip(_USAGE, _USAGE_OF(row), strict=True))
    values["estimated"], values["unpriced"] = int(row.estimated), int(row.unpriced)
    return values
