"""Free quota with real processes: no day is spent twice, not even by kill -9; those who wait
are served in turn without a refusal from the provider."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from farm import House, Simulator, call, model, provider, running, until
from planted import plant

DAY = {"metric": "requests", "amount": 8, "window": "1d", "reset": "calendar", "scope": "model"}
MANY = {**DAY, "amount": 500}
FEW = {"metric": "requests", "amount": 2, "window": "2s", "reset": "rolling", "scope": "account"}
FIFTY = {**DAY, "amount": 50, "scope": "account"}
REPORT = [{"path": f"data.free_model_daily_requests.{means}", "metric": "requests",
           "window": "1d", "means": means} for means in ("limit", "used")]  # fmt: skip
GIFT = {**DAY, "amount": 3, "scope": "account", "allowance": True}
SLOW = {"firstMs": 4000, "tokensPerSecond": 100}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    def free(*limits: Any, style: str = "generic", **more: Any) -> dict[str, Any]:
        return {"style": style, "limits": list(limits), "latency": {}, **more}

    config = {
        "pace": 1.0,
        "providers": {
            "daily": free(DAY, models={"eight": {"free": True}, "late": {"free": True,
                                                                         "latency": SLOW}}),
            "large": free(MANY, models={"many": {"free": True}}),
            "hasty": free(FEW, models={"few": {"free": True}}),
            "gift": free(models={"dear": {"free": False}}),
            "cheap": free(models={"plain": {"free": False}}),
            "router": free(FIFTY, style="openrouter", models={"any:free": {"free": True}}),
        },
    }  # fmt: skip
    started = Simulator(tmp_path_factory.mktemp("simulator"), config)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[House]:
    # Nothing here is about the child, and a daemon that is killed thrice need not start four.
    built = House(tmp_path_factory.mktemp("house") / "home", {"XSWARM_UPSTREAM__LANE": "direct"})
    built.xswarm("init")
    offered = {"daily": (DAY, ("eight", "late")), "large": (MANY, ("many",)),
               "hasty": (FEW, ("few",))}  # fmt: skip
    tier = {"type": "recurring", "confidence": "high"}
    providers = {
        name: provider(
            f"{simulator.url}/{name}/v1",
            {one: model(one) for one in models},
            freeTier={**tier, "limits": [limit]},
        )
        for name, (limit, models) in offered.items()
    }
    providers["router"] = provider(
        f"{simulator.url}/router/v1",
        {"any:free": model("any")},
        freeTier={**tier, "limits": [FIFTY]},
        endpoints={"models": "/models", "quota": "/key"},
        quotaReport=REPORT,
    )
    paid = {
        name: provider(
            f"{simulator.url}/{name}/v1",
            {one: model(one, free=False, pricing={"input": price, "output": price})},
            freeTier={**tier, "limits": limits},
        )
        for name, one, price, limits in (("gift", "dear", 2.0, [GIFT]), ("cheap", "plain", 0.1, []))
    }
    built.overlay("pretend", {"version": "2026.11.20", "providers": {**providers, **paid}})
    for name in paid:
        built.xswarm("account", "add", name, "-", "--tier", "paid", stdin=f"key-{name}\n")
    for name in providers:
        built.xswarm("account", "add", name, "-", "--tier", "free", stdin=f"key-{name}\n")
    with running(built):
        yield built


def seen(simulator: Simulator, name: str) -> list[dict[str, Any]]:
    rows = simulator.requests()
    listed = rows["requests"] if isinstance(rows, dict) else rows
    return [row for row in listed if row.get("model") == name]


def used(house: House, provider_: str, model_: str) -> int:
    rows = house.get(f"/v1/free-tiers?provider={provider_}")["windows"]
    mine = [row for row in rows if row["model"] in (None, model_) and row["window"] == "1d"]
    return max((int(row["used"]) + int(row["held"]) for row in mine), default=0)


def again(house: House) -> None:
    house.kill()
    house.start()


def test_no_day_is_spent_twice_by_a_kill_in_its_middle(house: House, simulator: Simulator) -> None:
    for _ in range(3):
        assert house.chat(model="daily/eight")[0] == 200
    again(house)
    assert used(house, "daily", "eight") == 3
    served = 3
    while house.chat(model="daily/eight", maxWait=0)[0] == 200:
        served += 1
        assert served <= 8
    assert served == 8
    again(house)
    status, headers, body = house.chat(model="daily/eight", maxWait=0)
    assert (status, body["error"]["code"]) == (429, "quota_exhausted")
    assert int(headers["retry-after"]) >= 1
    assert [row["status"] for row in seen(simulator, "eight")] == [200] * 8


def test_what_was_in_flight_when_it_died_counts(house: House, simulator: Simulator) -> None:
    def ask() -> None:
        try:
            house.chat(model="daily/late")
        except OSError:
            return  # the daemon died meanwhile

    flying = threading.Thread(target=ask)
    flying.start()
    until(lambda: used(house, "daily", "late") == 1, 10, "the call is held")
    time.sleep(0.3)
    again(house)
    flying.join(30)
    assert used(house, "daily", "late") == 1


def test_large_windows_are_written_behind_in_a_quarter_of_a_second(house: House) -> None:
    for _ in range(5):
        assert house.chat(model="large/many")[0] == 200
    time.sleep(1.0)
    again(house)
    assert used(house, "large", "many") == 5


def test_those_who_wait_are_served_in_turn_and_nobody_is_refused_upstream(
    house: House, simulator: Simulator
) -> None:
    def ask(n: int) -> tuple[int, int]:
        status, _, body = house.chat(model="hasty/few", slow=True, project=f"p{n % 2}")
        return status, body["routing"].get("waitedMs", 0)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert [status for status, _ in answers] == [200] * 6
    assert sum(waited > 0 for _, waited in answers) >= 3
    assert {row["status"] for row in seen(simulator, "few")} == {200}


def test_who_may_not_wait_is_told_when_and_nothing_was_sent(
    house: House, simulator: Simulator
) -> None:
    time.sleep(2.2)
    before = len(seen(simulator, "few"))
    answers = [house.chat(model="hasty/few", maxWait=0) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert 1 <= int(answers[2][1]["retry-after"]) <= 4
    assert len(seen(simulator, "few")) == before + 2


def test_a_provider_tells_what_is_left_and_who_else_used_the_key(
    house: House, simulator: Simulator
) -> None:
    def told() -> Any:
        status, _, answer = house.call("POST", "/v1/jobs/quota/run", {}, role="admin")
        assert status < 300, answer
        rows = house.get("/v1/free-tiers?provider=router")["windows"]
        return next(row for row in rows if row["window"] == "1d")

    assert house.chat(model="router/any:free")[0] == 200
    assert until(lambda: told()["used"] == 1, 20, "its own report is read")
    calls = len(seen(simulator, "any:free"))
    elsewhere = {"Authorization": f"Bearer {plant('key-router')}"}
    body = {"model": "any:free", "messages": [{"role": "user", "content": "hi"}]}
    for _ in range(5):
        url = f"{simulator.url}/router/v1/chat/completions"
        assert call("POST", url, body, elsewhere)[0] == 200
    row = until(lambda: (row := told())["usedElsewhere"] and row, 20, "the drain is noticed")
    assert (row["used"], row["usedElsewhere"]) == (6, 5)
    assert "key_used_elsewhere" in {a["type"] for a in house.get("/v1/free-tiers")["alerts"]}
    assert "key_used_elsewhere" in house.xswarm("status")
    assert len(seen(simulator, "any:free")) == calls + 5


def test_what_a_paid_account_gets_for_nothing_goes_first_and_holds_money(house: House) -> None:
    def ask() -> Any:
        fields = {"strategy": "cost-first", "qualityGates": {"paidOnly": True}}
        status, _, body = house.chat(**fields, max_tokens=50)
        assert status == 200, body
        return body

    answers = [ask() for _ in range(2)]
    again(house)
    answers += [ask() for _ in range(3)]
    assert [one["routing"]["provider"] for one in answers] == ["gift"] * 3 + ["cheap"] * 2
    said = [one["routing"]["reason"] for one in answers]
    assert ["free allowance" in text and "held" in text for text in said] == [True] * 3 + [
        False
    ] * 2
    assert answers[0]["usage"]["quotaUsed"]["requests"] == 1
    # Nothing proved that they were free: they are charged at list price, so that the budget holds.
    assert all(one["usage"]["costUsd"] > 0 for one in answers)
    (row,) = house.get("/v1/free-tiers?provider=gift")["windows"]
    assert (row["used"], row["limit"], row["allowance"], row["tier"]) == (3, 3, True, "paid")
    house.xswarm("account", "set", "cheap@1", "--limit", "requests=1/1d,reset=calendar,allowance")
    assert ask()["routing"]["provider"] == "cheap"
    (row,) = house.get("/v1/free-tiers?provider=cheap")["windows"]
    assert (row["used"], row["allowance"], row["source"]) == (1, True, "own")
    assert ask()["routing"]["provider"] == "cheap", "what is gone is paid for: nothing is refused"
    shown = house.xswarm("free", "--provider", "gift")
    assert "allowance" in shown


def test_a_reset_is_the_owners_and_in_the_audit(house: House) -> None:
    assert "forgotten" in house.xswarm("free", "reset", "daily")
    assert used(house, "daily", "eight") == 0
    audit = house.get("/v1/audit")
    assert "free-tiers.reset" in str(audit)
    shown = house.xswarm("free", "--provider", "daily")
    assert "0 of 8" in shown
