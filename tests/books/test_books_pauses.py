"""A deployment's pause ends when its window does: every provider's style of refusal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_ledger import FakeLedger

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.catalog import load
from freeloader.clock import Instant
from freeloader.core.budget import BudgetRules
from freeloader.core.events import Answer
from freeloader.core.model import Account, Deployment, Model, Policy, Verdict
from freeloader.core.outcome import Outcome, classify
from freeloader.core.periods import period, window_seconds
from freeloader.money import Meters

NOW = datetime(2026, 10, 2, 22, 26, 40, tzinfo=UTC).timestamp()
ASK = Meters(requests=1, input=10, output=10)
CASES: list[dict[str, Any]] = [
    case
    for case in json.loads(
        (Path(__file__).parents[1] / "core" / "refusal_cases.json").read_text("utf-8")
    )
    if case["expect"]["kind"] in ("slow_down", "spent", "overloaded")
]
#: Judged at a moment of their own, a summer's afternoon.
THEN = 1_790_000_000.0
JUDGED: list[dict[str, Any]] = [
    case
    for case in json.loads(
        (Path(__file__).parents[1] / "core" / "refusals_judged.json").read_text("utf-8")
    )
    if case["provider"] and case["expect"][0] in ("slow_down", "spent", "overloaded")
]
CATALOG = load(prices=None)
#: Styles that were not captured, per provider: what it says, and the longest it may rest.
STYLES: tuple[tuple[str, int, dict[str, str], str, float], ...] = (
    ("groq", 429, {"retry-after": "86"}, "on requests per day (RPD): try again in 1m26.4s", 86.4),
    ("groq", 429, {"retry-after": "99999"}, "on tokens per minute (TPM)", 60),
    ("gemini", 429, {}, "PerDay. Please retry in 7s", 30_800),
    ("gemini", 429, {}, "RequestsPerMinutePerProject. Please retry in 23s", 23),
    ("openrouter", 429, {"x-ratelimit-reset": str(int((NOW + 17) * 1000))},
     "free-models-per-min", 17),
    ("cohere", 429, {}, "API calls / minute", 60),
    ("cohere", 429, {}, "API calls / month", 2_511_200),
    ("cloudflare", 429, {"retry-after": "30"}, "daily free allocation", 5_600),
    ("mistral", 429, {}, '{"code": "1300"}', 60),
    ("zai", 429, {}, '{"error": {"code": "1302"}}', 1),
    ("zai", 429, {}, '{"error": {"code": "1303"}}', 5),
    ("nvidia_nim", 429, {}, "Too Many Requests", 60),
    ("ovhcloud", 429, {}, "slow", 60),
    ("kilo", 429, {"retry-after": "600"}, "slow", 600),
    ("kilo", 429, {}, "slow", 3_600),
    ("llm7", 429, {}, "Rate limit exceeded: 60 per 1 minute", 60),
    ("llm7", 429, {}, "Rate limit exceeded: 250 per 1 hour", 3_600),
    ("codestral", 429, {"retry-after": "7"}, "slow", 7),
    ("requesty", 429, {"retry-after": "12"}, "slow", 12),
    ("cerebras", 429, {}, "Requests per minute limit exceeded", 60),
    ("cerebras", 429, {"retry-after": "1200"}, "Tokens per day limit exceeded", 1_200),
    ("ollama_cloud", 429, {}, "you have reached your session usage limit", 18_000),
    ("sambanova", 429, {"x-ratelimit-remaining-requests": "0", "retry-after": "9"}, "slow", 9),
    ("pollinations", 402, {}, "not enough pollen", 3_600),
    ("anthropic", 529, {}, "overloaded_error", 2),
    ("together", 503, {"retry-after": "11"}, "", 11),
    ("mistral", 429, {"ratelimitbysize-reset": "17"}, '{"code": "1300"}', 17),
    ("huggingface", 429, {}, "exceeded your GPU quota (60s). Try again in 1:30:00", 5_400),
    ("groq", 429, {"retry-after": "10"}, "error code: 1015", 10),
    ("gemini", 429, {}, 'PerMinute, retry_delay { seconds: 34 }', 34),
    ("together", 429, {"x-ms-retry-after-ms": "2500"}, "slow", 2.5),
    ("requesty", 429, {}, "Tageskontingent überschritten", 5_600),
    ("llm7", 429, {}, "RPM limit exceeded. Paid plans have RPD: 10000", 60),
    ("anthropic", 429, {"anthropic-ratelimit-tokens-remaining": "0",
                        "anthropic-ratelimit-tokens-reset": "2026-10-02T22:27:10Z"},
     "rate_limit_error", 30),
)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.wall = NOW

    def now(self) -> Instant:
        return Instant(self.wall, self.wall - NOW + 1000.0)


def deployed(provider: str, model: str | None) -> Deployment:
    known = CATALOG.providers[provider]
    mine = [m for (name, _), m in CATALOG.models.items() if name == provider]
    found = next((m for m in mine if m.id == model), mine[0] if mine else None)
    found = found or Model("m", provider, "m")
    name = f"{provider}@1/{found.id}"
    return Deployment(name, known, Account(provider, 1), found, name, known.base_url)


async def resting(what: Deployment, answer: Answer) -> tuple[Outcome, float, Books, Clock]:
    """Refuses one attempt; seconds until another is let through."""
    clock = Clock()
    books = Books(FakeLedger(), clock, BudgetRules())
    books.set_deployments([what])
    held = await books.reserve("first", "r", what, ASK, None, "k", Policy(), clock.now())
    assert isinstance(held, Hold)
    outcome = classify(answer, what.provider.error_rules, what.limits, NOW)
    await books.release(held, clock.now(), sent=True)
    books.record(what, outcome, 5.0, None, 0, clock.now())
    for _ in range(10):
        verdict = books.paused(what, clock.wall) or books.quota(what, ASK, clock.wall)
        if verdict is None:
            return outcome, clock.wall - NOW, books, clock
        assert verdict.until is not None, verdict
        assert verdict.until > clock.wall
        clock.wall = verdict.until
    raise AssertionError("it goes on for ever")


async def only_one_tries(books: Books, clock: Clock, what: Deployment) -> None:
    """After a pause one real request goes first; when it is answered, all may."""
    now = clock.now()
    first = await books.reserve("probe", "r2", what, ASK, None, "k", Policy(), now)
    assert isinstance(first, Hold)
    second = await books.reserve("other", "r3", what, ASK, None, "k", Policy(), now)
    assert isinstance(second, Verdict)
    await books.settle(first, ASK, "reported", now)
    books.record(what, None, 5.0, 1.0, 10, now)
    assert books.paused(what, clock.wall) is None


def longest(outcome: Outcome, what: Deployment) -> float:
    if outcome.kind == "overloaded":
        return 300.0
    if outcome.window == "month":
        return period("month", "UTC", NOW).end - NOW
    limits = [x for x in what.limits if x.window == outcome.window and x.reset == "calendar"]
    if outcome.window == "1d" and limits and limits[0].metric == outcome.metric:
        return period("1d", limits[0].timezone, NOW).end - NOW
    return window_seconds(outcome.window or "1m")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
async def test_a_captured_refusal_rests_as_long_as_its_window_and_no_longer(
    case: dict[str, Any],
) -> None:
    what = deployed(case["provider"], case["model"])
    body = "" if case["body"] is None else json.dumps(case["body"])
    answer = Answer(case["status"], case["headers"], body)
    outcome, seconds, books, clock = await resting(what, answer)
    assert 0 < seconds <= longest(outcome, what) + 1e-3
    if outcome.kind == "slow_down" and outcome.until is not None:
        assert seconds == pytest.approx(outcome.until - NOW, abs=1)
    await only_one_tries(books, clock, what)


@pytest.mark.parametrize("style", STYLES, ids=lambda s: f"{s[0]}-{s[3][:24]}")
async def test_styles_of_refusal(style: tuple[str, int, dict[str, str], str, float]) -> None:
    provider, status, headers, body, rest = style
    what = deployed(provider, None)
    _, seconds, books, clock = await resting(what, Answer(status, headers, body))
    assert seconds == pytest.approx(rest, abs=0.5)
    await only_one_tries(books, clock, what)


@pytest.mark.parametrize("case", JUDGED, ids=lambda c: c["id"])
async def test_a_judged_refusal_rests_for_as_long_as_it_was_judged_to(
    case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "NOW", THEN)
    what = deployed(case["provider"], None)
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    phase = "stream" if case["status"] == 200 else "head"
    answer = Answer(case["status"], case.get("headers", {}), body, phase=phase)
    outcome, seconds, books, clock = await resting(what, answer)
    if outcome.until is None:
        assert outcome.kind == "overloaded"
        assert 0 < seconds <= 300
    else:
        assert seconds == pytest.approx(outcome.until - THEN, abs=1)
    await only_one_tries(books, clock, what)


async def test_a_spent_day_at_gemini_is_not_tried_before_midnight_pacific() -> None:
    what = deployed("gemini", None)
    for said in ("2s", "59m", "38.9s"):
        answer = Answer(429, {"retry-after": "3"}, f"PerDay. Please retry in {said}")
        _, seconds, _, _ = await resting(what, answer)
        assert NOW + seconds == datetime(2026, 10, 3, 7, 0, tzinfo=UTC).timestamp()


async def test_no_allowance_is_not_a_wait() -> None:
    what = deployed("gemini", None)
    clock = Clock()
    books = Books(FakeLedger(), clock, BudgetRules())
    books.set_deployments([what])
    outcome = classify(Answer(429, {}, "limit: 0, retry in 9s"), what.provider.error_rules, (), NOW)
    books.record(what, outcome, 5.0, None, 0, clock.now())
    verdict = books.paused(what, NOW + 3600)
    assert verdict is not None
    assert verdict.until is None


async def test_a_spent_day_without_a_window_is_not_asked_again_after_a_restart() -> None:
    what = deployed("gemini", None)
    what = replace(what, account=replace(what.account, tier="none-of-the-registrys"))
    assert not what.limits
    ledger, clock = FakeLedger(), Clock()

    async def opened() -> Books:
        books = Books(ledger, clock, BudgetRules())
        books.set_deployments([what])
        await books.load()
        return books

    books = await opened()
    outcome = classify(Answer(429, {}, "PerDay"), what.provider.error_rules, (), NOW)
    books.record(what, outcome, 5.0, None, 0, clock.now())
    await books.flush_dirty()
    clock.wall += 60
    books = await opened()  # as after kill -9
    verdict = books.paused(what, clock.wall)
    assert verdict is not None
    assert verdict.until == outcome.until
    clock.wall = verdict.until or 0
    await only_one_tries(books, clock, what)
    await books.flush_dirty()
    assert (await opened()).paused(what, NOW + 120) is None


async def test_a_bad_key_is_tried_afresh_after_a_restart() -> None:
    what = deployed("groq", None)
    ledger, clock = FakeLedger(), Clock()
    books = Books(ledger, clock, BudgetRules())
    books.set_deployments([what])
    outcome = classify(Answer(401, {}, "invalid api key"), what.provider.error_rules, (), NOW)
    books.record(what, outcome, 5.0, None, 0, clock.now())
    assert books.paused(what, clock.wall) is not None
    await books.flush_dirty()
    assert not any(key.startswith("pause|") for key in ledger.windows)
