"""`xswarm discover`: look for what changed out there, and decide about it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from freeloader.cli.backend import online
from freeloader.cli.commands.jobs import run_job, with_progress
from freeloader.cli.shell import Failure, duration, emit, json_option, note, rows_of
from freeloader.cli.tables import table

SOURCES = ("registry", "api", "github", "scraping")
_AT = "/v1/discovery/proposals"


@click.group()
def discover() -> None:
    """Find new providers, models and prices; nothing changes until you approve it."""


@discover.command()
@click.argument("sources", nargs=-1, type=click.Choice(SOURCES))
@json_option
def run(sources: tuple[str, ...], as_json: bool) -> None:
    """Look now: at the named sources, or at all that are switched on."""
    known = {str(row.get("name")) for row in rows_of(online().get("/v1/jobs"), "jobs")}
    chosen = sources or tuple(name for name in SOURCES if name in known)
    off = [name for name in chosen if name not in known]
    if off:
        raise Failure(
            f"{off[0]} is switched off: xswarm config set discovery.{off[0]}.enabled true"
        )
    done = [(name, with_progress(name, run_job)) for name in chosen]
    if as_json:
        emit({"runs": [answer for _, answer in done]})
    else:
        for name, answer in done:
            click.echo(f"{name}: {answer.get('lastResult') or 'done'}")
        note("`xswarm discover list` shows what waits for you.")
    if any(answer.get("failures") for _, answer in done):
        raise click.exceptions.Exit(1)


@discover.command("list")
@click.option(
    "--state",
    type=click.Choice(["pending", "applied", "noted", "rejected", "superseded", "undone", "all"]),
    default="pending",
    show_default=True,
    help="Only proposals in this state.",
)
@json_option
def list_proposals(state: str, as_json: bool) -> None:
    """Show proposals, newest first."""
    answer = online().get(f"{_AT}?state={state}")
    if as_json:
        emit(answer)
        return
    rows = rows_of(answer, "proposals")
    table(
        (
            (
                row.get("id"),
                row.get("kind"),
                _about(row),
                _short(row),
                row.get("source"),
                row.get("confidence"),
                duration(float(row.get("ageSeconds") or 0)),
                *((row.get("state"),) if state == "all" else ()),
            )
            for row in rows
        ),
        ("ID", "KIND", "ABOUT", "CHANGE", "SOURCE", "SURE", "AGE")
        + (("STATE",) if state == "all" else ()),
        empty=f"no proposal is {state}." if state != "all" else "no proposals.",
    )


@discover.command()
@click.argument("number")
@json_option
def show(number: str, as_json: bool) -> None:
    """Show one proposal: before, after, and where that stands."""
    row = online().get(f"{_AT}/{quote(number, safe='')}")
    if as_json:
        emit(row)
        return
    click.echo(f"proposal   {row.get('id')}, {row.get('state')}")
    click.echo(f"kind       {row.get('kind')}")
    click.echo(f"about      {_about(row)}")
    click.echo(f"source     {row.get('source')}, confidence {row.get('confidence')}")
    click.echo(f"evidence   {row.get('evidence')}")
    click.echo(f"age        {duration(float(row.get('ageSeconds') or 0))}")
    click.echo(f"before     {_text(row.get('before'))}")
    click.echo(f"after      {_text(row.get('after'))}")
    if row.get("state") == "pending":
        note(f"xswarm discover approve {row.get('id')} · xswarm discover reject {row.get('id')}")


def _deciding(verb: str, does: str) -> click.Command:
    @click.command(verb, help=does)
    @click.argument("numbers", nargs=-1, required=True)
    @json_option
    def command(numbers: tuple[str, ...], as_json: bool) -> None:
        rows = [
            online().call("POST", f"{_AT}/{quote(number, safe='')}/{verb}", {})
            for number in numbers
        ]
        if as_json:
            emit({"proposals": rows})
            return
        for row in rows:
            click.echo(f"{row.get('id')}: {row.get('state')} ({row.get('kind')} {_about(row)})")

    return command


discover.add_command(_deciding("approve", "Apply proposals; takes effect at once."))
discover.add_command(_deciding("reject", "Reject proposals; they are not made again as they are."))
discover.add_command(_deciding("undo", "Take applied proposals back."))


def _about(row: dict[str, Any]) -> str:
    return "/".join(str(part) for part in (row.get("provider"), row.get("subject")) if part)


def _short(row: dict[str, Any]) -> str:
    """The change in a few words."""
    before, after = row.get("before") or {}, row.get("after") or {}
    if row.get("kind") == "pricing_change":
        return f"{_price(before.get('pricing'))} → {_price(after.get('pricing'))}"
    if row.get("kind") == "model_deprecated":
        then = f", then {after.get('replacedBy')}" if after.get("replacedBy") else ""
        return f"ends {after.get('deprecatedOn') or 'unknown'}{then}"
    if row.get("kind") == "new_provider":
        return str(after.get("url") or after.get("displayName") or "")[:60]
    if row.get("kind") == "new_model":
        return f"family {after.get('family')}"
    changed = [name for name in after if before.get(name) != after.get(name)]
    return ", ".join(changed)[:60]


def _price(pricing: Any) -> str:
    if not isinstance(pricing, dict):
        return "unknown"
    return f"${pricing.get('input')}/${pricing.get('output')}"


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, indent=1)
