"""`xswarm doctor`: what is wrong with this home and machine, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from freeloader.cli.commands.backup import alone, stamp
from freeloader.cli.shell import FAILED, Failure, emit, home_path, json_option, note
from freeloader.clock import SystemClock

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--repair", is_flag=True,
              help="Mend damaged databases (daemon stopped); the originals are kept.")  # fmt: skip
@click.option(
    "--accept-loss",
    is_flag=True,
    help="With --repair: allow paid calls although spending was lost sight of.",
)
@json_option
def doctor(repair: bool, accept_loss: bool, as_json: bool) -> None:
    """Check home, keys, port, child, providers, channels, LiteLLM, databases, clock, disk.

    Works with the daemon stopped; exit code 1 if anything fails.
    """
    if accept_loss and not repair:
        raise click.UsageError("--accept-loss goes with --repair.")
    if repair:
        _repair(accept_loss, as_json)
        if as_json:
            return
    from freeloader.cli import checks
    from freeloader.cli.checks.patient import FAIL

    findings = checks.examine(home_path(closed=True), SystemClock())
    failed = [finding for finding in findings if finding.state == FAIL]
    if as_json:
        emit({"ok": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            state = click.style(f"{finding.state:<4}", fg=COLOURS[finding.state])
            click.echo(f"{state}  {finding.check:<13} {finding.found}")
            if finding.remedy:
                click.echo(f"      {'':<13} → {finding.remedy}")
        if failed:
            note(f"{len(failed)} of {len(findings)} checks failed; the arrows say what to do.")
    if failed:
        raise click.exceptions.Exit(FAILED)


def _repair(accept_loss: bool, as_json: bool) -> None:
    from freeloader.store.mending.repair import repair

    home = home_path()
    if not home.is_dir():
        raise Failure(f"there is no home at {home}; make it: xswarm init")
    with alone(home, "a repair"):
        now = SystemClock().now().wall
        ledger, journal = home / "freeloader.db", home / "journal.db"
        done = repair(ledger, journal, now, stamp(), accept_loss=accept_loss, say=note)
    if as_json:
        kept = [str(path) for path in done.kept]
        emit({"repaired": bool(done.done), "done": done.done, "kept": kept, "doubt": done.doubt})
        return
    for line in done.done or ["both databases are sound; there was nothing to repair"]:
        click.echo(line)
    for path in done.kept:
        note(f"the original is kept: {path}")
    if done.doubt is not None:
        note(done.doubt)
