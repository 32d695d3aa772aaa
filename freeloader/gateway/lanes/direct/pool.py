"""Connections to providers: kept, bounded per provider, dropped when the machine has slept.

One pool per provider and address, so that a provider that hangs cannot take the
connections of another. Redirects are the caller's to refuse; cookies are not kept, no
proxy is found in the environment, certificates are checked. Nothing is sent here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from freeloader.core.model import EMPTY
from freeloader.gateway.lanes.direct.limits import LINE_BYTES, LINES_MAX, READ_BYTES
from freeloader.gateway.lanes.direct.wire import BadHead, Connector, Response, Wire
from freeloader.gateway.limits import within
from freeloader.trust import Trust

#: Calls at one provider at a time; more wait for the connect limit, then they are refused.
CALLS_MAX = 256
#: Shorter than the 60–75 s after which providers close idle connections.
KEEPALIVE_S = 15.0
_NAMES_TTL_S = 60
_POOLS_MAX = 512


class Full(Exception):
    """All connections of this provider are in use, and none came free in time."""


class Pools:
    """All pools, by provider and origin. ``proxies``: ``https_proxy`` and the like, as given."""

    def __init__(self, proxies: Mapping[str, str] = EMPTY, calls_max: int = CALLS_MAX) -> None:
        self._proxies = {name.lower(): value for name, value in proxies.items()}
        self._calls_max = calls_max
        self._pools: dict[tuple[str, str, str], Pool] = {}
        self._trust = Trust()

    def of(self, provider: str, url: str) -> Pool:
        """The pool for calls of ``provider`` at the address of ``url``."""
        parts = urlsplit(url)  # which remembers
        key = (provider, parts.scheme, parts.netloc)
        pool = self._pools.get(key)
        if pool is None:
            self._make_room()
            secure = parts.scheme == "https"
            proxy = proxy_for(url, self._proxies) if secure else None
            trust = self._trust if secure else None
            pool = self._pools[key] = Pool(trust, proxy, self._calls_max)
        return pool

    def renew(self) -> None:
        """Uses none of the kept connections again: after a sleep they may be dead and not say so.

        Calls that run keep theirs.
        """
        for pool in self._pools.values():
            pool.renew()

    async def close(self) -> None:
        """Closes everything, also under calls that run."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.close()

    def _make_room(self) -> None:
        """Forgets pools that are not in use, the oldest first, where there are very many."""
        if len(self._pools) < _POOLS_MAX:
            return
        for key, pool in list(self._pools.items()):
            if pool.calls == 0:
                pool.renew()
                del self._pools[key]
                return


class Pool:
    """The connections to one provider at one address."""

    def __init__(self, trust: Trust | None, proxy: str | None, calls_max: int) -> None:
        self._trust = trust
        self._proxy = proxy
        self._calls_max = calls_max
        self._line: deque[asyncio.Future[None]] = deque()
        self._promised = 0  # places of those who were called and are not there yet
        self._kept: Kept | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.calls = 0

    async def enter(self, patience: float) -> Kept:
        """Takes a place for one call, which is the caller's to ``leave``: the way to send it by.

        Raises Full where there is none within ``patience`` seconds.
        """
        if self._line or self.calls + self._promised >= self._calls_max:
            await self._wait_for_room(patience)
        self.calls += 1
        try:
            context = await self._trust.context() if self._trust is not None else None
        except BaseException:
            self.leave(None)
            raise
        kept = self._kept = self._kept or Kept(context, self._proxy)
        kept.calls += 1
        return kept

    def leave(self, kept: Kept | None) -> None:
        self.calls -= 1
        if self._line:
            self._call_next()
        if kept is not None:
            kept.calls -= 1
            if kept is not self._kept and kept.calls == 0:
                self._discard(kept)

    async def _wait_for_room(self, patience: float) -> None:
        """Until somebody who leaves calls this one. Raises Full."""
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            with within(patience):
                await turn
        except BaseException as problem:
            if turn.done() and not turn.cancelled():  # called, and not able to come any more
                self._promised -= 1
                self._call_next()
            if isinstance(problem, TimeoutError):
                raise Full from None
            raise
        self._promised -= 1

    def _call_next(self) -> None:
        """Whose turn it is, if anybody waits; who gave up is passed over."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                self._promised += 1
                turn.set_result(None)
                return

    def renew(self) -> None:
        """The next call opens a connection of its own."""
        kept, self._kept = self._kept, None
        if kept is not None and kept.calls == 0:
            self._discard(kept)

    async def close(self) -> None:
        if self._kept is not None:
            self._discard(self._kept)
            self._kept = None
        if self._closing:
            await asyncio.wait(set(self._closing))

    def _discard(self, kept: Kept) -> None:
        task = asyncio.create_task(kept.session.close(), name="close connections")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class Way(Protocol):
    """How a call in its place is sent."""

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, limits: aiohttp.ClientTimeout
    ) -> Response:
        """See ``Wire.post``."""
        ...


class Kept:
    """One set of kept connections, and how many calls use it."""

    def __init__(self, context: ssl.SSLContext | None, proxy: str | None) -> None:
        self.calls = 0
        self._proxy = proxy
        connector = Connector(
            limit=0,  # the pool counts itself: waiting here would look like a slow provider
            keepalive_timeout=KEEPALIVE_S,
            ttl_dns_cache=_NAMES_TTL_S,
            ssl=context if context is not None else True,
        )
        self._wire = Wire(connector)
        self.session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=LINES_MAX,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, limits: aiohttp.ClientTimeout
    ) -> Response:
        """By the wire itself; through a proxy as aiohttp does it."""
        if self._proxy is None:
            return await self._wire.post(url, headers, body, limits)
        response = await self.session.post(
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=self._proxy,
            timeout=limits,
        )
        if not 200 <= response.status < 600:
            response.close()
            raise BadHead("no status")
        return response


def proxy_for(url: str, proxies: Mapping[str, str]) -> str | None:
    """The proxy that the owner's environment names for this address, if any.

    For https alone: through a tunnel a proxy sees no key. Nothing on this machine or in
    its network is asked for through one.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = proxies.get("https_proxy") or proxies.get("all_proxy") or ""
    if parts.scheme != "https" or not named.startswith(("http://", "https://")):
        return None
    direct = _near(host) or _excepted(host, proxies.get("no_proxy", ""))
    return None if direct else named


def _excepted(host: str, listed: str) -> bool:
    """True where ``no_proxy`` names the host, or a domain that it is in."""
    names = [name.strip().lstrip(".").lower() for name in listed.split(",")]
    return any(n in ("*", host) or host.endswith(f".{n}") for n in names if n)


def _near(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return bool(address.is_loopback or address.is_private or address.is_link_local)
