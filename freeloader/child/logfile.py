"""The child's output: a file rotated by size, and the last lines in memory.

No time stamps are added. Whole lines go through ``scrub``: the child is given
keys with its requests, and what LiteLLM prints of a failure is not ours to know.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path

TAIL_LINES = 20
_LINE_CHARS = 500
_UNFINISHED_BYTES = 65_536
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class LogFile:
    """Appends bytes to ``path`` (0600); at ``max_bytes`` it becomes ``path.1``, and so on."""

    def __init__(
        self,
        path: Path,
        max_bytes: int = 5_000_000,
        keep: int = 3,
        scrub: Callable[[str], str] = str,
    ) -> None:
        self.scrub = scrub
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._stream: FileIO | None = None
        self._size = 0
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = ""
        self._unfinished = b""

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        rest = self._unfinished.decode("utf-8", "replace")
        rest = self.scrub(self._rest + rest)[:_LINE_CHARS]
        return (*self._tail, rest)[-TAIL_LINES:] if rest else tuple(self._tail)

    def write(self, data: bytes) -> None:
        """Append; an unfinished line waits for its end. Raises OSError where the disk does."""
        data = self._unfinished + data
        end = len(data) if len(data) > _UNFINISHED_BYTES else data.rfind(b"\n") + 1
        self._unfinished = data[end:]
        if end:
            self._append(self.scrub(data[:end].decode("utf-8", "replace")).encode())

    def close(self) -> None:
        rest, self._unfinished = self._unfinished, b""
        if rest and self._stream is not None:
            with contextlib.suppress(OSError):  # a full disk: closing is all that is left to do
                self._append(self.scrub(rest.decode("utf-8", "replace")).encode())
        self._end()

    def _append(self, data: bytes) -> None:
        self._remember(data)
        if self._stream is None:
            self._open()
        elif self._size + len(data) > self._max_bytes:
            self._rotate()
        assert self._stream is not None
        self._size += self._stream.write(data) or 0

    def _end(self) -> None:
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
        self._end()
        for number in range(self._keep - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._open()
