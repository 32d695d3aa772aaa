"""Refusals as providers sent them, and the words in them that lie."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.model import Limit, Provider
from freeloader.core.outcome import BUSY, KINDS, Outcome, classify, durations, messages
from freeloader.core.periods import window_seconds

NOW = datetime(2026, 10, 2, 22, 26, 40, tzinfo=UTC).timestamp()
CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "refusal_cases.json").read_text("utf-8")
)
PROVIDERS = load(prices=None).providers


def judge(
    provider: str, status: int | None, body: Any = "", now: float = NOW, **answer: Any
) -> Outcome:
    known: Provider = PROVIDERS[provider]
    text = body if isinstance(body, str) else json.dumps(body)
    given_headers = answer.pop("headers", {})
    return classify(
        Answer(status, given_headers, text, **answer), known.error_rules, known.limits, now
    )


def of_case(case: dict[str, Any]) -> tuple[str, int, Any, dict[str, str]]:
    body = "" if case["body"] is None else case["body"]
    return case["provider"], case["status"], body, case["headers"]


def check(case: dict[str, Any], outcome: Outcome) -> None:
    expect = case["expect"]
    assert outcome.kind == expect["kind"]
    if "scope" in expect:
        assert outcome.scope == expect["scope"]
    if "window" in expect:
        assert outcome.window == expect["window"]
    if expect.get("wait", "unsaid") is None:
        assert outcome.until is None
    elif "wait" in expect:
        assert outcome.until is not None
        assert outcome.until - NOW == pytest.approx(expect["wait"], abs=1)
    if outcome.kind == "slow_down":
        assert outcome.until is not None
        assert NOW <= outcome.until <= NOW + 60


def test_there_are_all_captured_cases() -> None:
    assert len(CASES) == 47


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_a_captured_answer_means_what_it_meant(case: dict[str, Any]) -> None:
    provider, status, body, headers = of_case(case)
    check(case, judge(provider, status, body, headers=headers))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_litellm_wrapping_does_not_change_the_meaning(case: dict[str, Any]) -> None:
    """LiteLLM turns 413 into 429, 503 into 500, and hides the body in a message."""
    provider, status, body, headers = of_case(case)
    if status < 400 or case["id"] in ("groq_06", "anthropic_02"):
        pytest.skip("nothing to wrap")
    seen = {413: 429, 503: 500}.get(status, status)
    message = f"litellm.RateLimitError: RateLimitError: GroqException - {json.dumps(body)}"
    wrapped = {"error": {"message": message, "type": "throttling_error", "code": str(seen)}}
    upstream = {f"llm_provider-{k}": v for k, v in headers.items()}
    check(case, judge(provider, seen, wrapped, headers=upstream, error_class="RateLimitError"))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_generic_rules_alone_are_never_worse_than_a_wrong_wait(case: dict[str, Any]) -> None:
    """An unknown host with the same body: no refusal may pass as the client's fault or as ok."""
    _, status, body, headers = of_case(case)
    text = body if isinstance(body, str) else json.dumps(body)
    outcome = classify(Answer(status, headers, text), (), (), NOW)
    if status == 429:
        assert outcome.kind not in ("client_fault", "ok", "key_bad", "their_fault")
    if status < 300:
        assert outcome.kind == "ok"


GEMINI_DAY = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in {}.",
        "details": [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProject-FreeTier"}]}],
    }
}


@pytest.mark.parametrize(
    ("said", "wait"), [("38.9s", 30800), ("59m59s", 30800), ("1h29m28s", 5368), ("8h57m50s", 32270)]
)
def test_geminis_delay_on_a_day_counts_only_above_an_hour(said: str, wait: float) -> None:
    body = json.dumps(GEMINI_DAY).replace("{}", said)
    outcome = judge("gemini", 429, body)
    assert (outcome.kind, outcome.window) == ("spent", "1d")
    assert outcome.until is not None
    assert outcome.until - NOW == pytest.approx(wait, abs=1)


def test_geminis_midnight_is_pacific_through_the_end_of_summer_time() -> None:
    now = datetime(2026, 11, 1, 8, 30, tzinfo=UTC).timestamp()  # 01:30 PDT, a 25-hour day
    outcome = judge("gemini", 429, GEMINI_DAY, now)
    assert outcome.until == datetime(2026, 11, 2, 8, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("provider", "message", "kind", "window"),
    [
        ("gemini", "quota exceeded: RequestsPerMinutePerProject, retry in 20s", "slow_down", "1m"),
        ("gemini", "quota exceeded, limit: 0, model: x. Please retry in 11s.", "not_on_plan", None),
        ("gemini", "limit: 05, PerMinute", "slow_down", "1m"),
        ("openrouter", "free-models-per-min. Add 10 credits for 1000 per day", "slow_down", "1m"),
        ("openrouter", "free-models-per-day", "spent", "1d"),
        ("cerebras", 'Tokens per minute limit exceeded "param": "quota"', "slow_down", "1m"),
        ("groq", "on tokens per day (TPD): try again in 9m38.016s", "spent", "1d"),
        ("groq", "Request too large, on tokens per minute (TPM)", "request_too_large", None),
        ("cloudflare", 'daily free allocation of 10,000 neurons "code": 4006', "spent", "1d"),
        ("zai", '{"error": {"code": "1302", "message": "x"}}', "slow_down", None),
        ("zai", '{"error": {"code": "1305", "message": "x"}}', "overloaded", None),
        ("zai", '{"error": {"code": "13021", "message": "x"}}', "slow_down", "1m"),
    ],
)
def test_words_that_lie(provider: str, message: str, kind: str, window: str | None) -> None:
    outcome = judge(provider, 429, message)
    assert (outcome.kind, outcome.window) == (kind, window)


def test_groqs_day_is_a_bucket_not_a_midnight() -> None:
    body = "on tokens per day (TPD): Limit 100000. Please try again in 9m38.016s."
    outcome = judge("groq", 429, body)
    assert outcome.until is not None
    assert outcome.until - NOW == pytest.approx(578.016)


def test_the_same_trap_without_provider_rules() -> None:
    text = "Rate limit exceeded: free-models-per-min. Unlock 1000 requests per day"
    assert classify(Answer(429, {}, text), (), (), NOW).window == "1m"


def test_a_reset_in_the_past_is_not_believed() -> None:
    headers = {"X-RateLimit-Reset": str(int((NOW - 5) * 1000))}
    outcome = judge("openrouter", 429, "free-models-per-min", headers=headers)
    assert outcome.until == NOW + 60


def test_a_reset_inside_the_body_is_read() -> None:
    reset = int((NOW + 20) * 1000)
    body = {
        "error": {
            "message": "free-models-per-min",
            "metadata": {"headers": {"X-RateLimit-Reset": str(reset)}},
        }
    }
    outcome = judge("openrouter", 429, body)
    assert outcome.until == pytest.approx(NOW + 20)


def test_zais_printed_time_is_beijing_time() -> None:
    now = datetime(2026, 9, 3, 9, 0, tzinfo=UTC).timestamp()
    body = {"error": {"code": "1308", "message": "Your limit will reset at 2026-09-03 18:01:05"}}
    outcome = judge("zai", 429, body, now)
    assert outcome.until == datetime(2026, 9, 3, 10, 1, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("value", ["-5", "-99999999999", "0"])
def test_a_wait_of_nothing_is_not_believed(value: str) -> None:
    outcome = judge("groq", 429, "on tokens per minute (TPM)", headers={"retry-after": value})
    assert outcome.until == NOW + 1


@pytest.mark.parametrize("value", ["99999999", "3600", "31536000"])
def test_a_minutes_refusal_lasts_a_minute_at_most(value: str) -> None:
    outcome = judge("groq", 429, "on tokens per minute (TPM)", headers={"retry-after": value})
    assert outcome.until == NOW + 60


def test_a_long_wait_of_an_unknown_window_is_believed_up_to_a_day() -> None:
    outcome = classify(Answer(429, {"retry-after": "7200"}, "slow"), (), (), NOW)
    assert (outcome.kind, outcome.window, outcome.until) == ("spent", "1d", NOW + 7200)
    endless = classify(Answer(429, {"retry-after": "9" * 12}, ""), (), (), NOW)
    assert endless.until == NOW + 86400


@pytest.mark.parametrize(
    ("status", "body", "kind", "retry", "blame"),
    [
        (401, "", "key_bad", "other", "account"),
        (403, "", "key_bad", "other", "account"),
        (400, "API key not valid. Please pass a valid API key.", "key_bad", "other", "account"),
        (402, "", "credits_gone", "other", "account"),
        (413, "", "request_too_large", "other", "client"),
        (
            400,
            "This model's maximum context length is 8192",
            "request_too_large",
            "other",
            "client",
        ),
        (400, {"error": {"message": "bad temperature"}}, "client_fault", "none", "client"),
        (422, {"detail": "extra_forbidden"}, "our_fault", "other", "us"),
        (
            400,
            "Function call is missing a thought_signature",
            "incompatible_history",
            "other",
            "us",
        ),
        (400, "No connected db.", "our_fault", "other", "us"),
        (429, "Slow down. Upgrade your plan for more.", "slow_down", "other", "account"),
        (404, {"error": {"message": "no such model"}}, "model_gone", "other", "provider"),
        (410, "Gone", "model_gone", "other", "provider"),
        (408, "litellm.Timeout", "their_fault", "other", "provider"),
        (500, "", "their_fault", "other", "provider"),
        (502, "<html>", "their_fault", "other", "provider"),
        (503, "", "overloaded", "other", "provider"),
        (529, "", "overloaded", "other", "provider"),
        (None, "", "their_fault", "other", "provider"),
    ],
)
def test_by_status(status: int | None, body: Any, kind: str, retry: str, blame: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    outcome = classify(Answer(status, {}, text), (), (), NOW)
    assert (outcome.kind, outcome.retry, outcome.blame) == (kind, retry, blame)


def test_the_lanes_own_break_is_nobody_elses_fault() -> None:
    outcome = classify(Answer(None, {}, "child gone", lane_fault=True), (), (), NOW)
    assert (outcome.kind, outcome.blame, outcome.retry) == ("our_fault", "lane", "same")


def test_h9_a_lane_that_has_no_room_says_when_and_asks_for_another_provider() -> None:
    full = Answer(None, {}, "too many calls", error_class=BUSY, phase="connect", lane_fault=True)
    outcome = classify(full, (), (), NOW)
    assert (outcome.kind, outcome.scope, outcome.blame) == ("our_fault", "request", "lane")
    assert (outcome.retry, outcome.until) == ("other", NOW + 1.0)


def test_a_timeout_blames_the_provider_whatever_the_status() -> None:
    outcome = classify(Answer(None, timeout=True), (), (), NOW)
    assert (outcome.kind, outcome.blame) == ("their_fault", "provider")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('data: {"error": {"code": 429, "message": "Rate limit exceeded"}}', "slow_down"),
        ('{"error": {"code": 503, "message": "Provider is gone"}}', "overloaded"),
        ('{"error": {"message": "something broke"}}', "their_fault"),
        ("", "their_fault"),
    ],
)
def test_errors_inside_a_successful_stream(body: str, kind: str) -> None:
    assert classify(Answer(200, {}, body, phase="stream"), (), (), NOW).kind == kind


def test_minimax_refuses_inside_a_success() -> None:
    body = {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    assert judge("minimax", 200, body).kind == "credits_gone"


def test_litellms_python_repr_and_bytes_are_read() -> None:
    day = '{\\n "error": {"code": 503, "message": "The model is overloaded."}}'
    wrapped = {"error": {"message": f"litellm.InternalServerError: GeminiException - b'{day}'"}}
    assert judge("gemini", 500, wrapped).kind == "overloaded"
    repr_ = "Error code: 429 - {'error': {'message': 'no', 'code': 'insufficient_quota'}}"
    assert judge("openai", 429, {"error": {"message": repr_}}).kind == "credits_gone"


def test_a_body_cut_off_in_the_middle_is_still_read() -> None:
    text = json.dumps({"error": {"message": "on tokens per day (TPD): try again in 2m", "x": 1}})
    assert judge("groq", 429, text[:-9]).window == "1d"


@given(
    status=st.sampled_from([None, 200, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529]),
    body=st.text(max_size=300),
    retry=st.text(max_size=20) | st.integers().map(str) | st.floats().map(str),
    name=st.sampled_from(sorted(PROVIDERS)),
)
def test_whatever_comes_the_verdict_is_bounded(
    status: int | None, body: str, retry: str, name: str
) -> None:
    outcome = judge(name, status, body, headers={"retry-after": retry, "x-ratelimit-reset": retry})
    assert outcome.kind in KINDS
    assert len(outcome.reason) <= 300
    if outcome.until is not None:
        longest = window_seconds(outcome.window) if outcome.window not in (None, "once") else 86400
        assert NOW <= outcome.until <= NOW + max(longest, 26 * 3600)


@given(st.text(max_size=60))
def test_duration_parsers_never_raise_and_never_go_negative(text: str) -> None:
    parsed = (
        durations.go_duration(text),
        durations.wait(text, NOW),
        messages.wait_in_message(text, NOW),
    )
    for value in parsed:
        assert value is None or 0 <= value <= durations.LONGEST


@given(h=st.integers(0, 700), m=st.integers(0, 59), s=st.integers(0, 59), ms=st.integers(0, 999))
def test_go_durations_round_trip(h: int, m: int, s: int, ms: int) -> None:
    text = f"{h}h{m}m{s}.{ms:03}s"
    assert durations.go_duration(text) == pytest.approx(h * 3600 + m * 60 + s + ms / 1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("825ms", 0.825),
        ("1m26.4s", 86.4),
        ("8h57m50.97s", 32270.97),
        ("26.28", 26.28),
        (str(int((NOW + 5) * 1000)), 5),
        ("2026-10-02T22:26:45Z", 5),
        ("Fri, 02 Oct 2026 22:26:45 GMT", 5),
        ("soon", None),
        ("1h 5m", None),
    ],
)
def test_every_way_to_write_later(text: str, seconds: float | None) -> None:
    found = durations.wait(text, NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_calendar_limit_overrules_a_short_hint_on_any_provider() -> None:
    limits = (Limit("requests", 20, "1d", reset="calendar", timezone="UTC"),)
    text = "Daily limit reached, try again in 12s"
    outcome = classify(Answer(429, {}, text), (), limits, NOW)
    assert outcome.until == datetime(2026, 10, 3, tzinfo=UTC).timestamp()
