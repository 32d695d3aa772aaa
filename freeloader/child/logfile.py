"""The child's output: a file rotated by size, and the last lines in memory.

No time stamps are added and nothing is filtered: the child holds no secret that
it could print.
"""

from __future__ import annotations

import os
import re
from collections import deque
from io import FileIO
from pathlib import Path

TAIL_LINES = 20
_LINE_CHARS = 500
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class LogFile:
    """Appends bytes to ``path`` (0600); at ``max_bytes`` it becomes ``path.1``, and so on."""

    def __init__(self, path: Path, max_bytes: int = 5_000_000, keep: int = 3) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._stream: FileIO | None = None
        self._size = 0
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = ""

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return (*self._tail, self._rest)[-TAIL_LINES:] if self._rest else tuple(self._tail)

    def write(self, data: bytes) -> None:
        """Append. Raises OSError where the disk does."""
        self._remember(data)
        if self._stream is None:
            self._open()
        elif self._size + len(data) > self._max_bytes:
            self._rotate()
        assert self._stream is not None
        self._size += self._stream.write(data) or 0

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _remember(self, data: bytes) -> None:
        text = self._rest + _COLOUR.sub("", data.decode("utf-8", "replace"))
        *lines, rest = text.split("\n")
        self._tail.extend(line[:_LINE_CHARS] for line in lines if line.strip())
        self._rest = rest[:_LINE_CHARS]

    def _open(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stream = FileIO(handle, "a")
        self._size = os.fstat(handle).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._open()
