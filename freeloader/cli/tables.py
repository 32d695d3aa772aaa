"""Rows for people: a table as wide as the terminal allows, else a few folded lines for each.

Where nobody looks (a pipe, a file) a table is as wide as it is; COLUMNS says otherwise.
What the rows mean is the commands'.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from freeloader.cli.shell import note

#: Prose in a cell is not folded to less than this.
_PROSE = 24
#: tabulate makes a column so much wider than its header.
_PADDING = 2
#: Below this width nothing is folded any more.
NARROWEST = 30


def columns() -> int:
    """How wide the terminal is (or COLUMNS says); 0: nobody looks at it."""
    return shutil.get_terminal_size((0, 0)).columns


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str], *, empty: str) -> None:
    """Prints rows under their headers, or ``empty`` on standard error where there are none."""
    listed = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not listed:
        note(empty)
        return
    for line in laid_out(listed, headers, columns()):
        click.echo(line)


def laid_out(rows: Sequence[Sequence[str]], headers: Sequence[str], wide: int) -> Iterator[str]:
    """The lines of a table, none longer than ``wide`` (0: as long as they are)."""
    if not wide or width_of(rows, headers) <= wide:
        yield from _table(rows, headers)
        return
    folded = _folded_prose(rows, headers, wide)
    if folded is not None:
        yield from _table(folded, headers)
        return
    for row in rows:
        yield from _block(row, headers, max(wide, NARROWEST))


def width_of(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> int:
    """How many columns a table of these needs."""
    return sum(_widths(rows, headers)) + 2 * (len(headers) - 1)


def fold(text: str, indent: str, wide: int) -> list[str]:
    """Lines of at most ``wide``, the first indented, the others a little more."""
    return textwrap.wrap(
        text, wide, initial_indent=indent, subsequent_indent=indent + "  ",
        break_on_hyphens=False, drop_whitespace=True, replace_whitespace=False,
    )  # fmt: skip


def _widths(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[int]:
    least = [" " * (len(header) + _PADDING) for header in headers]
    return [max(map(len, column)) for column in zip(*rows, least, strict=True)]


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[str]:
    from tabulate import tabulate

    whole = tabulate(rows, headers=list(headers), tablefmt="plain", disable_numparse=True)
    return [line.rstrip() for line in whole.split("\n")]


def _folded_prose(
    rows: Sequence[Sequence[str]], headers: Sequence[str], wide: int
) -> list[list[str]] | None:
    """The rows with their widest column of prose folded, where that is enough."""
    widths = _widths(rows, headers)
    prose = [at for at in range(len(headers)) if any(row[at].count(" ") > 1 for row in rows)]
    at = max(prose, key=lambda at: widths[at], default=None)
    if at is None:
        return None
    room = widths[at] - (width_of(rows, headers) - wide)
    if room < max(_PROSE, len(headers[at]) + _PADDING):
        return None
    return [
        [*row[:at], "\n".join(textwrap.wrap(row[at], room, break_on_hyphens=False)), *row[at + 1 :]]
        for row in rows
    ]


def _block(row: Sequence[str], headers: Sequence[str], wide: int) -> Iterator[str]:
    """One row on lines of its own: what it is of, then the rest by name, parted only between."""
    yield from fold(row[0] or "-", "", wide)
    line = ""
    for name, cell in zip(headers[1:], row[1:], strict=True):
        part = f"{name} {cell}".strip() if cell else ""
        if line and part and len(line) + len(part) + 5 > wide:
            yield from fold(line, "  ", wide)
            line = ""
        line = " · ".join(filter(None, (line, part)))
    yield from fold(line, "  ", wide)
