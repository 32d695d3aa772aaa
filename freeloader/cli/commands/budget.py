"""`xswarm budget`: what may be spent, what was, and going on after a spike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import click

from freeloader.cli.backend import online, open_backend
from freeloader.cli.shell import emit, json_option, money, note
from freeloader.cli.tables import table

_ACTIONS = click.Choice(["warn", "downgrade", "local-only", "block"], case_sensitive=False)
#: What takes a limit away.
_NONE = ("none", "null", "off")


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
        _budget_rows(answer, project),
        ("BUDGET", "LIMIT", "SOFT", "SPENT", "HELD", "LEFT", "RESETS"),
        empty="no budget is kept.",
    )
    projection = answer.get("projection") or {}
    if projection.get("monthlyAtCurrentRate"):
        ends = projection.get("exhaustedAt")
        said = f"; the monthly budget ends {ends}" if ends else ""
        note(f"at this rate: {money(projection['monthlyAtCurrentRate'])} this month{said}")
    for one in answer.get("actions") or ():
        note(f"in force: {one.get('action')} ({one.get('reason')})")
    for alert in answer.get("alerts") or ():
        note(f"{alert.get('type', 'alert')}: {alert.get('message', '')}")


@budget.command("set")
@click.option("--daily", metavar="USD", help="Dollars per day.")
@click.option("--monthly", metavar="USD", help="Dollars per month.")
@click.option("--per-request", metavar="USD", help="Dollars per request, all its attempts.")
@click.option("--soft", is_flag=True, help="Soft limits: their action is taken, nothing else.")
@click.option("--project", metavar="NAME", help="A project's share; `default`: all not listed.")
@click.option("--alert-at", type=click.FloatRange(0, 1), help="Share of a limit that alerts.")
@click.option("--timezone", metavar="ZONE", help="Whose days and months, e.g. Europe/Berlin.")
@click.option("--on-soft-limit", type=_ACTIONS, help="What a spent soft limit sets in force.")
@click.option("--on-hard-limit", type=_ACTIONS, help="What a spent hard limit sets in force.")
@click.option("--on-project-limit", type=_ACTIONS, help="What a spent project's limit does.")
@click.option("--spike-factor", type=click.FloatRange(1, 10_000, min_open=True),
              help="Ten minutes of so many times the usual spending are a spike.")  # fmt: skip
@click.option("--spike-stops-paid/--spike-goes-on", default=None,
              help="Stop paid calls after a spike until `xswarm budget confirm`.")  # fmt: skip
@json_option
def set_budget(
    daily: str | None,
    monthly: str | None,
    per_request: str | None,
    soft: bool,
    project: str | None,
    as_json: bool,
    **others: Any,
) -> None:
    """Set limits in dollars (`none` takes one away); they hold from the next request on."""
    if (soft or project) and per_request is not None:
        raise click.UsageError("--per-request is one hard limit for all: leave out the others.")
    if soft and project:
        raise click.UsageError("a project's limits are always hard: leave out --soft.")
    limits = {"daily": daily, "monthly": monthly, "per_request": per_request}
    given = {name: _dollars(text) for name, text in limits.items() if text is not None}
    changes = _settings({name: value for name, value in others.items() if value is not None})
    if given and project:
        changes["allocations"] = {project: given}
    elif given:
        changes["soft" if soft else "hard"] = given
    elif soft or project:
        raise click.UsageError("which limit? Give --daily or --monthly.")
    if not changes:
        raise click.UsageError("nothing to change: give --daily, --monthly or --per-request.")
    with open_backend() as backend:
        answer = backend.change_config({"budget": changes})
    if as_json:
        emit(answer)
        return
    for name, value in _flat(changes, "budget"):
        click.echo(f"{name} = {'none' if value is None else value}")
    for warning in answer.get("warnings") or ():
        note(f"note: {warning}")


@budget.command("confirm")
@json_option
def confirm(as_json: bool) -> None:
    """Let paid calls go on that a spike has stopped."""
    answer = online().call("POST", "/v1/budget/confirm", {})
    if as_json:
        emit(answer)
    elif answer.get("confirmed"):
        click.echo("paid calls go on.")
    else:
        click.echo("no spike has stopped paid calls.")


def _settings(others: Mapping[str, Any]) -> dict[str, Any]:
    actions = {name: value for name, value in others.items() if name.startswith("on_")}
    changes = {name: value for name, value in others.items() if name not in actions}
    return {**changes, "actions": actions} if actions else changes


def _dollars(text: str) -> float | None:
    """The amount; None takes the limit away. Raises UsageError."""
    from freeloader.money import pico_from_usd

    plain = text.strip().removeprefix("$")
    if plain.lower() in _NONE:
        return None
    try:
        pico_from_usd(plain)
        if not isfinite(amount := float(plain)):
            raise ValueError(plain)
    except (ValueError, ArithmeticError):
        raise click.UsageError(f"{text!r} is not an amount of dollars, e.g. 5.00.") from None
    return amount


def _flat(values: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}.{name}")
        else:
            yield f"{at}.{name}", value


def _budget_rows(answer: Mapping[str, Any], project: str | None) -> Iterator[tuple[Any, ...]]:
    if not project:  # else the whole is that project's, which is listed by its name
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
