"""`xswarm decisions`: why requests went where they went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, money, rows_of, table


@click.command()
@click.argument("decision_id", metavar="[ID]", required=False)
@click.option(
    "--tail", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many."
)
@click.option("--project", metavar="NAME", help="Only this project's.")
@json_option
def decisions(decision_id: str | None, tail: int, project: str | None, as_json: bool) -> None:
    """List the last decisions, or show one with all its attempts."""
    client = online()
    if decision_id is None:
        answer = client.get("/v1/decisions", {"limit": tail, "project": project})
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
    others = (one.get("routing") or {}).get("alternatives") or ()
    if others:
        click.echo("")
        table(
            ((row.get("model"), row.get("score"), row.get("reason")) for row in others),
            ("ELSE", "SCORE", "WHY NOT"),
            empty="",
        )
