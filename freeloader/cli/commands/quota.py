"""`xswarm free`: what is left for nothing, until when, and who says so."""

from __future__ import annotations

from typing import Any

import click

from freeloader.cli import windows
from freeloader.cli.backend import online
from freeloader.cli.client import Client
from freeloader.cli.shell import Failure, emit, json_option, note, rows_of
from freeloader.clock import SystemClock


@click.group(invoke_without_command=True)
@click.option("--provider", metavar="NAME", help="Only this provider's windows.")
@json_option
@click.pass_context
def free(context: click.Context, provider: str | None, as_json: bool) -> None:
    """Show every free-tier window: used, left, when it resets, how long it lasts at this rate."""
    if context.invoked_subcommand is not None:
        return
    client = online()
    answer = client.get("/v1/free-tiers", {"provider": provider})
    if provider and not rows_of(answer, "windows"):
        _require_account(client, provider, None)
    if as_json:
        emit(answer)
        return
    windows.show(rows_of(answer, "windows", "freeTiers"), SystemClock().now().wall)
    windows.told(answer)


@free.command("reset")
@click.argument("name", required=False, metavar="[PROVIDER[@IDX]]")
@click.option("--learnt", is_flag=True, help="Forget learnt limits too: they are wrong.")
@json_option
def reset(name: str | None, learnt: bool, as_json: bool) -> None:
    """Forget counts and pauses, of all or of one: for an owner who knows better."""
    provider, at, idx = (name or "").partition("@")
    if name is not None and (not provider or (at and not idx.isdecimal())):
        raise click.UsageError(f"{name} is not PROVIDER or PROVIDER@IDX, e.g. groq@1.")
    body: dict[str, Any] = {"provider": provider} if provider else {}
    if at:
        body["idx"] = int(idx)
    if learnt:
        body["learnt"] = True
    client = online()
    if provider:
        _require_account(client, provider, body.get("idx"))
    answer = client.call("POST", "/v1/free-tiers/reset", body)
    if as_json:
        emit(answer)
        return
    count = answer.get("windows", 0)
    click.echo(f"{count} window{'' if count == 1 else 's'} forgotten; no pause is left.")
    if learnt:
        click.echo(f"{_limits(answer.get('learntForgotten', 0))} forgotten.")
    elif kept := answer.get("learntKept", 0):
        again = f"xswarm free reset {f'{name} ' if name else ''}--learnt"
        note(f"{_limits(kept)} kept; where wrong: {again}")


def _limits(count: int) -> str:
    return f"{count} learnt limit{'' if count == 1 else 's'}"


def _require_account(client: Client, provider: str, idx: int | None) -> None:
    """A name that nobody has would reset nothing, and look as if it had."""
    rows = rows_of(client.get("/v1/accounts"), "accounts")
    if not any(r.get("provider") == provider and idx in (None, r.get("idx")) for r in rows):
        raise Failure(f"there is no account {provider}{'' if idx is None else f'@{idx}'}; "
                      "`xswarm account list` shows all.")  # fmt: skip
