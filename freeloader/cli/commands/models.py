"""`xswarm models`: what the daemon can send a request to, right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, home_path, json_option, money, rows_of
from freeloader.cli.tables import table


@click.command()
@click.option("--available/--all", "available", default=None, help="Only what can serve now.")
@click.option("--provider", metavar="NAME", help="Only this provider's.")
@click.option("--capability", metavar="NAME", help="Only with this, e.g. tools or vision.")
@click.option("--min-intelligence", type=float, metavar="N", help="At least this, 1 to 10.")
@click.option("--free", is_flag=True, help="Only what a free tier covers.")
@click.option("--local", is_flag=True, help="Only what runs on this machine.")
@click.option("--providers", is_flag=True, help="Instead: every provider one can add.")
@json_option
def models(
    available: bool | None,
    provider: str | None,
    capability: str | None,
    min_intelligence: float | None,
    free: bool,
    local: bool,
    providers: bool,
    as_json: bool,
) -> None:
    """List the models of your accounts: how good, how dear, and what is left."""
    if providers:
        _show_providers(as_json)
        return
    answer = online().get(
        "/v1/models",
        {
            "available": True if available else None,
            "provider": provider,
            "capability": capability,
            "minIntelligence": min_intelligence,
            "free": free or None,
            "local": local or None,
        },
    )
    if as_json:
        emit(answer)
        return
    table(
        (_row(row) for row in rows_of(answer, "models")),
        ("MODEL", "INT", "SPEED", "IN $/M", "OUT $/M", "CONTEXT", "LEFT", "STATE"),
        empty="no model fits; add an account: xswarm account add PROVIDER",
    )


def _show_providers(as_json: bool) -> None:
    """What the registry knows; asks no daemon."""
    from freeloader.catalog import load

    catalog = load(home_path() / "registry")
    rows = [
        {
            "provider": one.id,
            "kind": one.kind,
            "status": one.status,
            "freeTier": one.free_type,
            "models": sum(1 for provider, _ in catalog.models if provider == one.id),
            "signupUrl": one.signup_url,
        }
        for one in sorted(catalog.providers.values(), key=lambda one: one.id)
    ]
    if as_json:
        emit({"providers": rows})
        return
    headers = ("PROVIDER", "KIND", "STATUS", "FREE TIER", "MODELS", "KEYS AT")
    table((tuple(row.values()) for row in rows), headers, empty="the registry is empty.")


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    price = row.get("costPer1M") or {}
    name = str(row.get("name") or row.get("id") or "")
    provider = str(row.get("provider") or "")
    full = name if not provider or name.startswith(f"{provider}/") else f"{provider}/{name}"
    state = "ok" if row.get("available", True) else row.get("unavailableReason") or "unavailable"
    return (
        full,
        row.get("intelligence"),
        row.get("speed"),
        money(price.get("input")),
        money(price.get("output")),
        row.get("context"),
        _left(row.get("quotaRemaining")),
        state,
    )


def _left(remaining: Any) -> str:
    """What is left of a free tier: a number, or the meters of it; ``?`` where nobody knows."""
    if remaining is None:
        return "?"
    if isinstance(remaining, Mapping):
        return ", ".join(f"{left} {metric}" for metric, left in remaining.items()) or "?"
    return str(remaining)
