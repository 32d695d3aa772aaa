"""What is not inference: model lists, embeddings, quota endpoints, local servers' lists."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from freeloader.simulator.bill import Entry
from freeloader.simulator.config import ModelSpec, ProviderSpec
from freeloader.simulator.quota import Claim, Pass
from freeloader.simulator.service.delivery import HOUR, drop
from freeloader.simulator.service.engine import Engine
from freeloader.simulator.service.failing import failure
from freeloader.simulator.service.record import Record
from freeloader.simulator.wire import listings
from freeloader.simulator.wire.base import BadRequestError, model_of
from freeloader.simulator.wire.openai import embeddings
from freeloader.simulator.wire.refusals import Refusal, Scene, refuse, refuse_breach


class Extras:
    """The side doors of all pretend providers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(
        self,
        request: web.BaseRequest,
        spec: ProviderSpec,
        record: Record,
        tail: str | None,
        rest: str,
        raw: bytes,
    ) -> web.StreamResponse | None:
        """None where the provider has no such path. Model lists take ``on: models`` faults."""
        scene = self._scene(spec, record)
        fault = self._engine.faults.pick(spec.name, None, record.key, "models")
        if fault is not None:
            record.fault = fault.kind
            if fault.kind in ("hang", "slow"):
                await asyncio.sleep(HOUR if fault.seconds is None else fault.seconds)
            if fault.kind in ("hang", "reset"):
                return drop(request, reset=fault.kind == "reset")
            told = failure(fault, scene, spec)
            if told is not None:
                return self._told(record, told)
        account = self._engine.account_of(spec, record.key)
        if account is None and not (spec.style == "openrouter" and tail == "/models"):
            return self._told(record, refuse(scene, "bad_key" if record.key else "no_key"))
        if request.method == "POST" and tail == "/embeddings":
            return self._embed(request, spec, record, account or "", raw)
        payload = self._payload(request.method, spec, account or "", tail, rest, raw)
        if payload is None:
            return None
        if isinstance(payload, Refusal):
            return self._told(record, payload)
        return self._told(record, Refusal(200, {}, payload, "ok"))

    def _payload(
        self, method: str, spec: ProviderSpec, account: str, tail: str | None, rest: str, raw: bytes
    ) -> Any:
        if spec.style == "ollama":
            found = self._ollama(method, spec, rest, raw)
            if found is not None:
                return found
        if method != "GET" or tail is None:
            return None
        if tail == "/models":
            if spec.style == "lm_studio" and rest.startswith("/api/v0"):
                return listings.lm_studio_models(spec)
            return listings.models(spec)
        if tail in ("/key", "/auth/key") and spec.style == "openrouter":
            return listings.openrouter_key(self._views(spec, account))
        if tail.startswith("/models/"):
            model = self._engine.model_of(spec, tail[8:])
            known = [m for m in listings.models(spec)["data"] if model and m["id"] == model.id]
            scene = Scene(spec.style, tail[8:], account, "", self._engine.now())
            return known[0] if known else refuse(scene, "no_model")
        return None

    def _ollama(self, method: str, spec: ProviderSpec, rest: str, raw: bytes) -> Any:
        if method == "GET":
            tags = listings.ollama_tags(spec)
            return {"/api/tags": tags, "/api/ps": tags, "/api/version": {"version": "0.13.0"}}.get(
                rest
            )
        if rest != "/api/show":
            return None
        body = orjson.loads(raw or b"{}")
        name = str(body.get("model") or body.get("name") or "")
        model = self._engine.model_of(spec, name)
        scene = Scene(spec.style, name, "local", "", self._engine.now())
        return refuse(scene, "no_model") if model is None else listings.ollama_show(model)

    def _views(self, spec: ProviderSpec, account: str) -> list[Any]:
        """The account's windows as a free model sees them, else as any model does."""
        gate, now = self._engine.gate(spec), self._engine.now()
        free = [m for m in spec.models.values() if m.free] or list(spec.models.values())
        model = free[0] if free else ModelSpec("none")
        return gate.views(Claim(model, account, "", 0, 0, None), now)

    def _embed(
        self, request: web.BaseRequest, spec: ProviderSpec, record: Record, account: str, raw: bytes
    ) -> web.Response:
        engine, scene = self._engine, self._scene(spec, record)
        try:
            body = orjson.loads(raw)
            name = model_of(body) if isinstance(body, dict) else ""
            record.model = name
            answer, tokens = embeddings(name, body)
        except (orjson.JSONDecodeError, BadRequestError, AttributeError) as error:
            told = refuse(scene, "bad_request", detail=str(error))
            return self._booked(record, spec, account, told, None, 0)
        model = engine.model_of(spec, name)
        scene = self._scene(spec, record)
        if model is None:
            return self._booked(record, spec, account, refuse(scene, "no_model"), None, 0)
        gate, now = engine.gate(spec), engine.now()
        passed = gate.admit(Claim(model, account, request.remote or "", tokens, 0, None), now)
        if not isinstance(passed, Pass):
            return self._booked(record, spec, account, refuse_breach(scene, passed), None, 0)
        gate.settle(passed, tokens, 0, 0, model.rates.cost(tokens, 0, 0), now)
        return self._booked(record, spec, account, Refusal(200, {}, answer, ""), model, tokens)

    def _booked(
        self,
        record: Record,
        spec: ProviderSpec,
        account: str,
        told: Refusal,
        model: ModelSpec | None,
        tokens: int,
    ) -> web.Response:
        pico = model.rates.cost(tokens, 0, 0) if model is not None else 0
        self._engine.bill.add(
            Entry(
                id=record.id, at=record.at, provider=spec.name, key=record.key, account=account,
                model=record.model or "", state="refused" if model is None else "accepted",
                reason=told.kind, input=tokens, picodollars=pico,
            )
        )  # fmt: skip
        return self._told(record, told)

    def _scene(self, spec: ProviderSpec, record: Record) -> Scene:
        account = self._engine.account_of(spec, record.key) or record.key
        return Scene(spec.style, record.model or "", account, record.key, self._engine.now())

    def _told(self, record: Record, told: Refusal) -> web.Response:
        record.status, record.ended_at = told.status, self._engine.now()
        body = told.body
        raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
        headers = {"content-type": "application/json", **told.headers}
        return web.Response(status=told.status, body=b"" if body is None else raw, headers=headers)
