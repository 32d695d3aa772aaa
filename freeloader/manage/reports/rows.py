"""One request as a row of an export: the same columns in every format. Pure.

Money is given in dollars for people and in whole picodollars for sums.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from freeloader.clock import iso
from freeloader.money import known_usd, usd_from_pico

Row = dict[str, Any]

#: Column → its type: ``text, whole, number, flag, json``.
COLUMNS: Mapping[str, str] = {
    "id": "text",
    "at": "text",
    "requestId": "text",
    "project": "text",
    "key": "text",
    "operation": "text",
    "requested": "text",
    "strategy": "text",
    "task": "text",
    "provider": "text",
    "model": "text",
    "outcome": "text",
    "reason": "text",
    "attempts": "whole",
    "tokensIn": "whole",
    "tokensOut": "whole",
    "tokensCached": "whole",
    "costUsd": "number",
    "costPico": "whole",
    "wouldHaveCostUsd": "number",
    "savedUsd": "number",
    "latencyMs": "number",
    "firstMs": "number",
    "estimated": "flag",
    "routing": "json",
    "prompt": "text",
    "response": "text",
}


def flat(piece: Mapping[str, Any]) -> Row:
    """One of ``store.reports.export``'s requests as a row with all ``COLUMNS``."""
    usage = piece["usage"]
    row = _decided(piece["decision"]) if piece["decision"] is not None else _undecided(usage)
    cost = sum(one["cost_pico"] + one["adjusted"] for one in usage)
    unknown = any(one["unpriced"] for one in usage)
    would = [one["premium_pico"] for one in usage if one["premium_pico"] is not None]
    firsts = [one["first_ms"] for one in usage if one["first_ms"] is not None]
    out = {
        **row,
        "tokensIn": sum(u["input"] + u["cache_read"] + u["cache_write"] for u in usage),
        "tokensOut": sum(u["output"] for u in usage),
        "tokensCached": sum(u["cache_read"] for u in usage),
        "costUsd": known_usd(cost, unknown),
        "costPico": None if unknown else cost,
        "wouldHaveCostUsd": usd_from_pico(sum(would)) if would else None,
        "savedUsd": usd_from_pico(sum(would) - cost) if would and not unknown else None,
        "firstMs": firsts[-1] if firsts else None,
        "estimated": any(u["estimated"] for u in usage),
    }
    return {name: out.get(name) for name in COLUMNS}


def as_jsonl(rows: Iterable[Mapping[str, Any]]) -> bytes:
    lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def as_csv(rows: Iterable[Mapping[str, Any]], *, head: bool) -> bytes:
    """Lines of a table, the first one with the names of its columns if ``head``.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if head:
        writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[name], kind) for name, kind in COLUMNS.items()])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, default=str)
    if kind == "text":
        text = str(value)
        return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
    return str(value).lower() if kind == "flag" else value


def _decided(decision: Mapping[str, Any]) -> Row:
    return {
        "id": decision["id"],
        "at": iso(decision["at"]),
        "requestId": decision["request_id"],
        "project": decision["project"] or None,
        "key": decision["key_id"],
        **{name: decision[name] for name in (
            "operation", "requested", "strategy", "task", "provider", "model", "outcome", "reason",
            "attempts", "prompt", "response")},
        "latencyMs": decision["latency_ms"],
        "routing": decision["detail"],
    }  # fmt: skip


def _undecided(usage: list[Row]) -> Row:
    """The journal does not know it: what the ledger says of its last attempt."""
    last = usage[-1]
    return {
        "id": last["request_id"],
        "at": iso(usage[0]["at"]),
        "project": last["project"] or None,
        "key": last["key_id"],
        "task": last["task"],
        "provider": last["provider"],
        "model": f"{last['provider']}/{last['model']}",
        "outcome": last["outcome"],
        "reason": "not in the journal",
        "attempts": len(usage),
        "latencyMs": last["latency_ms"],
    }
