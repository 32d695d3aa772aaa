"""The sockets: one loopback listener for all pretend providers and the control API.

``/{provider}{base}/{operation}`` as at the real ones, e.g. ``/groq/openai/v1/chat/completions``.
Refuses to listen anywhere but on loopback.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from freeloader.simulator.config import Config, ProviderSpec
from freeloader.simulator.faults import Fault
from freeloader.simulator.profiles import default_config, registry_document
from freeloader.simulator.service.control import Control
from freeloader.simulator.service.engine import Engine
from freeloader.simulator.service.exchange import Exchange
from freeloader.simulator.service.extras import Extras
from freeloader.simulator.service.record import Record
from freeloader.simulator.wire.anthropic import Messages
from freeloader.simulator.wire.base import Wire
from freeloader.simulator.wire.ollama import OllamaChat, OllamaGenerate
from freeloader.simulator.wire.openai import Chat, Completions

_MAX_BODY = 64 * 1024 * 1024
_STOP_SECONDS = 1.0
_WIRES: dict[str, Wire] = {"/chat/completions": Chat(), "/completions": Completions()}
_ANTHROPIC: dict[str, Wire] = {"/messages": Messages()}
_OLLAMA: dict[str, Wire] = {"/api/chat": OllamaChat(), "/api/generate": OllamaGenerate()}


class Dispatcher:
    """Finds the provider and the operation of a request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._control = Control(engine)
        self._extras = Extras(engine)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/_sim/"):
            return await self._control.answer(request, path[6:])
        spec, rest = self._provider(path)
        engine = self._engine
        record = Record(
            id=engine.next_id(),
            at=engine.now(),
            method=request.method,
            path=path,
            headers={str(name): value for name, value in request.headers.items()},
            key=key_of(request),
            provider=spec.name if spec else None,
        )
        engine.log.append(record)
        raw = await request.read()
        record.keep(raw)
        if spec is None:
            return _not_found(record, request, engine)
        tail = operation(spec, rest)
        wire = wire_for(spec, tail, rest) if request.method == "POST" else None
        if wire is not None:
            return await Exchange(engine, request, spec, record).run(wire, raw)
        response = await self._extras.answer(request, spec, record, tail, rest, raw)
        return _not_found(record, request, engine) if response is None else response

    def _provider(self, path: str) -> tuple[ProviderSpec | None, str]:
        name, _, rest = path[1:].partition("/")
        specs, root = self._engine.specs, self._engine.config.root
        if name in specs:
            return specs[name], "/" + rest
        return (specs.get(root), path) if root is not None else (None, path)


def operation(spec: ProviderSpec, rest: str) -> str | None:
    """The path below a provider's base (``/chat/completions``); None if no base fits."""
    for base in sorted(spec.bases, key=len, reverse=True):
        if "{" not in base:
            if rest.startswith(base + "/"):
                return rest[len(base) :]
            continue
        parts, given = base.split("/"), rest.split("/")
        fits = all(a == b or a.startswith("{") for a, b in zip(parts, given, strict=False))
        if fits and len(given) > len(parts):
            return "/" + "/".join(given[len(parts) :])
    return None


def wire_for(spec: ProviderSpec, tail: str | None, rest: str) -> Wire | None:
    """The API shape of a path: OpenAI's everywhere, the provider's own where it has one."""
    if spec.style == "ollama" and rest in _OLLAMA:
        return _OLLAMA[rest]
    if tail is None:
        return None
    if spec.style == "anthropic" and tail in _ANTHROPIC:
        return _ANTHROPIC[tail]
    return _WIRES.get(tail)


def key_of(request: web.BaseRequest) -> str:
    """The key of a request, wherever a provider looks for it; empty for none."""
    headers = request.headers
    given = headers.get("Authorization", "")
    if given[:7].lower() == "bearer ":
        return given[7:].strip()
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if name in headers:
            return headers[name].strip()
    return ""


class Running:
    """A simulator that is listening. ``engine`` gives tests everything; the rest is shorthand."""

    def __init__(self, runner: web.ServerRunner, engine: Engine, host: str, port: int) -> None:
        self._runner = runner
        self.engine = engine
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """``http://host:port``, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def provider_url(self, name: str) -> str:
        """A provider's base URL, as a client would be given it."""
        return f"{self.url}/{name}{self.engine.specs[name].bases[0]}"

    def registry_document(self, *names: str) -> dict[str, Any]:
        """The registry entries of these providers (default: the first run's) at this address."""
        chosen = {"names": names} if names else {}
        return registry_document(self.url, providers=self.engine.specs, **chosen)

    def fault(self, data: Mapping[str, Any] | Fault | None = None, **fields: Any) -> dict[str, Any]:
        """Adds a fault, e.g. ``fault(provider="groq", kind="500", count=3)``. Raises ValueError."""
        return self.engine.add_fault(
            data if isinstance(data, Fault) else {**(data or {}), **fields}
        )

    def put_provider(self, name: str, data: Mapping[str, Any]) -> ProviderSpec:
        """Defines or alters a provider. Raises ValueError."""
        return self.engine.put_provider(name, data)

    def bill(self, provider: str | None = None) -> dict[str, Any]:
        return self.engine.bill.as_dict(provider)

    def requests(self, provider: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        return self.engine.requests(provider, limit)

    def state(self) -> dict[str, Any]:
        return self.engine.state()

    def reset(self) -> None:
        self.engine.reset()

    def advance(self, seconds: float) -> float:
        """Moves the simulator's clock forward, so that windows reset. Raises ValueError."""
        return self.engine.advance(seconds)

    async def stop(self) -> None:
        """Stops listening; requests in flight (hangs among them) are cut off."""
        await self._runner.cleanup()


async def serve(host: str = "127.0.0.1", port: int = 0, config: Config | None = None) -> Running:
    """Starts a simulator on a loopback address; port 0 takes any free one.

    Raises ValueError for an address that is not loopback, OSError for a taken port.
    """
    if host == "localhost":
        host = "127.0.0.1"
    if not _is_loopback(host):
        raise ValueError(f"the simulator listens on loopback only, not on {host!r}")
    engine = Engine(config or default_config())
    loop = asyncio.get_running_loop()

    def make_request(
        message: RawRequestMessage, payload: StreamReader, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY
        )

    server = web.Server(
        Dispatcher(engine).handle,
        request_factory=make_request,
        handler_cancellation=True,
        access_log=None,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return Running(runner, engine, host, runner.addresses[0][1])


def _not_found(record: Record, request: web.BaseRequest, engine: Engine) -> web.Response:
    record.status, record.ended_at = 404, engine.now()
    message = f"Unknown request URL: {request.method} {request.path}"
    error = {"message": message, "type": "invalid_request_error", "code": "unknown_url"}
    body = {"error": {**error, "param": None}}
    return web.Response(status=404, body=orjson.dumps(body), content_type="application/json")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
