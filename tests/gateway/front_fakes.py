"""A whole front on loopback with scripted collaborators: no provider, no child, no sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from freeloader.clock import Instant
from freeloader.core.events import Delta, End, Fault, Usage
from freeloader.core.model import Account, Caller, Deployment, Level, Model, Profile, Provider
from freeloader.core.snapshot import UNMEASURED
from freeloader.errors import FreeloaderError, NotFound
from freeloader.gateway.counting import Counts
from freeloader.gateway.guards.body import BodyLimits
from freeloader.gateway.server import Running, build_app, serve
from freeloader.gateway.services import Services
from freeloader.gateway.surfaces.sse import StreamLimits
from freeloader.money import Meters, Price

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


def answer(text: str = "hi", **extra: Any) -> dict[str, Any]:
    """A chat answer as a lane hands it over."""
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 5,
        "model": "groq/small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        **extra,
    }


def piece(delta: Mapping[str, Any], finish: str | None = None, **extra: Any) -> dict[str, Any]:
    """A stream chunk as a lane hands it over."""
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "groq/small",
        "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
        **extra,
    }


USAGE = Usage(
    Meters(requests=1, input=9, output=3),
    raw={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
)
JSON_SCRIPT = (Delta(answer(), True), USAGE, End("stop"))
SSE_SCRIPT = (
    Delta(piece({"role": "assistant", "content": ""}), False),
    Delta(piece({"content": "he"}), True),
    Delta(piece({"content": "llo"}), True),
    Delta(piece({}, "stop"), False),
    USAGE,
    End("stop"),
)


class FakeRun:
    """Plays a script: how often ``first`` says "not yet", then an error or events."""

    def __init__(self, plan: Script) -> None:
        self.decision_id = "d-1"
        self._plan = plan
        self._waits = plan.waits
        self.abandoned = asyncio.Event()
        self.ended = False

    async def first(self, timeout: float) -> bool:
        if self._waits:
            self._waits -= 1
            return False
        if self._plan.error is not None:
            raise self._plan.error
        if self._plan.hang:
            await asyncio.Event().wait()
        return True

    def headers(self) -> dict[str, str]:
        return {
            "X-Freeloader-Decision-Id": self.decision_id,
            "X-Freeloader-Provider": "groq",
            "X-Freeloader-Model": "groq/small",
            "X-Freeloader-Strategy": "balanced",
            "X-Freeloader-Reason": "it is – free",
            "X-Freeloader-Attempts": "1",
        }

    def routing(self) -> dict[str, Any]:
        return {"provider": "groq", "model": "groq/small", "attempts": 1, "alternatives": []}

    def accounting(self) -> dict[str, Any]:
        assert self.ended, "accounting is asked for before the run ended"
        return {
            "tokensIn": 9,
            "tokensOut": 3,
            "costUsd": 0.0,
            "latencyMs": 12,
            "quotaUsed": {"requests": 1},
            "estimated": False,
        }

    def budget(self) -> dict[str, Any]:
        return {"dailySpent": 0.0, "dailyRemaining": 5.0, "projectSpent": None}

    async def events(self) -> AsyncIterator[Delta | Usage | End | Fault]:
        for event in self._plan.events:
            if isinstance(event, FreeloaderError):
                raise event
            if event is HANG:
                await asyncio.Event().wait()
            yield event  # type: ignore[misc]
        self.ended = True

    def abandon(self) -> None:
        self.abandoned.set()


HANG = object()


@dataclass
class Script:
    """What the next runs do."""

    events: Sequence[Any] = JSON_SCRIPT
    waits: int = 0
    error: FreeloaderError | None = None
    hang: bool = False


@dataclass
class FakePipeline:
    script: Script = field(default_factory=Script)
    profiles: list[Profile] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    runs: list[FakeRun] = field(default_factory=list)
    broken: Exception | None = None

    async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile:
        return profile

    def begin(self, profile: Profile, caller: Caller, request_id: str) -> FakeRun:
        if self.broken is not None:
            raise self.broken
        self.profiles.append(profile)
        self.callers.append(caller)
        self.ids.append(request_id)
        run = FakeRun(self.script)
        self.runs.append(run)
        return run

    def explain(self, profile: Profile, caller: Caller) -> dict[str, Any]:
        self.profiles.append(profile)
        return {"winner": "groq@0/small", "candidates": []}


GROQ = Provider("groq", "Groq", "cloud", "active", "groq", "openai", "https://groq.example")
LOCAL = Provider("ollama", "Ollama", "local", "active", "ollama", "openai", "http://127.0.0.1:1")
SMALL = Model(
    "small", "groq", "small", intelligence=3.5, speed=8.0, context=8192, free=True,
    capabilities=frozenset({"streaming", "tools"}), price=Price(150_000, 600_000),
)  # fmt: skip
BIG = Model("org/big", "groq", "big", intelligence=None, context=131072, free=True)
TINY = Model("tiny", "ollama", "tiny", intelligence=1.8)


def house(*models: tuple[Provider, Model, str]) -> dict[str, Deployment]:
    out = {}
    for provider, model, tier in models:
        account = Account(provider.id, 0, tier=tier)
        name = f"{account.name}/{model.id}"
        out[name] = Deployment(name, provider, account, model, name, provider.base_url)
    return out


@dataclass
class FakeBooks:
    deployments: dict[str, Deployment] = field(
        default_factory=lambda: house(
            (GROQ, SMALL, "free"), (GROQ, BIG, "paid"), (LOCAL, TINY, "free")
        )
    )
    pauses: dict[str, Any] = field(default_factory=dict)
    quotas: dict[str, Any] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    resets: list[tuple[str | None, int | None]] = field(default_factory=list)
    stopped: bool = True
    spent_known: bool = True
    no_money: str | None = None

    def quota_alerts(self, now: Instant) -> list[dict[str, Any]]:
        return [{"type": "quota_near", "message": "requests per 1d: 9 of 10 used", "at": "",
                 "window": "groq@0|requests|1d|"}]  # fmt: skip

    def reset(self, provider: str | None, idx: int | None, now: Instant) -> int:
        self.resets.append((provider, idx))
        return 3

    def health(self, deployment: str) -> Any:
        return UNMEASURED

    def paused(self, deployment: Deployment, now: float) -> Any:
        return self.pauses.get(deployment.id)

    def strain(self, deployment: Deployment, expected: Meters, need: float, now: float) -> None:
        return None

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Any:
        return self.quotas.get(deployment.id)

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> None:
        return None

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]:
        self.asked.append(project)
        span = {"limit": 5.0, "softLimit": None, "spent": 1.0, "held": 0.0, "remaining": 4.0,
                "requests": 7, "resetsAt": "2026-11-21T00:00:00.000Z"}  # fmt: skip
        coming = {"monthlyAtCurrentRate": 1.0, "exhaustedAt": None}
        return {"daily": span, "monthly": span, "projects": {}, "alerts": [], "projection": coming}

    async def confirm_spike(self, now: Instant) -> bool:
        stopped, self.stopped = self.stopped, False
        return stopped

    def windows_view(self, now: Instant) -> list[dict[str, Any]]:
        return [
            {"provider": "groq", "account": 0, "model": None, "metric": "requests",
             "window": "1m", "limit": 30, "used": 0, "held": 0, "remaining": 30,
             "resetsAt": None, "confidence": "high", "source": ""},
            {"provider": "groq", "account": 0, "model": "small",
             "metric": "requests", "window": "1d", "limit": 1000, "used": 10, "held": 0,
             "remaining": 9, "resetsAt": "2026-11-21T00:00:00.000Z", "confidence": "high",
             "source": "https://groq.example"},
        ]  # fmt: skip


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
