"""Refusals that nobody captured for us: rules, not a lookup. Words that lie, changed statuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.outcome import Outcome, classify

NOW = 1_790_000_000.0
PROVIDERS = load(prices=None).providers
ANY = None


def judge(
    provider: str | None, status: int | None, body: Any, headers: dict[str, str] | None = None,
    **more: Any,
) -> Outcome:  # fmt: skip
    rules, limits = ((), ())  # type: ignore[var-annotated]
    if provider is not None:
        known = PROVIDERS[provider]
        rules, limits = known.error_rules, known.limits  # type: ignore[assignment]
    text = body if isinstance(body, str) else json.dumps(body)
    return classify(Answer(status, headers or {}, text, **more), rules, limits, NOW)


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind", "window"),
    [
        # "quota" in a minute's message
        (ANY, 429, error("Quota exceeded for requests per minute. Check your quota."),
         "slow_down", "1m"),
        (ANY, 429, {"message": "Requests per minute limit exceeded", "param": "quota",
                    "code": "request_quota_exceeded"}, "slow_down", "1m"),
        ("gemini", 429, error("You exceeded your current quota, please check your plan and "
                              "billing details. quotaId: GenerateRequestsPerMinutePerProject"),
         "slow_down", "1m"),
        # a request that never fits, dressed as a minute's refusal
        ("openai", 429, error("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, "
                              "Requested 66247."), "request_too_large", None),
        ("groq", 429, error("Rate limit reached on tokens per minute (TPM): Limit 8000, Used 0, "
                            "Requested 9001. Please try again in 9s."), "request_too_large", None),
        ("openai", 429, error("on tokens per min (TPM): Limit 30,000, Used 29,100, Requested "
                              "1,500. Please try again in 1.2s."), "slow_down", "1m"),
        # 402, and credits under other statuses
        (ANY, 402, error("anything at all"), "credits_gone", None),
        ("openrouter", 402, error("x", metadata={"limit_source": "openrouter_in_flight_budget"}),
         "overloaded", None),
        (ANY, 403, error("Sorry, your account balance is insufficient", code=30001),
         "credits_gone", None),
        (ANY, 429, error("Your account is suspended, please check your plan and billing details",
                         type="exceeded_current_quota_error"), "credits_gone", None),
        (ANY, 403, error("Your newly created team doesn't have any credits yet."),
         "credits_gone", None),
        (ANY, 400, error("NOT_ENOUGH_BALANCE"), "credits_gone", None),
        (ANY, 429, error("账户余额不足"), "credits_gone", None),
        (ANY, 403, error("The free tier of the model has been exhausted."), "credits_gone", None),
        ("openrouter", 403, error("Key limit exceeded (total limit)."), "credits_gone", None),
        ("openrouter", 403, error("Key limit exceeded (daily limit)."), "spent", "1d"),
        # 403 variants
        (ANY, 403, error("Authorization failed"), "key_bad", None),
        (ANY, 403, "", "key_bad", None),
        (ANY, 403, "<html><title>Attention Required! | Cloudflare</title></html>",
         "our_fault", None),
        (ANY, 403, "error code: 1020", "our_fault", None),
        (ANY, 403, error("Country, region, or territory not supported"), "not_on_plan", None),
        (ANY, 400, error("User location is not supported for the API use."), "not_on_plan", None),
        (ANY, 403, error("Your input was flagged by moderation"), "client_fault", None),
        (ANY, 403, error("rateLimitExceeded"), "slow_down", "1m"),
        (ANY, 403, error("You do not have access to this model"), "not_on_plan", None),
        (ANY, 403, error("Your API key was reported as leaked. Use another API key."),
         "key_bad", None),
        # no allowance at all is no wait
        (ANY, 429, error("limit: 0, please retry in 12s"), "not_on_plan", None),
        (ANY, 429, error("Limit 0, Used 0, Requested 10. Try again in 6s"), "not_on_plan", None),
        (ANY, 429, '{"metadata": {"quota_limit_value": "0"}}', "not_on_plan", None),
        (ANY, 429, error("limit: 0.5 requests per second"), "slow_down", "1s"),
        # days, hours, months, seconds
        (ANY, 429, error("You have exceeded today's quota for this model"), "spent", "1d"),
        (ANY, 429, error("Daily request limit reached"), "spent", "1d"),
        (ANY, 429, error("Your daily free quota has been used up"), "spent", "1d"),
        (ANY, 429, error("Rate limit of 150 per 86400s exceeded"), "spent", "1d"),
        (ANY, 429, error("Rate limit of 15 per 60s exceeded"), "slow_down", "1m"),
        (ANY, 429, error("Rate limit exceeded: 250 per 1 hour"), "spent", "1h"),
        (ANY, 429, error("Rate limit exceeded: 60 per 1 minute"), "slow_down", "1m"),
        (ANY, 429, error("Limit is 1 request per second"), "slow_down", "1s"),
        (ANY, 429, error("hourly usage limit reached"), "spent", "1h"),
        (ANY, 429, error("You have reached your monthly token limit"), "spent", "month"),
        (ANY, 429, error("今日调用次数已达上限"), "spent", "1d"),
        # a minute's words with an upsell to days
        (ANY, 429, error("20 requests per minute exceeded; upgrade for 1000 requests per day"),
         "slow_down", "1m"),
        ("anthropic", 429, error("Number of request tokens has exceeded your daily rate limit",
                                 type="rate_limit_error"), "spent", "1d"),
        # overload under other names
        (ANY, 429, error("engine_overloaded_error"), "overloaded", None),
        (ANY, 498, error("Custom: Flex Tier Capacity Exceeded"), "overloaded", None),
        (ANY, 503, error("Model x/y is currently loading", estimated_time=20.0),
         "overloaded", None),
        # what is gone
        (ANY, 400, error("The model `x` has been decommissioned"), "model_gone", None),
        (ANY, 400, error("foo/bar:free is not a valid model ID"), "model_gone", None),
        (ANY, 400, error("temperature must be below 2"), "client_fault", None),
    ],
)  # fmt: skip
def test_traps(provider: str | None, status: int, body: Any, kind: str, window: str | None) -> None:
    outcome = judge(provider, status, body)
    assert (outcome.kind, outcome.window) == (kind, window)
    if kind in ("not_on_plan", "credits_gone", "request_too_large", "key_bad"):
        assert outcome.until is None
    if kind == "slow_down":
        assert outcome.until is not None
        assert NOW < outcome.until <= NOW + 60


def test_413_with_a_wait_that_can_never_help() -> None:
    for provider in PROVIDERS:
        outcome = judge(provider, 413, error("too big"), {"retry-after": "65"})
        assert (outcome.kind, outcome.until, outcome.scope) == (
            "request_too_large",
            None,
            "request",
        )


#: (provider, its own status, its body, what LiteLLM 1.109.1 makes of it, the outcome)
CHANGED: tuple[tuple[str, int, Any, int, str, str], ...] = (
    ("groq", 413, error("Request too large for model on tokens per minute (TPM)"), 429,
     "RateLimitError", "request_too_large"),
    ("gemini", 503, error("The model is overloaded.", status="UNAVAILABLE"), 500,
     "InternalServerError", "overloaded"),
    ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error"}}, 500,
     "InternalServerError", "overloaded"),
    ("deepseek", 402, error("Insufficient Balance"), 400, "BadRequestError", "credits_gone"),
    ("openrouter", 402, error("Insufficient credits"), 402, "APIError", "credits_gone"),
    ("cerebras", 402, {"message": "Payment required", "code": "payment_required"}, 402,
     "APIError", "credits_gone"),
    ("huggingface", 402, error("You have exceeded your monthly included credits"), 402,
     "APIError", "credits_gone"),
    ("sambanova", 402, error("A payment method is required"), 402, "APIError", "credits_gone"),
    ("zai", 429, error("Insufficient balance", code="1113"), 429, "RateLimitError",
     "credits_gone"),
    ("zai", 429, error("Too much concurrency", code="1302"), 429, "RateLimitError", "slow_down"),
    ("nvidia_nim", 400, {"detail": "Function id 'x': DEGRADED function cannot be invoked"}, 400,
     "BadRequestError", "overloaded"),
    ("vercel_ai_gateway", 403, error("", type="customer_verification_required"), 403, "APIError",
     "not_on_plan"),
    ("dashscope", 403, error("x", code="AllocationQuota.FreeTierOnly"), 403, "APIError",
     "credits_gone"),
    ("github_models", 410, "Gone", 410, "APIError", "model_gone"),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 10 API calls / "
                                "minute."}, 500, "APIConnectionError", "slow_down"),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / "
                                "month."}, 500, "APIConnectionError", "spent"),
    ("gemini", 429, error("quotaId: GenerateRequestsPerDayPerProjectPerModel-FreeTier"), 500,
     "APIConnectionError", "spent"),
)  # fmt: skip


@pytest.mark.parametrize("case", CHANGED, ids=lambda c: f"{c[0]}-{c[1]}-as-{c[3]}")
def test_litellms_changed_status_changes_nothing(
    case: tuple[str, int, Any, int, str, str],
) -> None:
    provider, status, body, seen, named, kind = case
    raw = judge(provider, status, body)
    text = body if isinstance(body, str) else json.dumps(body)
    words = {"error": {"message": f"litellm.{named}: {named}: {provider}Exception - {text}",
                       "code": str(seen)}}  # fmt: skip
    retold = judge(provider, seen, words, error_class=named)
    assert raw.kind == retold.kind == kind
    assert (raw.window, raw.until) == (retold.window, retold.until)


@pytest.mark.parametrize(
    ("body", "kind", "window"),
    [
        (error("Rate limit exceeded: free-models-per-min.", code=429), "slow_down", "1m"),
        (error("Rate limit exceeded: free-models-per-day.", code=429), "spent", "1d"),
        (error("Insufficient credits", code=402), "credits_gone", None),
        (error("Provider returned error", code=502), "their_fault", None),
        (error("overloaded", code=503), "overloaded", None),
        (error("x:free is temporarily rate-limited upstream", code=429), "overloaded", None),
    ],
)
def test_an_error_inside_http_200_is_an_error(body: Any, kind: str, window: str | None) -> None:
    for text in (f"data: {json.dumps(body)}\n\n", json.dumps(body)):
        outcome = judge("openrouter", 200, text, phase="stream")
        assert (outcome.kind, outcome.window) == (kind, window)


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({}, {"error": {"message": "slow down", "retry_after": 12.5}}, 12.5),
        ({}, {"error": "slow down", "retryAfterMs": 900}, 0.9),
        ({}, {"message": "slow down", "estimated_time": 20.0}, 20),
        ({"ratelimit": "limit=100, remaining=0, reset=33"}, "slow down", 33),
        ({"ratelimit": '"default";r=0;t=21'}, "slow down", 21),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s",
          "x-ratelimit-remaining-requests": "990", "x-ratelimit-reset-requests": "14m"},
         "tokens per minute", 7.66),
        ({"retry-after": "4"}, {"retry_after": 30}, 4),
        ({}, {"error": {"message": "slow down", "retry_after": "soon"}}, 60),
        ({}, {"error": {"message": "slow down", "retry_after": -5}}, 60),
    ],
)  # fmt: skip
def test_however_the_wait_is_said(headers: dict[str, str], body: Any, wait: float) -> None:
    outcome = judge(None, 429, body, headers)
    assert outcome.kind == "slow_down"
    assert outcome.until == pytest.approx(NOW + wait)
