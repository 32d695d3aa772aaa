"""`xswarm logs`: the last lines of a log, and what is added; works with the daemon stopped too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from freeloader.cli import daemon, lifecycle
from freeloader.cli.shell import Failure, emit, home_path, json_option

FILES = {"daemon": "freeloader.log", "child": "litellm.log", "console": daemon.CONSOLE}


@click.command()
@click.option(
    "--tail",
    "count",
    type=click.IntRange(0, 100_000),
    default=50,
    show_default=True,
    help="How many of the last lines.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option(
    "--source",
    type=click.Choice(sorted(FILES)),
    default="daemon",
    show_default=True,
    help="The daemon's log, LiteLLM's, or what a background daemon printed.",
)
@json_option
def logs(count: int, follow: bool, source: str, as_json: bool) -> None:
    """Show the last log lines; works with the daemon stopped too.

    With --json and -f each line is a JSON value of its own.
    """
    path = home_path() / "logs" / FILES[source]
    if not path.exists() and not follow:
        raise Failure(f"there is no {path} yet; the daemon writes it: xswarm start --daemon")
    follower = Follower(path)
    last = daemon.tail(path, count)
    if as_json and not follow:
        emit({"file": str(path), "lines": [_line(line) for line in last]})
        return
    for line in last:
        click.echo(json.dumps(_line(line), ensure_ascii=False) if as_json else line)
    rest = ""
    while follow:
        lifecycle.pause(0.2)
        if not as_json:
            click.echo(follower.more(), nl=False)
            continue
        *whole, rest = (rest + follower.more()).split("\n")
        for line in whole:
            click.echo(json.dumps(_line(line), ensure_ascii=False))


def _line(text: str) -> Any:
    """A log line for programs: an object where the daemon logs JSON, else its text."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, Mapping) else text


class Follower:
    """Reads what is added to a log, across rotation (a new file of the same name) and emptying."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position, self._inode = self._end()

    def more(self) -> str:
        """What came since the last call; at most 1 MB at a time."""
        size, inode = self._end()
        if inode != self._inode:
            last = self._last_of_the_former()
            if last:
                return last
            self._position, self._inode = 0, inode
        if size < self._position:
            self._position = 0
        return "" if size == self._position else self._read(self._path)

    def _last_of_the_former(self) -> str:
        """What the file that was rotated away got after the last look."""
        former = self._path.with_name(f"{self._path.name}.1")
        size, inode = self._end(former)
        return self._read(former) if inode == self._inode and size > self._position else ""

    def _read(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                file.seek(self._position)
                text = file.read(1024 * 1024)
        except FileNotFoundError:
            return ""
        self._position += len(text)
        return text.decode("utf-8", "replace")

    def _end(self, path: Path | None = None) -> tuple[int, int]:
        try:
            found = (path or self._path).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_size, found.st_ino
