"""Retries over HTTP: how many a request has, how many all have; who is next after a time-out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from farm import House, Simulator
from shops import FREE, MODELS, NEAR, PAID, calls, only

pytestmark = pytest.mark.timeout(120)

AT_ONCE = {"retryDelayMs": 0}


@pytest.fixture(autouse=True)
def _fresh(shop: House, market: Simulator) -> Iterator[None]:
    # Many failures are load, which is another file's; a hang is one after a second.
    changes = {"load_monitoring": {"enabled": False}, "upstream": {"first_byte_seconds": 1}}
    assert shop.call("POST", "/v1/config", changes, role="admin")[0] == 200
    shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
    yield
    market.calm()


@pytest.mark.parametrize(
    ("step", "expected"), [("faster-model", "dear"), ("next-cheapest", "cheap"), ("error", None)]
)
def test_after_a_timeout_a_faster_model_is_asked(
    shop: House, market: Simulator, step: str, expected: str | None
) -> None:
    """By the given order ``cheap`` would be next; ``dear`` is the faster one."""
    assert shop.call("PATCH", "/v1/accounts/wise/1", {"priority": 0}, role="admin")[0] == 200
    market.fault("wise", "hang", seconds=20)
    fallback = {**AT_ONCE, "onLatencyTimeout": step}
    status, headers, told = shop.chat(strategy="priority", fallback=fallback, **only("wise", *PAID))
    if expected is None:
        assert (status, told["error"]["code"]) == (504, "upstream_timeout")
        return
    assert (status, headers["x-freeloader-provider"]) == (200, expected), told
    kept = shop.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")
    assert [row["deployment"] for row in kept["attempts"]] == ["wise@1/m", f"{expected}@1/m"]
    assert kept["fallback"], "what the failure changed is said"


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (3, 4)])
def test_one_request_has_the_retries_it_was_given(
    shop: House, market: Simulator, retries: int, attempts: int
) -> None:
    for name in MODELS:
        market.fault(name, "500", forever=True)
    status, _, told = shop.chat(fallback={**AT_ONCE, "maxRetries": retries}, **only(*MODELS))
    assert (status, told["error"]["code"]) == (502, "upstream_failed")
    tried = [one["deployment"] for one in told["error"]["details"]["attempts"]]
    assert len(tried) == len(set(tried)) == attempts


def test_the_first_request_of_a_quiet_daemon_may_need_all_three(
    shop: House, market: Simulator
) -> None:
    for name in (*FREE, *NEAR):
        market.fault(name, "500", forever=True)
    gates = {"blockedProviders": ["dull"]}
    for _ in range(3):  # and again: what was answered was no storm
        shop.call("POST", "/v1/free-tiers/reset", {}, role="admin")
        status, headers, told = shop.chat(strategy="cost-first", fallback=AT_ONCE,
                                          qualityGates=gates)  # fmt: skip
        assert (status, headers["x-freeloader-provider"]) == (200, "cheap"), told
        assert headers["x-freeloader-attempts"] == "4"


def test_when_everything_fails_retries_are_a_fifth_of_the_requests(
    shop: House, market: Simulator
) -> None:
    """Empty answers everywhere: no breaker opens, so nothing else bounds the storm."""
    empty: dict[str, Any] = {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ""},
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5},
    }  # fmt: skip
    for name in MODELS:
        market.fault(name, "reply", status=200, body=empty, forever=True)
    before, count = calls(market).total(), 40
    ask = {"fallback": AT_ONCE, **only(*MODELS)}
    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(lambda i: shop.chat(f"question {i}", **ask), range(count)))
    assert all(status == 200 and told["routing"]["flaw"] for status, _, told in done)
    retries = calls(market).total() - before - count
    before_it = 15  # requests of the tests before may lie in the window still
    assert 3 <= retries <= 0.2 * (count + before_it)
