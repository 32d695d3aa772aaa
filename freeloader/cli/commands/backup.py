"""`xswarm backup`: checked copies of both databases, and their way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from freeloader.cli.lifecycle import RunFiles
from freeloader.cli.shell import Failure, emit, home_path, json_option, note
from freeloader.clock import SystemClock


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[FOLDER]")
@click.option(
    "--restore",
    "source",
    type=click.Path(path_type=Path),
    metavar="COPY",
    help="Put a copy (a file, or a folder's newest) in place; daemon stopped.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="With --restore: allow paid calls although later spending is not known.",
)
@json_option
def backup(folder: Path | None, source: Path | None, accept_loss: bool, as_json: bool) -> None:
    """Copy ledger and journal to FOLDER (the home's `backups`), checked; the daemon may run.

    Keys of providers are not in the databases, and not in the copies.
    """
    home = home_path()
    if not home.is_dir():
        raise Failure(f"there is no home at {home}; make it: xswarm init")
    done = _restore(home, source, accept_loss) if source is not None else _copy(home, folder)
    if as_json:
        emit(done)
        return
    for path in done.get("copies", ()):
        click.echo(path)
    for path in done.get("kept", ()):
        note(f"what was there is now {path}")
    if source is not None:
        click.echo(f"restored from {done['from']}; {done['carried']} later rows were carried over.")
        if done["doubt"]:
            note(done["doubt"])


def stamp() -> str:
    """The time as part of a file's name: ``20261120T120000Z``."""
    return SystemClock().now().iso()[:19].replace("-", "").replace(":", "") + "Z"


def _copy(home: Path, folder: Path | None) -> dict[str, Any]:
    from freeloader.store.mending import backup as copying

    target = (folder or home / "backups").expanduser().absolute()
    if not (home / "freeloader.db").exists():
        raise Failure(f"there is no ledger in {home} yet; the first start makes it.")
    note("copying, and checking the copies …")
    copies = copying.backup(home / "freeloader.db", home / "journal.db", target, stamp())
    return {"copies": [str(path) for path in copies]}


def _restore(home: Path, source: Path, accept_loss: bool) -> dict[str, Any]:
    from freeloader.store.mending import backup as copying

    with alone(home, "restore"):
        copy = copying.find(source.expanduser().absolute())
        note(f"checking {copy[0].name}, and putting it in place …")
        done = copying.restore(
            copy, home / "freeloader.db", home / "journal.db", stamp(), accept_loss=accept_loss
        )
    return {
        "from": str(copy[0]),
        "journal": None if copy[1] is None else str(copy[1]),
        "kept": [str(path) for path in done.kept],
        "carried": done.carried,
        "doubt": done.doubt,
    }


@contextmanager
def alone(home: Path, what: str) -> Iterator[None]:
    """Keeps a daemon from starting meanwhile. Raises Failure where one runs."""
    files = RunFiles(home)
    if files.running() is not None:
        raise Failure(f"the daemon runs, and {what} needs its files: xswarm stop")
    lock = files.lock
    if not lock.acquire_soon(lambda: files.running() is not None, SystemClock()):
        raise Failure("the daemon is just starting or stopping; try again in a moment.")
    try:
        yield
    finally:
        lock.release()
