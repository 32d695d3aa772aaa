"""`xswarm export`: requests with their routing decisions, as a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import note

FORMATS = ("csv", "jsonl", "parquet")
#: A line on standard error about every so many rows; at once on a terminal.
SAID_ROWS = 20_000


@click.command()
@click.option("--format", "shape", type=click.Choice(FORMATS), default="jsonl", show_default=True,
              help="Of the file.")  # fmt: skip
@click.option("--from", "since", metavar="TIME", help="From this date or time on, e.g. 2026-11-01.")
@click.option("--to", "until", metavar="TIME", help="Before this time, or to the end of this date.")
@click.option("--project", metavar="NAME", help="Only this project's.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write here instead of to standard output.")  # fmt: skip
def export(
    shape: str, since: str | None, until: str | None, project: str | None, output: Path | None
) -> None:
    """Write requests with their routing decisions, tokens and costs as CSV, JSON lines or Parquet.

    Prompts and answers are in it only where [logging] save_prompts and
    save_responses keep them.
    """
    if shape == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for a terminal; name a file: --output FILE.parquet")
    query = {"from": since, "to": until, "project": project,
             "format": "csv" if shape == "csv" else "jsonl"}  # fmt: skip
    with _target(output) as file:
        if shape == "parquet":
            count = _parquet(query, file)
        else:
            count = _download(query, file.write, skip=shape == "csv")
    note(f"{count} request{'' if count == 1 else 's'} written{f' to {output}' if output else ''}.")


def _download(query: dict[str, Any], write: Callable[[bytes], Any], *, skip: bool = False) -> int:
    """How many rows came; ``skip``: the first line is no row."""
    count, said = (-1 if skip else 0), 0
    expected = 0
    for expected, piece in online().download("/v1/export", query):
        write(piece)
        # A text in a row has no bare line feed in JSON; in CSV it may, so that is an estimate.
        count += piece.count(b"\n")
        if count - said >= SAID_ROWS or (sys.stderr.isatty() and count > said + 500):
            said = count
            _progress(count, expected)
    if sys.stderr.isatty() and said:
        click.echo("\r\033[K", nl=False, err=True)
    return expected if skip and count > expected else max(0, count)


def _progress(count: int, expected: int) -> None:
    share = f" of about {expected} ({min(99, 100 * count // expected)} %)" if expected else ""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{count}{share} requests …", nl=False, err=True)
    else:
        note(f"{count}{share} requests …")


def _parquet(query: dict[str, Any], file: IO[bytes]) -> int:
    """By way of a file of lines, so that no more than a piece is in memory."""
    # Heavy, and only here.
    import polars

    from freeloader.manage.reports.rows import COLUMNS

    types = {"whole": polars.Int64(), "number": polars.Float64(), "flag": polars.Boolean()}
    with TemporaryDirectory(prefix="xswarm-export-") as folder:
        lines, done = Path(folder) / "lines", Path(folder) / "parquet"
        with lines.open("wb") as spool:
            texts = [name for name, kind in COLUMNS.items() if kind == "json"]
            count = _download(query, _flattened(spool, texts))
        schema = {name: types.get(kind, polars.String()) for name, kind in COLUMNS.items()}
        if count:
            polars.scan_ndjson(lines, schema=schema).sink_parquet(done)
        else:
            polars.DataFrame(schema=schema).write_parquet(done)
        with done.open("rb") as made:
            while piece := made.read(1 << 20):
                file.write(piece)
    return count


def _flattened(spool: IO[bytes], columns: list[str]) -> Callable[[bytes], None]:
    """Writes lines on with the objects in ``columns`` as text: a column has one type."""
    import json

    rest = b""

    def write(piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            row = json.loads(line)
            for name in columns:
                if row[name] is not None:
                    row[name] = json.dumps(row[name], ensure_ascii=False)
            spool.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")

    return write


@contextmanager
def _target(output: Path | None) -> Iterator[IO[bytes]]:
    """The file, only its owner's, complete or not there at all; or standard output."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(output.name + ".part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        part.replace(output)
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise
