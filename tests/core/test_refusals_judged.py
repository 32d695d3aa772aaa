"""Refusals judged by a reader first and by the rules afterwards, as they came and as retold.

Kind, scope and wait, for every provider's styles and for gateways before them. The table is
``refusals_judged.json``: ``expect`` is the kind, the scope (null: either will do) and the wait
(null: waiting does not help, ``<=N``: at most that many seconds, ``any``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.outcome import Outcome, classify

NOW = 1_790_000_000.0  # a Monday, 14:13:20 UTC
PROVIDERS = load(prices=None).providers
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "refusals_judged.json").read_text("utf-8")
)
#: LiteLLM's class of error by the status, and the status that it makes of another.
CLASSES = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError",
           404: "NotFoundError", 408: "Timeout", 413: "RateLimitError", 429: "RateLimitError",
           500: "InternalServerError", 529: "InternalServerError"}  # fmt: skip
CHANGED = {413: 429, 529: 500}


def judge(provider: str | None, answer: Answer) -> Outcome:
    known = None if provider is None else PROVIDERS[provider]
    rules, limits = ((), ()) if known is None else (known.error_rules, known.limits)
    return classify(answer, rules, limits, NOW)


def check(case: dict[str, Any], found: Outcome) -> None:
    kind, scope, wait = case["expect"]
    assert found.kind == kind
    assert scope in (None, found.scope)
    seconds = None if found.until is None else found.until - NOW
    if isinstance(wait, str):
        # What an overload lasts nobody says: then the breaker knows how long it rests.
        most = float("inf") if wait == "any" else float(wait.removeprefix("<="))
        assert wait == "any" or kind == "overloaded" or seconds is not None
        assert seconds is None or 0 < seconds <= most + 0.01
    else:
        assert seconds == (None if wait is None else pytest.approx(wait, abs=1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_refusal_means_what_a_reader_took_it_for(case: dict[str, Any]) -> None:
    status, body = case["status"], case["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    phase = "stream" if status == 200 else "head"
    headers = case.get("headers", {})
    check(case, judge(case["provider"], Answer(status, headers, text, phase=phase)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_litellms_retelling_of_it_means_the_same(case: dict[str, Any]) -> None:
    status, body = case["status"], case["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    named = CLASSES.get(status, "APIError")
    said = f"litellm.{named}: {named}: OpenAIException - {text}"
    seen = 500 if status == 200 else CHANGED.get(status, status)
    retold = json.dumps({"error": {"message": said, "type": None, "code": str(seen)}})
    headers = {f"llm_provider-{name}": value for name, value in case.get("headers", {}).items()}
    if status == 200:  # a stream that broke off says it in an event of its own
        answer = Answer(200, headers, f"data: {retold}\n\n", phase="stream")
    else:
        answer = Answer(seen, headers, retold, error_class=named)
    check(case, judge(case["provider"], answer))


def test_there_is_one_of_every_kind() -> None:
    assert {case["expect"][0] for case in CASES} >= {
        "slow_down", "spent", "credits_gone", "not_on_plan", "request_too_large", "key_bad",
        "overloaded", "incompatible_history", "their_fault", "client_fault", "model_gone",
    }  # fmt: skip
    assert len({case["id"] for case in CASES}) == len(CASES)
