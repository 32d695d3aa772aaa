"""A provider that fails as a whole is left alone as a whole; one broken model is not."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from freeloader.books.breakers import Breakers, hanging
from freeloader.clock import Instant
from freeloader.core.breaker import EJECTION, EJECTION_MAX, OPEN_AFTER
from freeloader.core.events import Answer
from freeloader.core.model import Account, Deployment, Model, Provider
from freeloader.core.outcome import Outcome, classify

PROVIDER = Provider("p", "P", "cloud", "active", "openai", "openai", "https://p.example/v1")
BROKEN = Outcome("their_fault", "500", scope="model")
DEAD = Outcome("their_fault", "no connection", scope="provider")


def model(name: str, idx: int = 1, endpoint: str | None = None) -> Deployment:
    account = Account("p", idx, endpoint=endpoint)
    url = endpoint or PROVIDER.base_url
    return Deployment(f"p@{idx}/{name}", PROVIDER, account, Model(name, "p", name), name, url)


def at(seconds: float) -> Instant:
    return Instant(1_000_000.0 + seconds, seconds)


class Street:
    """Breakers, and a clock that the test moves."""

    def __init__(self) -> None:
        self.breakers = Breakers()
        self.now = 0.0
        self._tries = 0

    def shut(self, deployment: Deployment) -> bool:
        now = at(self.now)
        return self.breakers.refusal(deployment, now.wall, now.mono) is not None

    def fails(self, deployment: Deployment, outcome: Outcome, times: int = 1) -> None:
        for _ in range(times):
            self._tries += 1
            self.breakers.begin(deployment, str(self._tries))
            self.breakers.failed(deployment, outcome, None, False, at(self.now))
            self.breakers.end(deployment, str(self._tries))


def test_one_broken_model_leaves_the_others_of_its_provider_alone() -> None:
    street = Street()
    street.fails(model("a"), BROKEN, 20)
    assert street.shut(model("a"))
    assert not street.shut(model("b"))


def test_two_broken_models_are_a_broken_provider() -> None:
    street = Street()
    street.fails(model("a"), BROKEN, OPEN_AFTER - 1)
    street.fails(model("b"), BROKEN)
    assert street.shut(model("c"))


def test_a_success_in_between_says_that_the_provider_lives() -> None:
    street = Street()
    street.fails(model("a"), BROKEN, OPEN_AFTER - 1)
    street.breakers.succeeded(model("c"), at(0))
    street.fails(model("b"), BROKEN)
    assert not street.shut(model("c"))


def test_where_nobody_answers_at_all_every_model_waits_but_not_another_server() -> None:
    """U1: connections that cannot be made are the address's fault."""
    street = Street()
    here, there = model("a", 1, "http://127.0.0.1:1/v1"), model("a", 2, "http://127.0.0.1:2/v1")
    street.fails(here, DEAD, OPEN_AFTER)
    assert street.shut(model("b", 1, "http://127.0.0.1:1/v1"))
    assert not street.shut(there)
    assert not street.shut(model("a"))


def test_u4_a_flapping_provider_is_left_alone_for_longer_each_time() -> None:
    """U4: it answers one probe in two; the number of times that it opens is bounded."""
    street = Street()
    street.fails(model("a"), DEAD, OPEN_AFTER)
    gaps, opened = [], 0
    while street.now < 3600:
        began = street.now
        while street.shut(model("a")):
            street.now += 1.0
        gaps.append(street.now - began)
        opened += 1
        street.breakers.begin(model("a"), f"probe {opened}")
        if opened % 2:
            street.breakers.succeeded(model("a"), at(street.now))
            street.fails(model("a"), DEAD, OPEN_AFTER)  # and fails again at once
        else:
            street.breakers.failed(model("a"), DEAD, None, False, at(street.now))
        street.breakers.end(model("a"), f"probe {opened}")
    assert gaps[:3] == [EJECTION, 2 * EJECTION, 3 * EJECTION]
    assert max(gaps) == EJECTION_MAX
    assert opened <= 20, "in an hour: a breaker that does not oscillate"


def test_u3_after_the_pause_one_request_tries_and_the_others_wait() -> None:
    """U3: no stampede; of a hundred requests one goes out until it has its answer."""
    street = Street()
    street.fails(model("a"), DEAD, OPEN_AFTER)
    street.now = EJECTION + 1
    gone = []
    for number in range(100):
        target = model("ab"[number % 2])
        if not street.shut(target):
            street.breakers.begin(target, f"r{number}")
            gone.append(number)
    assert gone == [0]
    street.breakers.succeeded(model("a"), at(street.now))
    assert not street.shut(model("b"))


@pytest.mark.parametrize(
    ("answer", "scope"),
    [
        (Answer(None, body="refused", phase="connect"), "provider"),
        (Answer(None, phase="connect", timeout=True), "provider"),
        (Answer(None, phase="head", timeout=True), "model"),
        (Answer(None, phase="head"), "model"),
        (Answer(500, phase="head"), "model"),
    ],
)
def test_whose_fault_a_silence_is(answer: Answer, scope: str) -> None:
    found = classify(answer, (), (), 0.0)
    assert (found.kind, found.scope) == ("their_fault", scope)


def test_a_connection_that_takes_the_whole_limit_is_a_hang() -> None:
    assert hanging(DEAD, 5_000, None)
    assert not hanging(DEAD, 20, None), "refused at once costs nobody time"
    assert not hanging(BROKEN, 5_000, None)
    assert hanging(BROKEN, 10_000, None)


def test_each_change_of_state_is_one_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    street, one = Street(), model("a")
    street.fails(one, BROKEN, OPEN_AFTER)
    street.now += EJECTION + 1
    street.breakers.begin(one, "try")
    street.breakers.succeeded(one, at(street.now))
    street.breakers.end(one, "try")
    street.breakers.succeeded(one, at(street.now))
    told: list[dict[str, Any]] = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert [(row["before"], row["state"]) for row in told] == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]
    assert {row["event"] for row in told} == {"breaker.state"}
    assert {(row["deployment"], row["account"]) for row in told} == {("p@1/a", "p@1")}
    assert told[0]["reason"] == "500"


def test_one_that_flaps_all_day_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    street, one = Street(), model("a")
    slow = Outcome("slow_down", "429", scope="model", until=None, window="1m")
    while street.now < 86_400:
        street.fails(one, slow)
        street.now += 61
    told = [record.fields for record in caplog.records]  # type: ignore[attr-defined]
    assert len(told) < 8 * 144, "a handful for ten minutes"
    sums = [row["changes"] for row in told if row["event"] == "breaker.flaps"]
    assert sum(sums) > 1_000, "and what was not told is in the sums"
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING
                and r.fields["event"] == "breaker.state"], "a spent minute is no fault"  # type: ignore[attr-defined]  # fmt: skip
