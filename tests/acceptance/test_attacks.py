"""Attacks on the running house that once succeeded, or would cost most if they did."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from farm import House, Simulator, until
from planted import plant

PAID = {"model": "gold/ingot", "max_tokens": 40}
KEY = plant("key-gold")


def _settled(house: House, simulator: Simulator) -> tuple[float, float]:
    """What the ledger has spent today, and what the providers have billed, once all is quiet."""
    until(lambda: not simulator.state()["running"], 20, "the simulator is idle")
    until(lambda: house.get("/v1/budget")["daily"]["held"] == 0, 20, "nothing is held")
    billed = simulator.bill()["totals"]["picodollars"] / 1e12
    return house.get("/v1/budget")["daily"]["spent"], billed


def test_calls_that_share_a_request_id_are_each_paid(house: House, simulator: Simulator) -> None:
    spent, billed = _settled(house, simulator)

    def one(number: int) -> int:
        body = {**PAID, "messages": [{"role": "user", "content": f"number {number}"}]}
        named = {"X-Request-Id": "the-same"}
        return house.call("POST", "/v1/chat/completions", body, headers=named)[0]

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(one, range(6))) == {200}
    after, bill = _settled(house, simulator)
    assert bill - billed > 0
    assert after - spent == pytest.approx(bill - billed, rel=1e-6)


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 200])
def test_k1_a_key_that_a_provider_quotes_stays_here(
    house: House, simulator: Simulator, status: int
) -> None:
    error = {"error": {"message": f"no good: {KEY} is what you sent", "code": KEY}}
    quoting = {"status": status, "body": error, "headers": {"x-key": KEY}}
    for stream in (False, True):
        simulator.fault("gold", "reply", **quoting)
        said = house.chat(**PAID, stream=stream)
        simulator.calm()
        house.call("POST", "/v1/free-tiers/reset", {"provider": "gold"}, role="admin")
        assert "no good" in json.dumps(said[2])
        assert KEY not in json.dumps(said)
    assert KEY not in json.dumps(house.get("/v1/decisions"))
    files: list[Path] = [p for p in house.home.rglob("*") if p.is_file()]
    assert [p for p in files if KEY.encode() in p.read_bytes()] == []


def _leave(house: House, stream: bool, after: float | str) -> None:
    """Sends a paid request, and goes away: after so many seconds, or once so much has come."""
    body = {**PAID, "max_tokens": 200, "stream": stream}
    body["messages"] = [{"role": "user", "content": "a long story " * 10}]
    raw = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {house.key()}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", house.port)) as there:
        there.sendall(head.encode() + raw)
        there.settimeout(after if isinstance(after, float) else 10)
        got = b""
        try:
            while not isinstance(after, str) or after.encode() not in got:
                piece = there.recv(4096)
                if not piece:
                    return
                got += piece
        except TimeoutError:
            return


def test_leaving_at_any_moment_is_never_cheaper_than_the_bill(
    house: House, simulator: Simulator
) -> None:
    simulator.fault("gold", "slow", seconds=0.5, count=12)
    spent, billed = _settled(house, simulator)
    moments: list[float | str] = [0.001, 0.02, 0.1, 0.3, "HTTP/1.1", "finish_reason"]
    leavers = [
        threading.Thread(target=_leave, args=(house, stream, after))
        for stream in (False, True)
        for after in moments
    ]
    for leaver in leavers:
        leaver.start()
    for leaver in leavers:
        leaver.join(30)
    after, bill = _settled(house, simulator)
    assert bill > billed
    assert after - spent >= bill - billed - 1e-12


def test_fifty_at_once_do_not_overspend_a_hard_budget(house: House, simulator: Simulator) -> None:
    status, _, first = house.chat(**PAID)
    assert status == 200
    before = house.get("/v1/budget")["daily"]["spent"]
    limit = round(before + 5 * first["usage"]["costUsd"] + 2e-4, 9)
    budget: Any = {"budget": {"hard": {"daily": limit}}}
    assert house.call("POST", "/v1/config", budget, role="admin")[0] == 200
    try:
        _, billed = _settled(house, simulator)
        with ThreadPoolExecutor(50) as pool:
            said = list(pool.map(lambda i: house.chat(f"n {i}", **PAID, maxWait=2000), range(50)))
        assert {status for status, _, _ in said} <= {200, 402, 429}
        assert any(status == 200 for status, _, _ in said)
        after, bill = _settled(house, simulator)
        assert after <= limit
        assert bill - billed <= limit - before
    finally:
        budget["budget"]["hard"]["daily"] = None
        assert house.call("POST", "/v1/config", budget, role="admin")[0] == 200
