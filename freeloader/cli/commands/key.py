"""`xswarm key`: the keys with which programs call the daemon."""

from __future__ import annotations

from typing import Any

import click

from freeloader.cli.backend import open_backend
from freeloader.cli.shell import Failure, emit, json_option, note
from freeloader.cli.tables import table


@click.group()
def key() -> None:
    """Keys with which programs call the daemon; works with it stopped too."""


@key.command("create")
@click.option(
    "--role",
    type=click.Choice(["admin", "client", "viewer"]),
    default="client",
    show_default=True,
    help="client: ask models; viewer: read only; admin: everything.",
)
@click.option("--project", metavar="NAME", help="Bind the key to this project.")
@click.option("--name", metavar="TEXT", default=None, help="A name to know it by in lists.")
@click.option("--rate-limit", metavar="N", type=click.IntRange(1), help="Requests per minute.")
@click.option("--daily-budget", metavar="USD", type=float, help="Dollars per day at most.")
@click.option("--monthly-budget", metavar="USD", type=float, help="Dollars per month at most.")
@click.option(
    "--per-request-budget", metavar="USD", type=float, help="Dollars per request at most."
)
@json_option
def create(
    role: str,
    project: str | None,
    name: str | None,
    rate_limit: int | None,
    daily_budget: float | None,
    monthly_budget: float | None,
    per_request_budget: float | None,
    as_json: bool,
) -> None:
    """Make a key and print it: this once, only its hash is kept."""
    budget = {
        "daily": daily_budget,
        "monthly": monthly_budget,
        "perRequest": per_request_budget,
    }
    body: dict[str, Any] = {
        "role": role,
        "project": project,
        "name": name,
        "rateLimit": {"requestsPerMinute": rate_limit} if rate_limit else None,
        "budget": {span: usd for span, usd in budget.items() if usd is not None} or None,
    }
    with open_backend() as backend:
        made = backend.create_key({part: value for part, value in body.items() if value})
    if as_json:
        emit(made)
        return
    if "key" not in made:
        raise Failure("the daemon made a key but did not show it; `xswarm logs` may say why.")
    click.echo(made["key"])
    note(f"key {made.get('id', '')} ({role}); it is shown this once.")


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """Show the keys by id, role and project; never the keys themselves."""
    with open_backend() as backend:
        rows = backend.keys()
    if as_json:
        emit({"keys": rows})
        return
    table(
        (
            (
                row.get("id"),
                row.get("role"),
                row.get("project"),
                row.get("name"),
                row.get("createdAt"),
                row.get("revokedAt") or "",
            )
            for row in rows
        ),
        ("ID", "ROLE", "PROJECT", "NAME", "CREATED", "REVOKED"),
        empty="no keys; make one: xswarm key create",
    )


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Take a key out of use, from the next request on."""
    with open_backend() as backend:
        answer = backend.revoke_key(key_id)
    if as_json:
        emit(answer)
    else:
        click.echo(f"{key_id} is revoked.")
