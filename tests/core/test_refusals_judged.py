"""Refusals judged by a reader first and by the rules afterwards, as they came and as retold.

Kind, scope and wait, for every provider's styles and for gateways before them. The table is
``refusals_judged.json``: ``expect`` is the kind, the scope (null: either will do) and the wait
(null: waiting does not help, ``<=N``: at most that many seconds, ``any``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
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


#: What these say they say whoever says them, in whatever shape: status, words, kind, wait
#: (None: what is usual there).
ANYWHERE = (
    (429, "Weekly limit reached, resets in 2 days", "spent", 172_800),
    (429, "You've hit the weekly cap on messages", "spent", None),
    (429, "You have used all of your monthly requests", "spent", None),
    (429, "Monthly allowance used up, renews on 2026-10-01 00:00 UTC", "spent", 812_800),
    (429, "Daily limit reached. Resets at 00:00 UTC", "spent", 35_200),
    (429, "5-hour usage limit reached, resets in 3 hours", "spent", 10_800),
    (429, "You exceeded 200 requests per hour", "spent", None),
    (429, "Hourly token budget used up", "spent", None),
    (429, "Too many requests, 30 per minute allowed. Retry in 12 seconds", "slow_down", 12),
    (429, "Tokens per minute limit reached. Daily usage: 10%", "slow_down", None),
    (429, "Model is overloaded, try again later", "overloaded", None),
    (429, "All our GPUs are in use right now", "overloaded", None),
    (429, "You have no credits left, top up", "credits_gone", None),
    (429, "Your wallet is empty", "credits_gone", None),
    (429, "Free plan: 0 requests allowed for this model", "not_on_plan", None),
    (402, "Insufficient balance", "credits_gone", None),
    (403, "Your account was suspended", "key_bad", None),
    (400, "The model foo does not exist", "model_gone", None),
    (400, "This model's maximum context length is 8192 tokens", "request_too_large", None),
    (400, "Content was blocked by our safety system", "client_fault", None),
)  # fmt: skip
SHAPES: tuple[Callable[[str], Any], ...] = (
    lambda said: {"error": {"message": said, "type": "rate_limit_error", "code": "x"}},
    lambda said: {"detail": said},
    lambda said: {"error": said},
    lambda said: {"errors": [{"message": said, "code": 1}]},
)


@pytest.mark.parametrize(("status", "said", "kind", "wait"), ANYWHERE)
def test_plain_words_mean_the_same_at_every_provider(
    status: int, said: str, kind: str, wait: float | None
) -> None:
    for provider in PROVIDERS:
        for shape in SHAPES:
            found = judge(provider, Answer(status, {}, json.dumps(shape(said))))
            assert (found.kind, provider) == (kind, provider)
            assert wait is None or found.until == pytest.approx(NOW + wait, abs=1)


def test_there_is_one_of_every_kind() -> None:
    assert {case["expect"][0] for case in CASES} >= {
        "slow_down", "spent", "credits_gone", "not_on_plan", "request_too_large", "key_bad",
        "overloaded", "incompatible_history", "their_fault", "client_fault", "model_gone",
    }  # fmt: skip
    assert len({case["id"] for case in CASES}) == len(CASES)
