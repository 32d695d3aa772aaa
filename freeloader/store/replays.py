"""First answers, kept so that a request that is sent again is not done again.

A name is taken before anything is done and stays taken, also across a restart: what
became of a request that a dead process had begun is not known here. Answers come
sealed; nothing here can read them. Which file: the journal's, which may grow.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from freeloader.store.file import DatabaseFile
from freeloader.store.sql import past

#: All kept answers together; the oldest go first.
KEPT_BYTES_MAX = 256 * 2**20
_LOOK_EVERY_BYTES = KEPT_BYTES_MAX // 64


@dataclass(frozen=True, slots=True)
class Replay:
    """What is known of a name. ``state``: ``running`` or ``kept``; ``print`` the body's digest.

    ``boot`` is the process that took it. ``answer`` is sealed; None where it was too large.
    """

    name: str
    print: str
    at: float
    boot: str
    state: str = "running"
    answer: bytes | None = None


class Replays:
    """See the module. Every write is committed when it returns; times are wall seconds.

    All methods raise Unavailable (``ledger_unavailable``) where the file does.
    """

    def __init__(self, file: DatabaseFile, bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._file = file
        self._bytes_max = bytes_max
        self._fresh = _LOOK_EVERY_BYTES  # looked over with the first answer after a start

    async def take(self, replay: Replay, since: float) -> Replay | None:
        """Takes the name. None: it was free; else who had it, not longer ago than ``since``."""

        def piece(conn: sqlite3.Connection) -> Replay | None:
            # A clock that was ahead for a while leaves rows that would be there for that long.
            conn.execute(past.REPLAYS_AHEAD, {"now": replay.at})
            conn.execute(past.REPLAYS_OLD, {"since": since})
            params = {"name": replay.name, "print": replay.print, "at": replay.at}
            if conn.execute(past.REPLAY_TAKE, {**params, "boot": replay.boot}).rowcount == 1:
                return None
            row = conn.execute(past.REPLAY_GET, {"name": replay.name}).fetchone()
            return Replay(**{name: row[name] for name in Replay.__slots__})

        return await self._file.submit(piece)

    async def keep(self, name: str, boot: str, answer: bytes | None) -> None:
        """The first answer is known."""
        self._fresh += len(answer or b"")
        look = self._fresh >= _LOOK_EVERY_BYTES
        if look:
            self._fresh = 0

        def piece(conn: sqlite3.Connection) -> None:
            size = len(answer or b"")
            params = {"name": name, "boot": boot, "answer": answer, "bytes": size}
            conn.execute(past.REPLAY_KEEP, params)
            if look:
                conn.execute(past.REPLAYS_TOO_MANY, {"bytes": self._bytes_max})

        await self._file.submit(piece)

    async def free(self, name: str, boot: str) -> None:
        """It came to nothing and consumed nothing: whoever comes next may try."""

        def piece(conn: sqlite3.Connection) -> None:
            conn.execute(past.REPLAY_FREE, {"name": name, "boot": boot})

        await self._file.submit(piece)
