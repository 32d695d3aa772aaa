"""A web on loopback that misbehaves on request, and what a source needs besides."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from freeloader.clock import Instant

NOON = 1_795_608_000.0  # 2026-11-25T12:00:00Z


@dataclass
class FakeClock:
    wall: float = NOON

    def now(self) -> Instant:
        return Instant(self.wall, self.wall)


@dataclass
class Facts:
    """The ledger's small facts, and the audit."""

    kept: dict[str, str] = field(default_factory=dict)
    audited: list[Any] = field(default_factory=list)

    async def meta_get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def meta_set(self, key: str, value: str) -> None:
        self.kept[key] = value

    async def audit(self, row: Any) -> None:
        self.audited.append(row)


class Said:
    """A job's progress."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)


class Site:
    """``pages`` by path: bytes, or a handler. Counts who asked for what."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Callable[[web.Request], Any]] = {}
        self.asked: list[str] = []
        self.base = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        page = self.pages.get(request.path)
        if page is None:
            return web.Response(status=404)
        if callable(page):
            return await page(request)
        tag = f'"{hash(page)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=page, headers={"ETag": tag})


async def huge(request: web.Request) -> web.StreamResponse:
    """200 MB, chunked, so that no length warns of it."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(200):
        await response.write(b"x" * 1_048_576)
    return response


async def bomb(request: web.Request) -> web.StreamResponse:
    """Small on the wire, 64 MB unpacked."""
    packed = gzip.compress(b"0" * (64 << 20))
    return web.Response(body=packed, headers={"Content-Encoding": "gzip"})


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte now and then, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(10_000):
        await response.write(b"x")
        await asyncio.sleep(0.02)
    return response


def redirect(target: str) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    return answer
