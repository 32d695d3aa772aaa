"""`xswarm doctor`: what is wrong with this home and machine, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from freeloader.cli.commands.planned import not_built
from freeloader.cli.shell import FAILED, emit, home_path, json_option, note
from freeloader.clock import SystemClock

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be (not built yet).")
@json_option
def doctor(repair: bool, as_json: bool) -> None:
    """Check home, keys, secret store, port, child, LiteLLM, databases, clock and disk.

    Works with the daemon stopped; exit code 1 if anything fails.
    """
    if repair:
        raise not_built("doctor --repair")
    from freeloader.cli import checks

    findings = checks.examine(home_path(), SystemClock())
    failed = [finding for finding in findings if finding.state == checks.FAIL]
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
