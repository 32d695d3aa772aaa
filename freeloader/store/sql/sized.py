"""How statements for many rows at once are written. From constants, when the house starts.

Nothing that comes from outside becomes a part of a statement here.
"""

from __future__ import annotations

#: Rows of one statement, the most first: each execution hands the interpreter's lock over and
#: back, which is dear where an event loop needs it all the time.
_SIZES = (32, 8, 1)
Sized = tuple[tuple[int, str], ...]
"""A statement for so many rows, by their number; parameters by their place."""


def inserting(table: str, columns: tuple[str, ...], conflict: str) -> Sized:
    row = f"({', '.join('?' * len(columns))})"
    return tuple(
        (
            size,
            f"INSERT INTO {table}({', '.join(columns)}) VALUES {', '.join([row] * size)} "  # noqa: S608 - of constants, once
            f"ON CONFLICT({columns[0]}) DO {conflict}",
        )
        for size in _SIZES
    )


def putting(table: str, columns: tuple[str, ...], fixed: int = 1) -> Sized:
    """Written in full, or over what is there under the same id, but for ``fixed`` columns."""
    grown = ", ".join(f"{name} = excluded.{name}" for name in columns[fixed:])
    return inserting(table, columns, f"UPDATE SET {grown}")
