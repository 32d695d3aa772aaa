"""`xswarm jobs`: what the daemon does by itself, by the clock."""

from __future__ import annotations

from urllib.parse import quote

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, rows_of, table


@click.group()
def jobs() -> None:
    """What the daemon does by the clock: retention, expiry and the like."""


@jobs.command("list")
@json_option
def list_jobs(as_json: bool) -> None:
    """Show the jobs, when they ran last, how that went and when they are due."""
    answer = online().get("/v1/jobs")
    if as_json:
        emit(answer)
        return
    table(
        (
            (
                row.get("name"),
                row.get("cron") or row.get("schedule"),
                row.get("lastRun"),
                row.get("lastResult"),
                row.get("nextDue") or row.get("nextRun"),
            )
            for row in rows_of(answer, "jobs")
        ),
        ("NAME", "WHEN", "LAST RUN", "RESULT", "NEXT"),
        empty="no jobs.",
    )


@jobs.command("run")
@click.argument("name")
@json_option
def run(name: str, as_json: bool) -> None:
    """Run a job now, and wait for its result."""
    answer = online().call("POST", f"/v1/jobs/{quote(name, safe='')}/run", {}, seconds=600)
    if as_json:
        emit(answer)
        return
    result = answer.get("lastResult") or answer.get("result") or "done"
    click.echo(f"{name}: {result}")
