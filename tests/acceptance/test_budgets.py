"""Every budget × action × exhaustion over HTTP, races for the last dollar, prices set by hand.

One daemon, its real child and the simulator. Limits are changed while it runs, so each
case also shows that a change takes effect on the next request.
"""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farm import House, Simulator, until
from market import PAID, open_, race, rules

ACTIONS = ("warn", "downgrade", "local-only", "block")
_NUMBERS = itertools.count()

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Simulator]]:
    with open_(tmp_path_factory.mktemp("market")) as found:
        status, _, body = found[0].chat("first", model=PAID, max_tokens=50)
        assert status == 200, body
        yield found


@pytest.fixture
def house(market: tuple[House, Simulator]) -> House:
    return market[0]


@pytest.fixture
def bank(market: tuple[House, Simulator]) -> Simulator:
    return market[1]


def spent(house: House, span: str) -> float:
    return float(house.get("/v1/budget")[span]["spent"])


def refused(status: int, headers: dict[str, str], body: Any, named: str, resets: bool) -> Any:
    """The whole of a 402: code, type, the budget and its reset, what to do, no retries."""
    assert status == 402, body
    error = body["error"]
    assert (error["code"], error["type"]) == ("budget_exceeded", "insufficient_quota")
    assert error["decisionId"].startswith("dec_")
    assert headers["x-should-retry"] == "false"
    facts = error["details"]["budget"]
    assert named in facts["budget"]
    assert named in error["message"]
    assert (facts["resetsAt"] is not None) == resets
    if resets:
        assert facts["resetsAt"] in error["message"]
    assert re.search(r"xswarm config set budget\.|max_cost|key with a larger", error["message"])
    return facts


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("span", ["daily", "monthly"])
@pytest.mark.parametrize("kind", ["soft", "hard", "project"])
def test_a_limit_and_its_action(house: House, kind: str, span: str, action: str) -> None:
    project = f"p{next(_NUMBERS)}"
    ask = {"model": "gold/ingot", "max_tokens": 50, "project": project}
    best = {"model": "auto:quality-first", "max_tokens": 50, "project": project}

    def limit(dollars: float) -> None:
        actions = {f"on_{kind}_limit": action}
        where = {"allocations": {project: {span: dollars}}} if kind == "project" else {
            kind: {span: dollars}
        }  # fmt: skip
        rules(house, actions=actions, **where)

    if kind == "project":
        rules(house)  # a project of its own has to spend something first
        status, headers, body = house.chat("before", **ask)
        assert (status, "x-freeloader-budget-action" in headers) == (200, False), body
    used = (
        house.get(f"/v1/budget?project={project}")[span]["spent"]
        if kind == "project"
        else spent(house, span)
    )
    limit(used * 0.9)

    # A hard limit and a project's are hard under any action.
    goes_on = kind == "soft" and action in ("warn", "downgrade")
    status, headers, body = house.chat("named and paid", **ask)
    if goes_on:
        assert status == 200, body
        assert headers["x-freeloader-budget-action"].startswith(action)
        (told,) = body["routing"]["budgetActions"]
        assert (told["action"], span in told["budget"]) == (action, True)
    else:
        named = {"soft": f"{span} soft budget", "hard": f"{span} budget",
                 "project": f"{span} budget of project {project}"}[kind]  # fmt: skip
        facts = refused(status, headers, body, named, True)
        assert facts["action"] == action

    status, headers, body = house.chat("free", model="gift/ribbon", project=project)
    assert status == 200, "a spent budget never blocks what costs nothing"
    status, headers, body = house.chat("local", model="near/pebble", project=project)
    assert status == 200, body

    status, headers, body = house.chat("the best", **best)
    if action == "local-only":
        assert (status, headers["x-freeloader-provider"]) == (200, "near")
    elif action == "downgrade":
        assert status == 200, body
        assert headers["x-freeloader-provider"] in ("gift", "near")
        assert headers["x-freeloader-strategy"] == "cost-first"
    elif goes_on:
        assert (status, headers["x-freeloader-provider"]) == (200, "gold")
    else:
        refused(status, headers, body, "budget", True)
    if status == 200 or kind == "soft":
        assert headers["x-freeloader-budget-action"].startswith(action)
    alerts = house.get("/v1/budget" + (f"?project={project}" if kind == "project" else ""))
    wanted = "soft_limit" if kind == "soft" else "hard_limit"
    assert wanted in [one["type"] for one in alerts["alerts"]]


def test_a_limit_that_is_taken_away_holds_nobody(house: House) -> None:
    rules(house, hard={"daily": 0})
    assert house.chat("none", model=PAID)[0] == 402
    rules(house)
    assert house.chat("raised", model=PAID, max_tokens=50)[0] == 200


@pytest.mark.parametrize("how", ["setting", "max_cost", "budget", "header"])
def test_a_limit_per_request(house: House, how: str) -> None:
    rules(house)
    ask: dict[str, Any] = {"model": "gold/ingot", "max_tokens": 100}
    headers = {"X-Freeloader-Max-Cost": "0.0000001"} if how == "header" else {}
    if how == "setting":
        rules(house, hard={"per_request": 0.0000001})
    elif how == "max_cost":
        ask["max_cost"] = 0.0000001
    elif how == "budget":
        ask["budget"] = {"perRequest": 0.0000001}
    body = {"messages": [{"role": "user", "content": "hello"}], **ask}
    answer = house.call("POST", "/v1/chat/completions", body, headers=headers)
    refused(*answer, "per-request" if how == "setting" else "request's own", False)
    free = {**body, "model": "gift/ribbon"}
    assert house.call("POST", "/v1/chat/completions", free, headers=headers)[0] == 200
    rules(house)


@pytest.mark.parametrize("span", ["daily", "monthly", "perRequest"])
def test_a_keys_own_budget(house: House, span: str) -> None:
    rules(house)
    made = house.call("POST", "/v1/keys", {"budget": {span: 0.0000001}}, role="admin")[2]
    auth = {"Authorization": f"Bearer {made['key']}"}
    body = {"model": "gold/ingot", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}]}
    answer = house.call("POST", "/v1/chat/completions", body, headers=auth)
    if span == "perRequest":
        refused(*answer, "key's per-request", False)
    else:
        refused(*answer, f"{span} budget of key", True)
    free = {**body, "model": "gift/ribbon"}
    assert house.call("POST", "/v1/chat/completions", free, headers=auth)[0] == 200
    assert house.call("POST", "/v1/chat/completions", body)[0] == 200, "other keys go on"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", None])
def test_what_would_never_fit_is_lowered_said_and_sent(
    house: House, bank: Simulator, field: str | None
) -> None:
    rules(house, hard={"per_request": 0.003})
    asked = {field: 4000} if field else {}
    status, headers, body = house.chat("lower", model="gold/ingot", **asked)
    assert status == 200, body
    lowered = int(headers["x-freeloader-max-tokens"])
    assert 256 <= lowered < 1500
    sent = json.loads(_last_body(bank))
    assert sent.get(field or "max_tokens", sent.get("max_tokens")) == lowered
    status, headers, _ = house.chat("fits", model="gold/ingot", max_tokens=100)
    assert (status, "x-freeloader-max-tokens" in headers) == (200, False)
    rules(house)


def _last_body(bank: Simulator) -> str:
    found = bank.requests()
    rows = found["requests"] if isinstance(found, dict) else found
    last = rows[-1]
    body = last["body"]
    return body if isinstance(body, str) else json.dumps(body)


def test_an_unknown_price_is_null_wherever_a_cost_is_shown_and_counts_where_a_budget_is(
    house: House,
) -> None:
    rules(house)
    ask = {"model": "gold/dust", "max_tokens": 50, "project": "dusty"}
    status, headers, body = house.chat("dust", **ask)
    assert status == 200, body
    assert body["usage"]["costUsd"] is None
    assert body["usage"]["savings"] is None
    assert "x-freeloader-cost-usd" not in headers
    (row,) = house.get("/v1/decisions?limit=1&project=dusty")["decisions"]
    assert row["costUsd"] is None
    whole = house.get(f"/v1/decisions/{row['id']}")
    assert whole["attempts"][0]["costUsd"] is None
    line = {"cost": None, "saved": None, "unpriced": 1, "requests": 1}

    def told() -> Any:
        found = house.get("/v1/analytics?period=today&project=dusty")
        return found if found["totalRequests"] else None

    found = until(told, 10, "it is in the sums")
    assert (found["totalCost"], found["unpriced"], found["savings"]["saved"]) == (None, 1, None)
    assert found["byModel"]["gold/dust"].items() >= line.items()
    (used,) = house.get("/v1/usage?group=model&project=dusty")["rows"]
    assert used.items() >= line.items()
    exported = house.xswarm("export", "--format", "jsonl", "--project", "dusty")
    (one,) = [json.loads(text) for text in exported.splitlines()]
    assert (one["costUsd"], one["costPico"], one["savedUsd"]) == (None, None, None)
    audited = house.get("/v1/audit?kind=requests&limit=1", role="admin")["audit"][0]
    assert audited["detail"]["costUsd"] is None
    assert "unknown" in house.xswarm("analytics", "--period", "today", "--project", "dusty")
    # A soft limit lets it go on, and counts it as dear as anything is.
    rules(house, soft={"daily": 1000.0})
    before = spent(house, "daily")
    status, _, body = house.chat("dust", **ask)
    assert (status, body["usage"]["costUsd"]) == (200, None)
    assert spent(house, "daily") > before
    rules(house)


def test_an_unknown_price_is_refused_with_the_overlay_that_sets_it(house: House) -> None:
    rules(house, hard={"daily": 1000.0})
    status, _, body = house.chat("dust", model="gold/dust", max_tokens=50)
    error = body["error"]
    assert (status, error["code"]) == (402, "price_unknown")
    assert "registry/prices.json" in error["message"]
    details = error["details"]
    (house.home / details["overlayFile"]).write_text(json.dumps(details["overlay"]))
    assert house.daemon is not None
    house.daemon.send_signal(signal.SIGHUP)
    ask = {"model": "gold/dust", "max_tokens": 50}
    until(lambda: house.chat("dust", **ask)[0] == 200, 60, "the price is taken over")
    rules(house)


@pytest.mark.parametrize("ratio", [3, 10, 20])
def test_a_race_for_the_last_of_a_budget_never_passes_it(
    house: House, bank: Simulator, ratio: int
) -> None:
    """R4 over HTTP: holds far above the cost; clients retry until nothing fits."""
    found = race(house, bank, f"race{ratio}", 40, ratio)
    assert found.held == 0
    assert found.spent <= found.limit
    assert found.billed <= found.spent + 1e-12, "the bill is within the ledger"
    assert found.spent >= found.limit - found.hold, "nothing that fits was refused"


def test_budgets_are_set_and_shown_by_the_command_line(house: House, tmp_path: Path) -> None:
    house.xswarm("budget", "set", "--daily", "500", "--monthly", "9000", "--per-request", "0.5")
    house.xswarm("budget", "set", "--daily", "400", "--soft")
    house.xswarm("budget", "set", "--daily", "3", "--project", "team")
    shown = json.loads(house.xswarm("budget", "show", "--json"))
    assert (shown["daily"]["limit"], shown["daily"]["softLimit"]) == (500, 400)
    assert shown["monthly"]["limit"] == 9000
    assert shown["projects"]["team"]["daily"]["limit"] == 3
    mine = json.loads(house.xswarm("budget", "show", "--project", "team", "--json"))
    assert mine["daily"]["limit"] == 3
    assert "team daily" in house.xswarm("budget", "show")
    assert json.loads(house.xswarm("budget", "confirm", "--json")) == {"confirmed": False}
    rules(house)


def _leave(house: House, body: dict[str, Any]) -> None:
    """Asks, and goes away: before a whole answer, after the first piece of a stream."""
    said = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", house.port), timeout=30) as line:
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {house.key()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(said)}\r\n\r\n"
        )
        line.sendall(head.encode() + said)
        if body["stream"]:
            while b"data: " not in line.recv(4096):
                pass
        else:
            time.sleep(0.4)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_a_paid_call_is_charged_what_it_used(
    house: House, bank: Simulator, stream: bool
) -> None:
    """A whole answer is waited for, so ledger and bill agree; of a stream no less is charged."""
    before, billed = spent(house, "daily"), bank.bill()["totals"]["picodollars"]
    body = {"model": "gold/slate", "max_tokens": 60, "stream": stream,
            "messages": [{"role": "user", "content": "leave"}]}  # fmt: skip
    last = house.get("/v1/decisions?limit=1")["decisions"][0]["id"]
    _leave(house, body)

    def settled() -> Any:
        (row,) = house.get("/v1/decisions?limit=1")["decisions"]
        held = house.get("/v1/budget")["daily"]["held"]
        return row if held == 0 and row["id"] != last else None

    found = until(settled, 30, "the call is settled")
    assert found["outcome"] == "abandoned"
    charged = spent(house, "daily") - before

    def bill() -> float:
        return float(bank.bill()["totals"]["picodollars"] - billed) / 1e12

    # The provider notices that nobody reads any more when it writes its next piece.
    cost = until(bill, 10, "the provider has billed it")
    assert charged == pytest.approx(found["costUsd"], abs=1e-9)
    assert cost > 0
    if stream:
        assert charged >= cost - 1e-12
    else:
        assert charged == pytest.approx(cost, abs=1e-12)
