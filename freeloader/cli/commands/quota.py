"""`xswarm budget show` and `xswarm free`: what is spent, and what is left for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.commands.planned import planned
from freeloader.cli.shell import emit, json_option, money, note, rows_of, table


@click.group()
def budget() -> None:
    """What may be spent, and what was."""


@budget.command("show")
@click.option("--project", metavar="NAME", help="Only this project's.")
@json_option
def show(project: str | None, as_json: bool) -> None:
    """Show limits, what is spent, held and left, by day and month."""
    answer = online().get("/v1/budget", {"project": project})
    if as_json:
        emit(answer)
        return
    table(
        _budget_rows(answer),
        ("BUDGET", "LIMIT", "SOFT", "SPENT", "HELD", "LEFT", "RESETS"),
        empty="no budget is kept.",
    )
    for alert in answer.get("alerts") or ():
        note(f"{alert.get('type', 'alert')}: {alert.get('message', '')}")


budget.add_command(planned("set", "Set daily, monthly and per-request limits.", parent="budget"))


def _budget_rows(answer: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    yield from _spans("all", answer)
    for name, spans in sorted((answer.get("projects") or {}).items()):
        yield from _spans(name, spans)


def _spans(name: str, spans: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for span in ("daily", "monthly"):
        row = spans.get(span)
        if isinstance(row, Mapping):
            amounts = (
                money(row.get(k)) for k in ("limit", "softLimit", "spent", "held", "remaining")
            )
            yield (f"{name} {span}", *amounts, row.get("resetsAt"))


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def free(context: click.Context, as_json: bool) -> None:
    """Show every free-tier window: used, held, left, and when it resets."""
    if context.invoked_subcommand is not None:
        return
    answer = online().get("/v1/free-tiers")
    if as_json:
        emit(answer)
        return
    table(
        (
            (
                _account(row),
                row.get("model") or "all",
                row.get("metric"),
                row.get("window"),
                *(_known(row.get(k)) for k in ("limit", "used", "held", "remaining")),
                row.get("resetsAt"),
                row.get("confidence"),
            )
            for row in rows_of(answer, "windows", "freeTiers")
        ),
        (
            "ACCOUNT",
            "MODEL",
            "METRIC",
            "WINDOW",
            "LIMIT",
            "USED",
            "HELD",
            "LEFT",
            "RESETS",
            "CONFIDENCE",
        ),
        empty="no window has been used yet.",
    )


free.add_command(planned("reset", "Forget what was counted of a window.", parent="free"))


def _account(row: Mapping[str, Any]) -> str:
    provider, account = row.get("provider"), row.get("account")
    return f"{provider}@{account}" if isinstance(account, int) else str(account or provider)


def _known(value: Any) -> Any:
    return "unknown" if value is None else value
