"""`xswarm backup`: checked copies of both databases, and their way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from freeloader.cli.lifecycle import RunFiles
from freeloader.cli.shell import Failure, emit, home_path, json_option, note, own_path
from freeloader.clock import SystemClock


@click.command()
@click.argument("folder", required=False, metavar="[FOLDER]")
@click.option(
    "--restore",
    "source",
    metavar="COPY",
    help="Put a copy (a file, or a folder's newest) in place; daemon stopped.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="With --restore: allow paid calls although later spending is not known.",
)
@json_option
def backup(folder: str | None, source: str | None, accept_loss: bool, as_json: bool) -> None:
    """Copy ledger and journal to FOLDER (the home's `backups`), checked; the daemon may run.

    Keys of providers are not in the databases, and not in the copies.
    """
    if folder is not None and source is not None:
        raise click.UsageError("FOLDER is for new copies; --restore names the copy itself.")
    if accept_loss and source is None:
        raise click.UsageError("--accept-loss goes with --restore.")
    if source is not None and not source.strip():
        raise click.UsageError("COPY is empty; name a file, or a folder of copies.")
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


def _copy(home: Path, folder: str | None) -> dict[str, Any]:
    from freeloader.store.mending import backup as copying

    if folder is not None and not folder.strip():
        raise click.UsageError("FOLDER is empty; leave it out for the home's `backups`.")
    if not (home / "freeloader.db").exists():
        raise Failure(f"there is no ledger in {home} yet; the first start makes it.")
    target = _folder(home / "backups" if folder is None else own_path(folder).absolute())
    note("copying, and checking the copies …")
    copies = copying.backup(home / "freeloader.db", home / "journal.db", target, stamp())
    return {"copies": [str(path) for path in copies]}


def _folder(target: Path) -> Path:
    """The folder for copies, made if need be. Raises Failure for what can be none."""
    why = "it is not writable for this user"
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        why = "it is a link to nothing" if target.is_symlink() else "it is no folder"
    except OSError as error:
        why = str(error.strerror or error)
    else:
        if os.access(target, os.W_OK | os.X_OK):
            return target
    raise Failure(f"{target} cannot take copies: {why}; name another: xswarm backup FOLDER")


def _restore(home: Path, source: str, accept_loss: bool) -> dict[str, Any]:
    from freeloader.store.mending import backup as copying

    with alone(home, "restore"):
        copy = copying.find(own_path(source).absolute())
        if (ledger := home / "freeloader.db").exists() and copy[0].samefile(ledger):
            raise Failure(f"{copy[0]} is the ledger in place, and no copy of it; name a copy.")
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
