"""Reads one document from the web, and nothing that a stranger could make it read.

Only http(s), only public addresses unless the owner wrote a private one, checked
where the connection is made, so that a name cannot change its mind in between.
Redirects are followed a few times, each under the same rules. Size and time are
bounded. It sends no key, stores nothing, and knows no format.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from freeloader import trust
from freeloader.errors import UpstreamFailed

#: A registry of all providers is some 300 KB; awesome lists and pricing pages are below 2 MB.
BYTES_MAX = 16 * 1024 * 1024
SECONDS_MAX = 30.0
REDIRECTS_MAX = 4
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Page:
    """``status`` is 200, or 304 with an empty body. ``url`` is where it was found in the end."""

    status: int
    body: bytes
    url: str
    etag: str | None = None
    kind: str = ""


class Web:
    """One owner's view of the web: ``given`` are addresses that the owner wrote down.

    A given address may be private, and stays on its host then.
    """

    def __init__(self, *, most_bytes: int = BYTES_MAX, seconds: float = SECONDS_MAX) -> None:
        self._most_bytes, self._seconds = most_bytes, seconds

    async def get(self, url: str, *, etag: str | None = None, given: bool = False) -> Page:
        """The document at ``url``. Raises UpstreamFailed in words an owner understands."""
        headers = {"User-Agent": "xswarm-freeloader", "Accept-Encoding": "gzip, deflate"}
        if etag:
            headers["If-None-Match"] = etag
        try:
            async with asyncio.timeout(self._seconds):
                private_host = await self._private_host(url) if given else None
                return await self._follow(url, headers, private_host)
        except TimeoutError:
            raise _failed(url, f"was not read in {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            refused = _refusal_in(problem)
            # The client's own messages may quote what they should not: the kind is enough.
            raise _failed(url, refused or f"cannot be read ({type(problem).__name__})") from None

    async def _private_host(self, url: str) -> str | None:
        """The host of an address that the owner wrote, where that host is a private one."""
        host = urlsplit(url).hostname
        if host is None:
            return None
        try:
            found = await _addresses(host, urlsplit(url).port or 0)
        except OSError:
            return None  # the request itself says so
        return host if any(not public(address) for address in found) else None

    async def _follow(self, url: str, headers: Mapping[str, str], private_host: str | None) -> Page:
        resolver = _Guard(private_host)
        # Always with certificates: whoever is asked may send us on to an address that needs them.
        believed = await asyncio.to_thread(trust.system)
        connector = aiohttp.TCPConnector(
            resolver=resolver, limit=2, use_dns_cache=False, ssl=believed
        )
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as web:
            for _ in range(REDIRECTS_MAX + 1):
                self._check(url, private_host)
                async with web.get(url, headers=headers, allow_redirects=False) as answer:
                    target = answer.headers.get("Location")
                    if answer.status in (301, 302, 303, 307, 308) and target:
                        url = self._next(url, urljoin(url, target), private_host)
                        continue
                    return await self._read(answer, url)
        raise _failed(url, f"redirects more than {REDIRECTS_MAX} times")

    def _check(self, url: str, private_host: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _failed(url, "is not an http(s) address")
        if parts.username is not None or parts.password is not None:
            raise _failed(url, "has a name or password in it; that is not sent")
        try:
            literal = ip_address(parts.hostname)
        except ValueError:
            return  # a name: the resolver decides
        if parts.hostname != private_host and not public(literal):
            raise _failed(url, "is a private address; only one that you wrote yourself is read")

    def _next(self, url: str, target: str, private_host: str | None) -> str:
        if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
            raise _failed(url, "redirects from https to something else")
        if private_host is not None and urlsplit(target).hostname != private_host:
            raise _failed(url, "is private and redirects to another host")
        return target

    async def _read(self, answer: aiohttp.ClientResponse, url: str) -> Page:
        if answer.status == 304:
            return Page(304, b"", url)
        if answer.status != 200:
            raise _failed(url, f"answers {answer.status}")
        if (answer.content_length or 0) > self._most_bytes:
            raise _failed(url, f"is larger than {self._most_bytes >> 20} MB")
        body = bytearray()
        # Counted after unpacking, so that a bomb is as large as it is.
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._most_bytes:
                raise _failed(url, f"is larger than {self._most_bytes >> 20} MB")
        return Page(
            200, bytes(body), url, answer.headers.get("ETag", "")[:256] or None, answer.content_type
        )


class _Refused(OSError):
    """A name that stands for a private address."""


class _Guard(AbstractResolver):
    """Resolves names, and refuses those that stand for a private address."""

    def __init__(self, private_host: str | None) -> None:
        self._private_host = private_host

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await _addresses(host, port)
        if host != self._private_host:
            found = [address for address in found if public(address)]
        if not found:
            raise _Refused("stands for a private address; only one that you wrote is read")
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def _addresses(host: str, port: int) -> list[IPv4Address | IPv6Address]:
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(row[4][0]).partition("%")[0]) for row in rows))


def public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody means the same machine by it."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return public(inner)
    return address.is_global and not address.is_multicast


def _refusal_in(problem: BaseException | None) -> str | None:
    """Our own refusal inside the client's error, if that is what it was."""
    while problem is not None:
        if isinstance(problem, _Refused):
            return str(problem)
        problem = problem.__cause__ or getattr(problem, "os_error", None)
    return None


def _failed(url: str, why: str) -> UpstreamFailed:
    return UpstreamFailed(f"{_place(url)} {why}.")


def _place(url: str) -> str:
    """An address as it may be shown: without query, name and password."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "The address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:200]
