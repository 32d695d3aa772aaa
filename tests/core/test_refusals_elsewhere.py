"""Refusals of providers that nobody listed, in their own tongues and shapes: one more table.

Written, like ``test_refusals_unseen``, by what a reader of the answer would conclude. Shapes
are those of public error references (llama.cpp, LM Studio, TGI, Qwen, Google's RPC, one-api).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.outcome import classify, messages
from freeloader.core.outcome.headers import observations

NOW = 1_790_000_000.0  # a Monday, 14:13:20 UTC
UTC_DAY = 35_200.0
PROVIDERS = load(prices=None).providers


class Case(NamedTuple):
    """``wait``: seconds, or None where waiting does not help or nobody knows."""

    id: str
    provider: str | None
    status: int
    headers: dict[str, str]
    body: Any
    kind: str
    window: str | None
    scope: str
    wait: float | None


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


FOUND = json.loads((Path(__file__).parent / "refusals_elsewhere.json").read_text())
#: What only looks like one of these.
TRAPS = (
    Case(
        "limit-is-no-wait",
        None,
        429,
        {},
        error("30 Anfragen in 5 Minuten sind zu viele"),
        "slow_down",
        "1m",
        "model",
        60,
    ),
    Case(
        "model-not-key",
        None,
        403,
        {},
        error("Insufficient permissions to access model x"),
        "not_on_plan",
        None,
        "model",
        None,
    ),
    Case(
        "azures-token-rate",
        None,
        429,
        {},
        error("have exceeded token rate limit, retry after 9 seconds"),
        "slow_down",
        "1m",
        "model",
        9,
    ),
    Case(
        "403-said-by-the-edge",
        "groq",
        403,
        {},
        "<html><title>error code: 1010</title></html>",
        "our_fault",
        None,
        "provider",
        None,
    ),
    Case(
        "a-validator-quotes-the-client",
        None,
        422,
        {},
        {
            "detail": [
                {
                    "type": "int_type",
                    "loc": ["body", "n"],
                    "msg": "Input should be a valid integer",
                    "input": "invalid api key, insufficient balance, model x does not exist",
                }
            ]
        },
        "client_fault",
        None,
        "request",
        None,
    ),
    Case(
        "todays-free-tier",
        None,
        429,
        {},
        error("You exhausted your free daily quota"),
        "spent",
        "1d",
        "model",
        UTC_DAY,
    ),
    Case(
        "400-says-no-account",
        None,
        400,
        {},
        error("messages.0: a disabled account is no role"),
        "client_fault",
        None,
        "request",
        None,
    ),
)
CASES = (*(Case(**found) for found in FOUND), *TRAPS)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "said",
    [
        "Invalid value: '{}'. Supported values are: 'user', 'assistant'",
        'Input should be "user" or "assistant", not "{}"',
        "`{}` is not a valid role",
    ],
)
@pytest.mark.parametrize(
    "words",
    ["insufficient balance", "invalid api key", "insufficient_quota", "the model x does not exist",
     "this account has been suspended", "user location is not supported"],
)  # fmt: skip
def test_a_client_that_is_quoted_rests_nobody(status: int, said: str, words: str) -> None:
    body = json.dumps(error(said.format(words), type="invalid_request_error"))
    for lane in (Answer(status, {}, body), Answer(status, {}, body, error_class="BadRequestError")):
        found = classify(lane, (), (), NOW)
        assert (found.kind, found.scope) == ("client_fault", "request")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_refusal_from_elsewhere(case: Case) -> None:
    rules, limits = (), ()  # type: ignore[var-annotated]
    if case.provider is not None:
        known = PROVIDERS[case.provider]
        rules, limits = known.error_rules, known.limits  # type: ignore[assignment]
    text = case.body if isinstance(case.body, str) else json.dumps(case.body)
    phase = "stream" if case.status == 200 else "answer"
    found = classify(Answer(case.status, case.headers, text, phase=phase), rules, limits, NOW)
    assert (found.kind, found.window, found.scope) == (case.kind, case.window, case.scope)
    wait = None if found.until is None else found.until - NOW
    assert wait == (None if case.wait is None else pytest.approx(case.wait))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("resets at 14:14 UTC", 40),
        ("resets at 14:13 UTC", 86_380),
        ("available again at 23:00 (Pacific)", 56_800),
        ("until midnight Beijing time", 6400),
        ("resets at 25:00 UTC", None),
        ("resets at 14:14", None),
    ],
)
def test_a_time_of_day_counts_where_its_zone_is_named(text: str, seconds: float | None) -> None:
    assert messages.wait_in_message(text, NOW) == seconds


@pytest.mark.parametrize(("sent", "count"), [("1,912", 1912), ("100, 100;w=60", 100), ("x", None)])
def test_a_count_however_it_is_written(sent: str, count: int | None) -> None:
    facts = PROVIDERS["groq"].rate_limit_headers
    found = observations({"x-ratelimit-remaining-requests": sent}, facts, NOW)
    assert [x.value for x in found] == ([] if count is None else [count])
