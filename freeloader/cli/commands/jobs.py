"""`xswarm jobs`: what the daemon does by itself, by the clock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import quote

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import Failure, emit, json_option, note, rows_of
from freeloader.cli.tables import table

#: Seconds between two looks at a running job, and for the longest run.
_LOOK_S = 0.5
_RUN_S = 3700.0


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
                "running" if row.get("running") else row.get("lastRun"),
                row.get("progress") or row.get("lastResult"),
                _took(row.get("lastDurationMs")),
                row.get("nextDue"),
            )
            for row in rows_of(answer, "jobs")
        ),
        ("NAME", "WHEN", "LAST RUN", "RESULT", "TOOK", "NEXT"),
        empty="no jobs.",
    )


def _took(milliseconds: Any) -> str:
    return "" if milliseconds is None else f"{float(milliseconds) / 1000:.1f} s"


@jobs.command("run")
@click.argument("name")
@json_option
def run(name: str, as_json: bool) -> None:
    """Run a job now, and wait for its result; says how far it is meanwhile."""
    answer = with_progress(name, run_job)
    if as_json:
        emit(answer)
    else:
        click.echo(f"{name}: {answer.get('lastResult') or 'done'}")
    if answer.get("failures"):
        raise click.exceptions.Exit(1)


def with_progress(name: str, work: Callable[[str], Any]) -> Any:
    """``work(name)``, which runs that job, with a remark for each step the job tells of."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(work, name)
        shown = ""
        while not running.done():
            wait((running,), timeout=_LOOK_S)
            said = "" if running.done() else _progress(name)
            if said and said != shown:
                note(f"{name}: {said} …")
                shown = said
        return running.result()


def run_job(name: str) -> Any:
    """Runs a job and waits for its end; its entry afterwards."""
    return online().call("POST", f"/v1/jobs/{quote(name, safe='')}/run", {}, seconds=_RUN_S)


def _progress(name: str) -> str:
    """What the running job says of itself; nothing where the daemon has no time to tell."""
    try:
        rows = rows_of(online().get("/v1/jobs"), "jobs")
    except Failure:
        return ""
    return next((str(row.get("progress") or "") for row in rows if row.get("name") == name), "")
