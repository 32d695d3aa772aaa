"""`xswarm decisions`: why requests went where they went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from freeloader.cli import casting
from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, money, private, rows_of
from freeloader.cli.tables import table


@click.command()
@click.argument("decision_id", metavar="[ID]", required=False)
@click.option(
    "--tail", default=20, show_default=True, type=click.IntRange(1, 500), help="How many."
)
@click.option("--project", metavar="NAME", help="Only this project's.")
@click.option("--outcome", metavar="WHAT", help="Only these: answered, abandoned, an error's code.")
@click.option("--provider", metavar="NAME", help="Only answered by this provider.")
@click.option("--model", metavar="NAME", help="Only answered by this model.")
@click.option("--task", metavar="TYPE", help="Only of this task type.")
@click.option("--strategy", metavar="NAME", help="Only decided by this strategy.")
@click.option("--from", "from_", metavar="TIME", help="Only from this date or time on.")
@click.option("--to", metavar="TIME", help="Only before this time, or to the end of this date.")
@click.option("--before", metavar="ID", help="Only older than this decision: the next page.")
@json_option
def decisions(decision_id: str | None, tail: int, as_json: bool, **only: str | None) -> None:
    """List the last decisions, or show one with all its attempts."""
    client = online()
    if decision_id is None:
        query = {name.rstrip("_"): value for name, value in only.items()}
        answer = client.get("/v1/decisions", {"limit": tail, **query})
        if as_json:
            emit(answer)
        else:
            _list(answer)
        return
    one = client.get(f"/v1/decisions/{quote(decision_id, safe='')}")
    if as_json:
        emit(one)
    else:
        _show(one.get("decision", one) if isinstance(one, Mapping) else {})


def _list(answer: Any) -> None:
    table(
        (
            (
                row.get("id"),
                row.get("at"),
                row.get("model"),
                row.get("outcome"),
                row.get("attempts"),
                money(row.get("costUsd")),
                row.get("reason"),
            )
            for row in rows_of(answer, "decisions")
        ),
        ("ID", "AT", "MODEL", "OUTCOME", "TRIES", "COST", "WHY"),
        empty='no decisions yet; ask something: xswarm ask "hello"',
    )


def _show(one: Mapping[str, Any]) -> None:
    attempts = one.get("attempts")
    for name, value in one.items():
        if isinstance(value, list | dict) or value in (None, ""):
            continue
        click.echo(f"{name:<12} {round(value, 1) if name == 'latencyMs' else value}")
    _show_why(one)
    if isinstance(attempts, list):
        click.echo("")
        table(
            (
                (
                    row.get("number"),
                    row.get("deployment") or row.get("model"),
                    row.get("outcome"),
                    row.get("status"),
                    row.get("latencyMs"),
                    money(row.get("costUsd")),
                    row.get("reason"),
                )
                for row in attempts
            ),
            ("TRY", "DEPLOYMENT", "OUTCOME", "STATUS", "MS", "COST", "WHY"),
            empty="no attempt was made.",
        )


def _show_why(one: Mapping[str, Any]) -> None:
    """Refusals by gate, policy with its origins, versions, and who else there was."""
    refusals = one.get("refusals") or {}
    if refusals:
        told = ", ".join(f"{count} by {gate}" for gate, count in sorted(refusals.items()))
        click.echo(f"{'refused':<12} {told}")
    if found := private(one.get("routing")):
        click.echo(f"{'private':<12} {found}")
    policy = one.get("policy") or {}
    origins = policy.get("origins") or {}
    if origins:
        told = ", ".join(f"{part} by {level}" for part, level in sorted(origins.items()))
        click.echo(f"{'policy':<12} {told}")
    versions = one.get("versions") or {}
    if versions:
        told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        click.echo(f"{'versions':<12} {told}")
    for line in one.get("fallback") or ():
        click.echo(f"{'fallback':<12} {line}")
    if (one.get("routing") or {}).get("multiCast"):
        click.echo("")
        casting.show_members(one["routing"], click.echo)
    others = (one.get("routing") or {}).get("alternatives") or ()
    if others:
        click.echo("")
        table(
            ((row.get("model"), row.get("score"), row.get("reason")) for row in others),
            ("ELSE", "SCORE", "WHY NOT"),
            empty="",
        )
