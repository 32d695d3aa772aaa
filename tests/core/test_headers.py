"""Success headers as observations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.catalog import load
from freeloader.core.model import RateLimitHeader
from freeloader.core.outcome.headers import Observation, observations

NOW = 1790980000.0
PROVIDERS = load(prices=None).providers


def seen(provider: str, headers: dict[str, str]) -> set[Observation]:
    return set(observations(headers, PROVIDERS[provider].rate_limit_headers, NOW))


def test_groq_requests_are_a_day_and_tokens_a_minute() -> None:
    headers = {
        "X-RateLimit-Limit-Requests": "1000",
        "x-ratelimit-remaining-requests": "999",
        "x-ratelimit-remaining-tokens": "7890",
        "x-ratelimit-reset-requests": "1m26.4s",
        "x-ratelimit-reset-tokens": "825ms",
    }
    found = seen("groq", headers)
    assert Observation("requests", "1d", "limit", 1000) in found
    assert Observation("requests", "1d", "remaining", 999) in found
    assert Observation("tokens", "1m", "remaining", 7890) in found
    resets = {(o.window, round(o.value - NOW, 3)) for o in found if o.means == "reset"}
    assert resets == {("1d", 86.4), ("1m", 0.825)}


def test_cerebras_has_minute_hour_and_day() -> None:
    headers = {
        "x-ratelimit-limit-requests-minute": "5",
        "x-ratelimit-limit-requests-hour": "150",
        "x-ratelimit-limit-tokens-day": "1000000",
        "x-ratelimit-reset-requests-day": "11726.28",
    }
    found = seen("cerebras", headers)
    assert {(o.metric, o.window) for o in found} == {
        ("requests", "1m"),
        ("requests", "1h"),
        ("tokens", "1d"),
        ("requests", "1d"),
    }
    reset = next(o for o in found if o.means == "reset")
    assert reset.value == pytest.approx(NOW + 11726.28)


def test_anthropics_reset_is_a_moment() -> None:
    found = seen("anthropic", {"anthropic-ratelimit-input-tokens-reset": "2026-10-02T22:27:00Z"})
    then = datetime(2026, 10, 2, 22, 27, tzinfo=UTC).timestamp()
    assert found == {Observation("input", "1m", "reset", then)}


def test_what_litellm_passes_on_is_the_providers() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "1",
        "llm_provider-x-ratelimit-remaining-requests": "42",
    }
    assert seen("groq", headers) == {Observation("requests", "1d", "remaining", 42)}


def test_openrouters_window_is_unknown_on_a_success() -> None:
    assert seen("openrouter", {"X-RateLimit-Remaining": "3"}) == set()


@pytest.mark.parametrize("value", ["-1", "", "many", "nan", "1e400", "Infinity"])
def test_a_wrong_number_is_no_number(value: str) -> None:
    assert seen("groq", {"x-ratelimit-remaining-requests": value}) == set()


@given(
    st.dictionaries(
        st.sampled_from([h.name for p in PROVIDERS.values() for h in p.rate_limit_headers]),
        st.text(max_size=20),
    )
)
def test_values_are_never_negative_and_resets_never_past(headers: dict[str, str]) -> None:
    for provider in PROVIDERS.values():
        for found in observations(headers, provider.rate_limit_headers, NOW):
            assert found.value >= (NOW if found.means == "reset" else 0)


@pytest.mark.parametrize("form", ["duration", "seconds", "epoch_s", "epoch_ms", "rfc3339"])
@pytest.mark.parametrize(
    "said",
    ["90", "1m30s", "90000ms", f"{NOW + 90:.0f}", f"{(NOW + 90) * 1000:.0f}", "PT1M30S",
     "2026-10-02T22:28:10Z", "Fri, 02 Oct 2026 22:28:10 GMT"],
)  # fmt: skip
def test_a_reset_is_read_in_whatever_form_it_comes(said: str, form: str) -> None:
    """A provider that goes over from seconds to milliseconds shuts nobody out for a month."""
    fact = RateLimitHeader("x-reset", "requests", "1d", "reset", form)
    (found,) = observations({"x-reset": said}, [fact], NOW)
    assert found.value == NOW + 90
