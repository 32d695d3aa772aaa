"""`xswarm analytics` and `xswarm audit`: what was asked, spent and saved; who changed what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, money, note, rows_of
from freeloader.cli.tables import table

BARS = "▁▂▃▄▅▆▇█"
GROUPS = {"byProvider": "PROVIDER", "byModel": "MODEL", "byProject": "PROJECT", "byTask": "TASK"}
ROWS_MAX = 10
WIDTH_MAX = 60


@click.command()
@click.option("--period", default="30d", show_default=True, metavar="P",
              help="24h, 7d, 30d, 12w, today, day, week, month, year, all.")  # fmt: skip
@click.option("--project", metavar="NAME", help="Only this project's.")
@json_option
def analytics(period: str, project: str | None, as_json: bool) -> None:
    """Show requests, costs and savings over time, by provider, model, project and task."""
    answer = online().get("/v1/analytics", {"period": period, "project": project})
    if as_json:
        emit(answer)
        return
    _totals(answer)
    _series(answer.get("series") or [])
    for name, title in GROUPS.items():
        rows = answer.get(name) or {}
        if rows:
            click.echo("")
            _group(rows, title)


def _totals(answer: Mapping[str, Any]) -> None:
    saved, ahead = answer.get("savings") or {}, answer.get("costProjection") or {}
    each = money(answer.get("avgCostPerRequest"))
    lines = [
        ("period", answer.get("period")),
        ("requests", answer.get("totalRequests")),
        ("cost", f"{money(answer.get('totalCost'))} ({each} each)"),
    ]
    if answer.get("unpriced"):
        lines.append(("unknown", f"{answer['unpriced']} calls of models without a known price"))
    if saved.get("premiumModel") and saved.get("savedPercent") is not None:
        share = f"{saved.get('savedPercent'):g} % of {money(saved.get('wouldHaveCost'))}"
        lines.append(("saved", f"{money(saved.get('saved'))}, {share} at {saved['premiumModel']}"))
    over = "; over the month's budget" if ahead.get("willExceedBudget") else ""
    lines.append(("this month", f"{money(ahead.get('monthlyAtCurrentRate'))} at this rate{over}"))
    for name, value in lines:
        click.echo(f"{name:<11} {value}")


def _series(series: Sequence[Mapping[str, Any]]) -> None:
    if not any(point.get("requests") for point in series):
        note("nothing was asked in this period.")
        return
    click.echo("")
    for name, title in (("requests", "requests"), ("cost", "cost"), ("saved", "saved"),
                        ("p50", "p50 ms"), ("p95", "p95 ms")):  # fmt: skip
        values = [float(point.get(name) or 0) for point in series]
        if any(values):
            top = max(values)
            most = money(top) if name in ("cost", "saved") else f"{top:,.0f}"
            click.echo(f"{title:<11} {sparkline(values)}  most {most}")
    click.echo(f"{'':<11} {series[0].get('t')} … {series[-1].get('t')}")


def sparkline(values: Sequence[float]) -> str:
    """One character per value, of eight heights; nothing where nothing was. At most 60 wide."""
    if len(values) > WIDTH_MAX:
        size = -(-len(values) // WIDTH_MAX)
        values = [sum(values[i : i + size]) for i in range(0, len(values), size)]
    top = max(values, default=0.0)
    return "".join(
        " " if value <= 0 or top <= 0 else BARS[min(7, int(value / top * 8))] for value in values
    )


def _group(rows: Mapping[str, Mapping[str, Any]], title: str) -> None:
    listed = list(rows.items())
    table(
        (
            (
                name,
                row.get("requests"),
                row.get("tokensIn"),
                row.get("tokensOut"),
                money(row.get("cost")),
                money(row.get("saved")),
            )
            for name, row in listed[:ROWS_MAX]
        ),
        (title, "REQUESTS", "TOKENS IN", "TOKENS OUT", "COST", "SAVED"),
        empty="",
    )
    if len(listed) > ROWS_MAX:
        note(f"and {len(listed) - ROWS_MAX} more; --json shows all.")


@click.command()
@click.option("--tail", default=50, show_default=True, type=click.IntRange(1, 1000),
              help="How many.")  # fmt: skip
@click.option(
    "--kind",
    type=click.Choice(["all", "changes", "requests"]),
    default="all",
    show_default=True,
    help="What was changed, where requests went, or both.",
)
@click.option("--what", metavar="ACT", help="Only acts that begin so: config, account.add, key ….")
@click.option("--before", metavar="TIME", help="Only older than this time, e.g. 2026-11-20.")
@json_option
def audit(tail: int, kind: str, what: str | None, before: str | None, as_json: bool) -> None:
    """Show who changed what, and which request went where and why; newest first.

    Nothing in the audit of changes can be altered or removed.
    """
    query = {"limit": tail, "kind": kind, "what": what, "before": before}
    answer = online().get("/v1/audit", query)
    if as_json:
        emit(answer)
        return
    table(
        (
            (row.get("at"), row.get("who"), row.get("what"), row.get("subject"), _why(row))
            for row in rows_of(answer, "audit")
        ),
        ("AT", "WHO", "WHAT", "SUBJECT", "WHY"),
        empty="nothing is in the audit yet.",
    )


def _why(row: Mapping[str, Any]) -> str:
    detail = row.get("detail") or {}
    if row.get("what") == "request":
        return f"{detail.get('outcome')}, {money(detail.get('costUsd'))}: {detail.get('reason')}"
    return " ".join(f"{name}={_short(value)}" for name, value in detail.items())[:160]


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
