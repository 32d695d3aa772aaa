"""A key's own rate limit: never more than a minute's worth, always refilled in time."""

from __future__ import annotations

import pytest
from front_fakes import ADMIN, CLIENT, HELLO, House, well_formed
from hypothesis import given
from hypothesis import strategies as st

from freeloader.gateway.guards.rates import Rates


@given(
    st.integers(1, 120),
    st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=200),
)
def test_no_span_lets_through_more_than_bucket_and_refill(
    per_minute: int, gaps: list[float]
) -> None:
    rates = Rates()
    now, went = 0.0, []
    for gap in gaps:
        now += gap
        if rates.take("k", per_minute, now) is None:
            went.append(now)
    for i, start in enumerate(went):
        for j in range(i, len(went)):
            allowed = per_minute + (went[j] - start) * per_minute / 60
            assert j - i + 1 <= allowed + 1e-6


@given(st.integers(1, 600))
def test_the_wait_it_names_is_enough(per_minute: int) -> None:
    rates = Rates()
    for _ in range(per_minute):
        assert rates.take("k", per_minute, 5.0) is None
    wait = rates.take("k", per_minute, 5.0)
    assert wait is not None
    assert rates.take("k", per_minute, 5.0 + wait + 1e-6) is None


def test_keys_do_not_share() -> None:
    rates = Rates()
    assert rates.take("a", 1, 0.0) is None
    assert rates.take("a", 1, 0.0) is not None
    assert rates.take("b", 1, 0.0) is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/router/debug"])
async def test_a_limited_key_is_told_when_to_come_back(path: str, house: House) -> None:
    house.owner.limits = {"k-client": 2}
    body = {**HELLO, "prompt": "x"} if path != "/v1/completions" else {"prompt": "x"}
    assert [(await house.ask(body, path))[0] for _ in range(2)] == [200, 200]
    status, answered, headers = await house.ask(body, path)
    assert (status, well_formed(answered)["code"]) == (429, "rate_limited")
    assert headers["Retry-After"] == "30"
    assert "x-should-retry" not in headers
    assert (await house.ask(body, path, key=ADMIN))[0] == 200
    assert (await house.get("/v1/models", CLIENT))[0] == 200
