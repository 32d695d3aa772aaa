"""`xswarm budget show` and `xswarm free`: what is spent, and what is left for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.client import Client
from freeloader.cli.commands.planned import planned
from freeloader.cli.shell import Failure, emit, json_option, money, note, rows_of, table


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


@free.command("reset")
@click.argument("name", required=False, metavar="[PROVIDER[@IDX]]")
@json_option
def reset(name: str | None, as_json: bool) -> None:
    """Forget counts and pauses, of all or of one: for an owner who knows better."""
    provider, at, idx = (name or "").partition("@")
    if name is not None and (not provider or (at and not idx.isdecimal())):
        raise click.UsageError(f"{name} is not PROVIDER or PROVIDER@IDX, e.g. groq@1.")
    body: dict[str, Any] = {"provider": provider} if provider else {}
    if at:
        body["idx"] = int(idx)
    client = online()
    if provider:
        _require_account(client, provider, body.get("idx"))
    answer = client.call("POST", "/v1/free-tiers/reset", body)
    if as_json:
        emit(answer)
        return
    count = answer.get("windows", 0)
    click.echo(f"{count} window{'' if count == 1 else 's'} forgotten; no pause is left.")


def _require_account(client: Client, provider: str, idx: int | None) -> None:
    """A name that nobody has would reset nothing, and look as if it had."""
    rows = rows_of(client.get("/v1/accounts"), "accounts")
    if not any(r.get("provider") == provider and idx in (None, r.get("idx")) for r in rows):
        raise Failure(f"there is no account {provider}{'' if idx is None else f'@{idx}'}; "
                      "`xswarm account list` shows all.")  # fmt: skip


def _account(row: Mapping[str, Any]) -> str:
    provider, account = row.get("provider"), row.get("account")
    return f"{provider}@{account}" if isinstance(account, int) else str(account or provider)


def _known(value: Any) -> Any:
    return "unknown" if value is None else value
