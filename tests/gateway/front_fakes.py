"""A whole front on loopback with scripted collaborators: no provider, no child, no sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import aiohttp
from front_books import FakeBooks
from front_scripts import FakePipeline

from freeloader.clock import Instant
from freeloader.core.model import Caller, Level
from freeloader.errors import NotFound
from freeloader.gateway.counting import Counts
from freeloader.gateway.guards.body import BodyLimits
from freeloader.gateway.server import Running, build_app, serve
from freeloader.gateway.services import Services
from freeloader.gateway.surfaces.sse import StreamLimits

ADMIN, CLIENT, VIEWER, BOUND = "xs-admin", "xs-client", "xs-viewer", "xs-bound"
CALLERS = {
    ADMIN: Caller("k-admin", "admin"),
    CLIENT: Caller("k-client", "client"),
    VIEWER: Caller("k-viewer", "viewer"),
    BOUND: Caller("k-bound", "client", project="alpha", level=Level("key")),
}
HELLO = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
NOW = Instant(wall=1_763_640_000.0, mono=1000.0)


class StillClock:
    def now(self) -> Instant:
        return NOW


@dataclass(frozen=True)
class ServerPart:
    host: str = "127.0.0.1"
    allowed_hosts: Sequence[str] = ()
    cors_origins: Sequence[str] = ()
    body_bytes_max: int = 200_000
    request_seconds_max: float = 600


class Recorder:
    """Accounts, keys, settings, journal and jobs that remember what was asked of them."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.limits: dict[str, int] = {}
        self.child_state = "ready"
        self.decisions = {
            "d-alpha": {"id": "d-alpha", "project": "alpha"},
            "d-beta": {"id": "d-beta", "project": "beta"},
        }

    def _done(self, *call: Any) -> dict[str, Any]:
        self.calls.append(call)
        return {"did": call[0]}

    def authenticate(self, token: str) -> Caller | None:
        return CALLERS.get(token)

    def rate_limit(self, key_id: str) -> int | None:
        return self.limits.get(key_id)

    async def warnings(self) -> list[str]:
        return ["Groq has 2 accounts (groq@1, groq@2)"]

    async def list_accounts(self) -> list[dict[str, Any]]:
        return [{"provider": "groq", "idx": 0, "enabled": True},
                {"provider": "mistral", "idx": 0, "enabled": False}]  # fmt: skip

    async def add_account(self, body: Mapping[str, Any], actor: str) -> dict[str, Any]:
        self._done("add_account", dict(body), actor)
        return {"added": True, "provider": "groq", "idx": 1, "verified": True,
                "modelsAvailable": []}  # fmt: skip

    async def change_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], actor: str
    ) -> dict[str, Any]:
        if provider == "nobody":
            raise NotFound("no such account")
        return self._done("change_account", provider, idx, dict(changes), actor)

    async def remove_account(self, provider: str, idx: int, actor: str) -> dict[str, Any]:
        return self._done("remove_account", provider, idx, actor)

    async def test_account(self, provider: str, idx: int, actor: str) -> dict[str, Any]:
        return self._done("test_account", provider, idx, actor)

    async def list_keys(self) -> list[dict[str, Any]]:
        return [{"id": "k-admin", "role": "admin"}]

    async def create_key(self, body: Mapping[str, Any], actor: str) -> dict[str, Any]:
        self._done("create_key", dict(body), actor)
        return {"key": "xs-new", "id": "k-new"}

    async def revoke_key(self, key_id: str, actor: str) -> dict[str, Any]:
        return self._done("revoke_key", key_id, actor)

    async def show_config(self) -> dict[str, Any]:
        return {"routing": {"strategy": "balanced"}}

    async def change_config(self, changes: Mapping[str, Any], actor: str) -> dict[str, Any]:
        return self._done("change_config", dict(changes), actor)

    async def config_history(self, limit: int) -> list[dict[str, Any]]:
        self._done("config_history", limit)
        return []

    async def rollback_config(self, version: int, actor: str) -> dict[str, Any]:
        return self._done("rollback_config", version, actor)

    async def import_config(self, document: Mapping[str, Any], actor: str) -> dict[str, Any]:
        return self._done("import_config", dict(document), actor)

    async def list_decisions(
        self, *, project: str | None, limit: int, before: str | None, **only: Any
    ) -> list[dict[str, Any]]:
        self._done("list_decisions", project, limit, before)
        self.only = {name: value for name, value in only.items() if value is not None}
        return []

    async def analytics(self, period: str, project: str | None) -> dict[str, Any]:
        return self._done("analytics", period, project)

    async def usage(self, *asked: str | None) -> dict[str, Any]:
        return self._done("usage", *asked)

    async def audit(self, *asked: Any) -> dict[str, Any]:
        return self._done("audit", *asked)

    async def note(self, who: str, what: str, subject: str = "", **detail: Any) -> None:
        self._done("note", who, what, subject)

    async def get_decision(self, decision_id: str) -> dict[str, Any] | None:
        return self.decisions.get(decision_id)

    def list_jobs(self) -> list[dict[str, Any]]:
        return [{"name": "retention"}]

    async def run_now(self, name: str) -> dict[str, Any]:
        if name != "retention":
            raise NotFound(f"there is no job {name}")
        return self._done("run_now", name)

    async def listing(self, state: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        return [self._done("listing", state, limit)]

    async def show(self, number: int) -> dict[str, Any]:
        return self._done("show", number)

    async def approve(self, number: int, actor: str) -> dict[str, Any]:
        return self._done("approve", number, actor)

    async def reject(self, number: int, actor: str) -> dict[str, Any]:
        return self._done("reject", number, actor)

    async def undo(self, number: int, actor: str) -> dict[str, Any]:
        return self._done("undo", number, actor)

    async def add(self, name: str, address: str, actor: str) -> dict[str, Any]:
        return self._done("add_channel", name, address, actor)

    async def remove(self, name: str, actor: str) -> dict[str, Any]:
        return self._done("remove_channel", name, actor)

    async def shown(self) -> list[dict[str, Any]]:
        return []

    async def dry_run(self, models: Sequence[str] = ()) -> dict[str, Any]:
        return self._done("dry_run", tuple(models))

    async def run_of(self, models: Sequence[str]) -> str:
        self._done("run_of", tuple(models))
        return "3 of 3 answers"

    def states(self) -> list[dict[str, Any]]:
        return [{"name": "desk", "sent": 0, "lastSent": None, "problem": None}]

    async def test(self, name: str | None = None) -> list[dict[str, Any]]:
        return [self._done("test_channel", name)]

    def status(self) -> dict[str, Any]:
        return {"state": self.child_state, "pid": 7, "rssBytes": 1, "restarts": 0, "lastExit": None,
                "problem": "no certificate", "log": ["line of the child"]}  # fmt: skip


class House:
    """The front and everything behind it, for a test to script and to inspect."""

    def __init__(self) -> None:
        self.pipeline = FakePipeline()
        self.books = FakeBooks()
        self.owner = Recorder()
        self.server = ServerPart()
        self.counts = Counts()
        self.state = "ready"
        self.body_limits = BodyLimits()
        self.stream_limits = StreamLimits()
        self._ids = count(1)
        self.running: Running | None = None
        self.session: aiohttp.ClientSession | None = None

    def services(self) -> Services:
        return Services(
            pipeline=self.pipeline,
            books=self.books,
            accounts=self.owner,
            keys=self.owner,
            config=self.owner,
            journal=self.owner,
            feedback=self.owner,
            desk=self.owner,
            jobs=self.owner,
            proposals=self.owner,
            channels=self.owner,
            notifier=self.owner,
            benchmarks=self.owner,
            child=self.owner,
            clock=StillClock(),
            settings=lambda: self.server,
            state=lambda: self.state,
            new_id=lambda: f"req-{next(self._ids)}",
            version="0.1.0",
            started=Instant(NOW.wall - 60, NOW.mono - 60),
            simulated=lambda: True,
            problems=lambda: ["a.json: bad"],
            counts=self.counts,
            body_limits=self.body_limits,
            stream_limits=self.stream_limits,
        )

    @property
    def port(self) -> int:
        assert self.running is not None
        return self.running.port

    async def start(self) -> None:
        self.running = await serve(build_app(self.services()), "127.0.0.1", 0)
        self.session = aiohttp.ClientSession(self.running.url)

    async def stop(self) -> None:
        if self.session is not None:
            await self.session.close()
        if self.running is not None:
            await self.running.stop()

    @asynccontextmanager
    async def call(
        self, method: str, path: str, key: str | None = CLIENT, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self.session is not None
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        async with self.session.request(method, path, headers=headers, **options) as response:
            yield response

    async def ask(
        self,
        body: Any,
        path: str = "/v1/chat/completions",
        key: str | None = CLIENT,
        **options: Any,
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        async with self.call("POST", path, key, json=body, **options) as response:
            return response.status, await response.json(), response.headers

    async def get(
        self, path: str, key: str | None = ADMIN, **options: Any
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        async with self.call("GET", path, key, **options) as response:
            return response.status, await response.json(), response.headers

    async def raw(self, data: bytes) -> bytes:
        """Bytes over a bare socket, until the server closes; for what no client would send."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        answered = await reader.read()
        writer.close()
        return answered


def well_formed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The error object, after checking that it has exactly the contract's parts."""
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "code", "param", "decisionId", "details"}
    assert isinstance(error["message"], str)
    assert len(error["message"]) > 10
    return error
