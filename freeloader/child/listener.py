"""Connections to a unix socket on which one process listens, and nobody else.

With each request goes the key that was made for that process. A stranger at its place gets
not one byte: connections are closed where the kernel names another process than expected.
It starts and ends no process. Where the system names nobody, the directory's mode has to do.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError

if TYPE_CHECKING:
    import asyncio

    from aiohttp import ClientRequest, ClientTimeout
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

#: macOS: ``SOL_LOCAL`` and ``LOCAL_PEERPID`` of ``sys/un.h``.
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2
#: Linux: pid, user and group.
_CREDENTIALS = struct.Struct("3i")


class OwnConnector(aiohttp.UnixConnector):
    """Unbounded connections to ``path``; ``pid`` tells which process has to listen there."""

    def __init__(self, path: str, pid: Callable[[], int | None], keepalive_timeout: float) -> None:
        super().__init__(path, limit=0, keepalive_timeout=keepalive_timeout)
        self._pid = pid

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout
    ) -> ResponseHandler:
        """Raises UnixClientConnectorError, as where nobody listens: nothing was sent."""
        made = await super()._create_connection(req, traces, timeout)
        try:
            found = None if made.transport is None else _listener(made.transport)
            if found is not None and found != self._pid():
                reason = f"process {found} listens there, which is not the child"
                raise OSError(errno.EPERM, reason)
        except OSError as error:  # or no descriptor is left to ask with
            made.close()
            raise UnixClientConnectorError(self.path, req.connection_key, error) from error
        return made


def _listener(transport: asyncio.BaseTransport) -> int | None:
    """The process that listens at the other end; None where the system does not tell."""
    if sys.platform not in ("linux", "darwin"):
        return None
    # A descriptor of its own: what event loops hand out for theirs cannot be asked.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
        if sys.platform == "darwin":
            return own.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID)
        raw = own.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(raw)[0]
    return pid
