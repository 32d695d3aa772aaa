"""From a feed's publication to an answer of the new model, under traffic; and to the owner's mail.

Real daemon, child and simulator, a feed on loopback, a real mail server and a real
webhook receiver.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from farm import House, Simulator, free_port, model, pretend, provider, running, until
from rush import Ask, Rush

from freeloader.discovery import signing

PRICED = {"input": 1.0, "output": 2.0}
PRIVATE = signing.new_private()


class Feed:
    """Serves a signed document; also takes webhooks."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.hooks: list[dict[str, Any]] = []
        feed = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = feed.files.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                feed.hooks.append(json.loads(raw))
                self.send_response(200)
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/registry.json"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, version: str, models: dict[str, Any], key: str = PRIVATE) -> None:
        document = {"version": version, "providers": {n: {"models": m} for n, m in models.items()}}
        raw = json.dumps(document).encode()
        self.files = {"/registry.json": raw, "/registry.json.sig": signing.sign(raw, key)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Post:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content.decode("utf-8", "replace"))
        return "250 OK"


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    made.close()


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    yield made
    made.controller.stop()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    simulator = Simulator(
        tmp_path,
        pretend({"alpha": {"one": {"free": True}, "fresh": {"free": True}},
                 "gold": {"ingot": {"pricing": PRICED}}}),
    )  # fmt: skip
    made = House(tmp_path / "home")
    made.xswarm("init")
    made.overlay("market", {"version": "2026.11.20", "providers": {
        "alpha": provider(f"{simulator.url}/alpha/v1", {"one": model("ones")}),
        "gold": provider(f"{simulator.url}/gold/v1",
                         {"ingot": model("ingots", free=False, pricing=PRICED)}),
    }})  # fmt: skip
    made.xswarm("account", "add", "alpha", "-", stdin="key-a\n")
    made.xswarm("account", "add", "gold", "-", "--tier", "paid", stdin="key-g\n")
    with running(made):
        yield made
    simulator.stop()


def settings(house: House, feed: Feed, *keys: str) -> None:
    wanted = {"discovery": {"registry": {"url": feed.url, "keys": list(keys)}}}
    status, _, answer = house.call("POST", "/v1/config", wanted, role="admin")
    assert status == 200, answer


def look(house: House) -> str:
    answer = house.call("POST", "/v1/jobs/registry/run", {}, role="admin")[2]
    return str(answer["lastResult"])


def proposals(house: House, state: str = "pending") -> dict[str, dict[str, Any]]:
    rows = house.get(f"/v1/discovery/proposals?state={state}")["proposals"]
    return {f"{row['kind']} {row['provider']}/{row['subject']}": row for row in rows}


def hold_of(house: House) -> float:
    body = {"model": "gold/ingot", "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 100}  # fmt: skip
    shown = house.call("POST", "/v1/router/debug", body)[2]
    return float(shown["winner"]["holdUsd"])


def test_from_publication_to_the_models_answer(house: House, feed: Feed, post: Post) -> None:
    house.xswarm("notify", "add", "hook", "-", stdin=f"json://127.0.0.1:{feed.port}/hook\n")
    mail = f"mailto://127.0.0.1:{post.controller.port}/?from=a@b.example&to=me@b.example"
    house.xswarm("notify", "add", "mail", "-", stdin=f"{mail}\n")
    cheap = hold_of(house)

    # A feed that nobody trusted signed is refused, and says so.
    feed.publish("2026.12.01", {"gold": {"ingot": {"pricing": {**PRICED, "output": 0.0}}}},
                 signing.new_private())  # fmt: skip
    settings(house, feed, signing.public_of(PRIVATE))
    assert "not by a key in discovery.registry.keys" in look(house)
    assert proposals(house) == {}

    dearer = {"input": 1.0, "output": 20.0}
    feed.publish("2026.12.01", {
        "alpha": {"fresh": model("freshes")},
        "gold": {"ingot": {"pricing": dearer}},
    })  # fmt: skip
    began = time.monotonic()
    assert "new: 1 new_model, 1 pricing_change" in look(house)
    waiting = proposals(house)
    print(f"from publication to proposal: {time.monotonic() - began:.2f} s after the run began")
    assert set(waiting) == {"new_model alpha/fresh", "pricing_change gold/ingot"}
    price = waiting["pricing_change gold/ingot"]
    assert (price["before"]["pricing"]["output"], price["after"]["pricing"]["output"]) == (2, 20)

    # While it waits, the budget reckons with the dearer price.
    assert hold_of(house) > 5 * cheap

    # The accepted model answers through the real child, and no other request fails.
    async def accept(rush: Rush) -> None:
        path = f"/v1/discovery/proposals/{waiting['new_model alpha/fresh']['id']}/approve"
        status, _, row = await asyncio.to_thread(house.call, "POST", path, {}, role="admin")
        assert (status, row["state"]) == (200, "applied")
        answered = await asyncio.to_thread(
            until, lambda: house.chat("hi", model="alpha/fresh")[0] == 200, 60, "fresh answers"
        )
        assert answered
        await asyncio.sleep(3)

    mix = (Ask("alpha/one"), Ask("alpha/one", stream=True))
    seen = asyncio.run(Rush(house, mix, 20).run(accept))
    assert seen.failures == [], seen.complaints()
    assert len(seen.told) > 60

    # A no ends the caution; undoing takes the model away again.
    house.xswarm("discover", "reject", price["id"])
    assert hold_of(house) == pytest.approx(cheap)
    house.xswarm("discover", "undo", waiting["new_model alpha/fresh"]["id"])
    # Its provider still lists it, but nobody says any more that it is free.
    assert house.chat("hi", model="alpha/fresh")[0] == 422
    assert "nothing new" in look(house)
    feed.publish("2026.11.30", {})
    assert "older than 2026.12.01" in look(house)

    # The owner was told: once per channel for what came together.
    until(lambda: len(post.mails) >= 1 and feed.hooks, 60, "mail and webhook arrived")
    for name in ("gold/ingot", "alpha/fresh"):
        assert sum(name in mail for mail in post.mails) == 1
        assert sum(name in json.dumps(hook) for hook in feed.hooks) == 1
    before = len(post.mails)
    assert "hook: sent" in house.xswarm("notify", "test", "hook")
    assert "This is a test" in feed.hooks[-1]["message"]
    assert len(post.mails) == before
