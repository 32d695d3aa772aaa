"""One worker process of a generation: started, watched, spoken to, ended.

It decides nothing. Start it from the main thread: the parent-death signal
fires when the thread that started the process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from freeloader.child.listener import OwnConnector
from freeloader.child.places import vacate

if TYPE_CHECKING:
    import psutil

_READ_BYTES = 65536
_PUMP_SECONDS = 1.0
#: The child's header lines are under 8,190 bytes; no answer of it may ever break parsing.
_LINE_BYTES = 64 * 1024
#: aiohttp keeps up to twice as much of an answer that nobody reads on.
_AHEAD_BYTES = 8 * 1024


class Worker:
    """``in_flight`` counts the leases on it, ``leased`` all there ever were; ``exited`` is its
    exit code once it has one.

    ``heard`` grows whenever it answers anything.
    """

    def __init__(self, generation: int, index: int, socket: Path) -> None:
        self.generation = generation
        self.index = index
        self.socket = socket
        self.master_key = "sk-" + secrets.token_urlsafe(32)
        self.in_flight = self.leased = 0
        self.heard = 0
        self.exited: int | None = None
        self.last_line = ""
        self._process: Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._pump: asyncio.Task[None] | None = None
        self._psutil: psutil.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def session(self) -> aiohttp.ClientSession:
        """An HTTP client bound to this worker's socket, process and key; unbounded connections."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                "http://child",
                connector=OwnConnector(str(self.socket), lambda: self.pid, keepalive_timeout=60),
                headers={
                    "Authorization": f"Bearer {self.master_key}",
                    "Accept-Encoding": "identity",
                },
                timeout=aiohttp.ClientTimeout(total=None, connect=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_AHEAD_BYTES,
                max_line_size=_LINE_BYTES,
                max_field_size=_LINE_BYTES,
            )
        return self._session

    async def spawn(
        self,
        command: tuple[str, ...],
        environ: Mapping[str, str],
        cwd: Path,
        orders: Mapping[str, object],
        log: Callable[[bytes], None],
    ) -> None:
        """Start the process and hand it its orders through its standard input. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=dict(environ), cwd=cwd
        )
        self._process = process
        assert process.stdin is not None
        given = {**orders, "parent": os.getpid(), "masterKey": self.master_key}
        # uvloop raises where it has ended meanwhile: that is for ``wait`` to tell, like any end.
        with suppress(RuntimeError, OSError):
            process.stdin.write(json.dumps(given).encode() + b"\n")
        self._pump = asyncio.create_task(self._copy_output(process, log))

    async def wait(self) -> int:
        """Until it has ended and its last words are read; its exit code (negative: a signal)."""
        assert self._process is not None
        code = await self._process.wait()
        self.exited = code
        if self._pump is not None:
            await asyncio.wait({self._pump}, timeout=_PUMP_SECONDS)
        return code

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return  # it ended just now: its exit is on the way

    def usage(self) -> tuple[int, float] | None:
        """Resident bytes, and percent of one core since the last call; None if it is gone."""
        if self.pid is None or self.exited is not None:
            return None
        import psutil

        try:
            if self._psutil is None:
                self._psutil = psutil.Process(self.pid)
            with self._psutil.oneshot():
                return self._psutil.memory_info().rss, self._psutil.cpu_percent()
        except psutil.Error:
            return None

    async def close(self) -> None:
        """Free what is left after its end: connections, the pipe's reader, the socket's place."""
        if self._session is not None:
            await self._session.close()
        if self._pump is not None:
            self._pump.cancel()
        vacate(self.socket)

    async def _copy_output(self, process: Process, log: Callable[[bytes], None]) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(_READ_BYTES):
            lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
            if lines:
                self.last_line = lines[-1].strip()[:300]
            log(data)
