"""`xswarm service install|uninstall|status`: the daemon under systemd or launchd.

What would be written and run is shown first; nothing happens without a yes.
What the files say is ``cli.units``'s business.
"""

from __future__ import annotations

import difflib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click

from freeloader.cli import units
from freeloader.cli.shell import (
    Failure,
    NotRunning,
    emit,
    home_path,
    interactive,
    json_option,
    note,
)
from freeloader.cli.units import Plan, Program

#: No service manager takes longer for one command, but for a stop that drains.
_SECONDS = 150.0

system_option = click.option(
    "--system", is_flag=True, help="For the whole machine (needs root), not only for you."
)
manager_option = click.option(
    "--manager",
    type=click.Choice(["systemd", "launchd"]),
    help="Whose file to make; by default the platform's own.",
)
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")
dry_option = click.option("--dry-run", is_flag=True, help="Only show what would be done.")


@click.group()
def service() -> None:
    """Run as a service of the system: started at login or boot, again after a crash."""


@service.command()
@system_option
@manager_option
@dry_option
@yes_option
def install(system: bool, manager: str | None, dry_run: bool, yes: bool) -> None:
    """Write the service file and start the service; shows both first, and asks."""
    plan = plan_for(manager, system)
    if (forbidden := masked(plan)) is not None:
        raise Failure(f"{forbidden}, then install again.")
    there = plan.path.read_text("utf-8", "replace") if plan.path.is_file() else None
    _show(plan, there)
    if dry_run or not _agreed(yes):
        note("nothing was changed.")
        return
    _require_native(plan)
    if there != plan.text:
        _write(plan.path, plan.text)
    for command in plan.install:
        try:
            _run(command)
        except Failure:
            if command[-1] == "daemon-reload":  # nobody read it: no manager runs here
                _put_back(plan.path, there)
            raise
    click.echo(f"installed: {plan.path}")
    for remark in plan.after:
        note(remark)
    note("`xswarm service status` shows it, `xswarm service uninstall` takes it away.")


@service.command()
@system_option
@manager_option
@dry_option
@yes_option
def uninstall(system: bool, manager: str | None, dry_run: bool, yes: bool) -> None:
    """Stop the service and remove its file; the home stays as it is."""
    plan = plan_for(manager, system)
    if not plan.path.is_file():
        raise Failure(f"{masked(plan) or f'there is no {plan.path}'}; nothing to uninstall.")
    click.echo(f"would run:    {_commands(plan.uninstall)}")
    click.echo(f"would remove: {plan.path}")
    click.echo(f"would keep:   {home_path()}")
    if dry_run or not _agreed(yes):
        note("nothing was changed.")
        return
    _require_native(plan)
    for command in plan.uninstall:
        _run(command)
    plan.path.unlink()
    for command in plan.forget:
        _run(command)
    click.echo(f"removed: {plan.path}")


@service.command()
@system_option
@manager_option
@json_option
def status(system: bool, manager: str | None, as_json: bool) -> None:
    """Show whether the service is installed, up to date and running. Exit code 3: it is not."""
    plan = plan_for(manager, system)
    installed, forbidden = plan.path.is_file(), masked(plan)
    current = installed and plan.path.read_text("utf-8", "replace") == plan.text
    running = installed and _runs(plan)
    if as_json:
        emit(
            {
                "manager": plan.manager,
                "file": str(plan.path),
                "installed": installed,
                "masked": forbidden is not None,
                "upToDate": current,
                "running": running,
            }
        )
    else:
        click.echo(f"manager    {plan.manager}")
        lacks = "" if installed else " (not there)" if forbidden is None else " (masked)"
        click.echo(f"file       {plan.path}{lacks}")
        click.echo(f"service    {'running' if running else 'not running'}")
        if installed and not current:
            note("the file differs from what this version would write: xswarm service install")
    if forbidden is not None:
        raise NotRunning(f"{forbidden}, then `xswarm service install`.")
    if not installed:
        raise NotRunning("the service is not installed; `xswarm service install` does that.")
    if not running:
        raise NotRunning(f"the service does not run; see `{shlex.join(plan.state)}`.")


def plan_for(manager: str | None, system: bool) -> Plan:
    """The service of this interpreter and this home. Raises Failure."""
    program = Program(
        python=Path(sys.executable),
        folders=_folders(),
        home=home_path(),
        chosen=bool(os.environ.get("XSWARM_HOME", "").strip()),
    )
    return units.plan(manager or units.native(), program, os.environ, os.getuid(), system=system)


def masked(plan: Plan) -> str | None:
    """Where the owner told systemd never to start it: that, and the command that takes it back."""
    if plan.manager != "systemd" or os.path.realpath(plan.path) != os.devnull:
        return None
    command = shlex.join((*plan.state[:-2], "unmask", units.NAME))
    return f"the service is masked ({plan.path} is a link to {os.devnull}): `{command}` allows it"


def _folders() -> tuple[Path, ...]:
    """All that is read to run us: package, environment, and the Python it was made from."""
    package = Path(__file__).parents[3]
    found: list[Path] = []
    for folder in (package, Path(sys.prefix), Path(sys.base_prefix)):
        if not any(folder.is_relative_to(other) for other in found):
            found.append(folder)
    return tuple(found)


def _show(plan: Plan, there: str | None) -> None:
    if there is None:
        click.echo(f"would write {plan.path}:\n")
        click.echo(plan.text)
    elif there == plan.text:
        click.echo(f"already there, and the same: {plan.path}")
    else:
        click.echo(f"would change {plan.path}:\n")
        lines = there.splitlines(True), plan.text.splitlines(True)
        click.echo("".join(difflib.unified_diff(*lines, "now", "then", n=1)))
    click.echo(f"would run: {_commands(plan.install)}")


def _commands(commands: tuple[tuple[str, ...], ...]) -> str:
    return " && ".join(shlex.join(command) for command in commands)


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not interactive():
        note("`--yes` does it without asking.")
        return False
    return click.confirm("Do that?", err=True)


def _require_native(plan: Plan) -> None:
    if plan.manager != units.native():
        raise Failure(f"{plan.manager} is not this platform's service manager; nothing was done.")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.chmod(0o644)
    fresh.replace(path)


def _put_back(path: Path, there: str | None) -> None:
    """Without a manager a service could not be uninstalled again."""
    if there is None:
        path.unlink()
    else:
        _write(path, there)


def _run(command: tuple[str, ...]) -> None:
    """Raises Failure with the command and what it said last."""
    said, code = _said(command)
    if code:
        last = said.strip().splitlines()
        raise Failure(
            f"`{shlex.join(command)}` failed ({code}): {last[-1] if last else 'it said nothing'}. "
            "Mend that and run the same again; it starts over."
        )


def _runs(plan: Plan) -> bool:
    try:
        return _said(plan.state)[1] == 0
    except Failure:
        return False


def _said(command: tuple[str, ...]) -> tuple[str, int]:
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise Failure(f"there is no `{command[0]}` on this machine.") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"`{shlex.join(command)}` did not end in {_SECONDS:g} s.") from error
    return done.stdout + done.stderr, done.returncode
