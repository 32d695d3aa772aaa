"""`xswarm free`: what is left for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.client import Client
from freeloader.cli.shell import Failure, emit, json_option, rows_of, table


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
