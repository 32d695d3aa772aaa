"""Whom our own calls believe: the system's certificates (or ``SSL_CERT_FILE``), when needed.

Reading 150 of them takes 30 ms and 2 MB: it is done off the loop, and not at all for calls
that need none. Every client of ours says whom it believes: the daemon imports aiohttp so
that aiohttp itself knows of no certificate (``cli.importing``), and believes nobody.
"""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit


class Trust:
    """The same context for all who ask, read once."""

    def __init__(self) -> None:
        self._reading: asyncio.Task[ssl.SSLContext] | None = None
        self._read: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        if self._read is not None:
            return self._read
        if self._reading is None:
            self._reading = asyncio.create_task(asyncio.to_thread(system))
        self._read = await asyncio.shield(self._reading)
        return self._read


async def for_calls(*urls: str | None) -> ssl.SSLContext | bool:
    """What a connector's ``ssl`` has to be for a few calls to these; it is freed with them."""
    if any(urlsplit(url).scheme == "https" for url in urls if url):
        return await asyncio.to_thread(system)
    return True


def system() -> ssl.SSLContext:
    """What the system believes. Blocks."""
    places = ssl.get_default_verify_paths()
    if not (places.cafile or places.capath):
        import certifi  # some Pythons on macOS bring no certificates of their own

        return ssl.create_default_context(cafile=certifi.where())
    return ssl.create_default_context()
