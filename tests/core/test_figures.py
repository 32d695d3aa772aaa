"""The numbers that refusals give of limits: found where they are plain, else nothing."""

from __future__ import annotations

import pytest

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.outcome import classify
from freeloader.core.outcome.figures import size

PROVIDERS = load(prices=None).providers
GROQ = (
    '{"error":{"message":"Rate limit reached for model `openai/gpt-oss-120b` in organization '
    "`org_x` service tier `on_demand` on %s: Limit %s, Used %s, Requested 1. Please try again "
    'in 3.4s. Need more tokens? Upgrade","code":"rate_limit_exceeded"}}'
)
GEMINI = (
    '{"error":{"code":429,"message":"You exceeded your current quota. * Quota exceeded for metric: '
    'x/generate_content_free_tier_requests, limit: 5, model: m\\nPlease retry in 32.6s.","details":'
    '[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier",'
    '"quotaValue":"5"}]}]}}'
)
OPENROUTER = (
    '{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 '
    'free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50",'
    '"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1791676800000"}}}}'
)


@pytest.mark.parametrize(
    ("provider", "body", "expected"),
    [
        ("groq", GROQ % ("tokens per minute (TPM)", 8000, 2591), ("1m", "tokens", 8000)),
        ("groq", GROQ % ("requests per day (RPD)", 1000, 1000), ("1d", "requests", 1000)),
        ("groq", GROQ % ("tokens per day (TPD)", "200,000", 0), ("1d", "tokens", 200_000)),
        ("gemini", GEMINI, ("1m", "requests", 5)),
        ("gemini", GEMINI.replace('"5"', '"7"'), ("1m", "requests", None)),
        ("openrouter", OPENROUTER, ("1d", "requests", 50)),
        ("together", "6.5 of limit 7 requests per 10 minutes", ("10m", "requests", 7)),
        (
            "nvidia_nim",
            '{"status":429,"title":"Too Many Requests"}',
            ("1m", "requests", None),
        ),
    ],
)
def test_which_limit_it_is_and_how_large(
    provider: str, body: str, expected: tuple[object, ...]
) -> None:
    known = PROVIDERS[provider]
    found = classify(Answer(429, {}, body), known.error_rules, known.limits, 1_790_980_000.0)
    assert (found.window, found.metric, found.limit) == expected


@pytest.mark.parametrize(
    ("text", "metric", "expected"),
    [
        ("on requests per min. Limit: 3 / min. Current: 4 / min.", "requests", 3),
        ("Limit: 40000.000000 / min. Current: 40020.000000 / min.", "tokens", 40_000),
        ("Rate limit of 50 per 86400s exceeded for UserByModelByDay.", "requests", 50),
        ("a Trial key, which is limited to 10 API calls / minute", "requests", 10),
        ("rate limit of 50,000 input tokens per minute (org: x)", "input", 50_000),
        ("rate limit of 50,000 input tokens per minute (org: x)", "requests", None),
        ("rate limit for this model is 6.0 queries and 18 tokens per minute", "requests", 6),
        ("rate limit for this model is 6.0 queries and 18 tokens per minute", "tokens", None),
        ("limit of 10 requests per minute, limit of 9000 tokens", "requests", None),
        ("the limit of 5 MB is exceeded", "requests", None),
        ("limit: 0, model: m", "requests", None),
        ("limit 20k", "tokens", None),
        ("limit 1.5", "requests", None),
        ("limit: 95% reached", "requests", None),
        ("Limit 3, Used 2", "concurrency", None),
        ("Limit 3, Used 2", None, None),
        ("rate limit reached", "requests", None),
    ],
)
def test_what_is_no_plain_number_of_that_limit_says_nothing(
    text: str, metric: str | None, expected: int | None
) -> None:
    assert size(text, metric) == expected
