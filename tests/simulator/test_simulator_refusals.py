"""Each provider's refusals against what was captured from the real ones."""

from __future__ import annotations

import pytest

from freeloader.simulator.config import LimitSpec
from freeloader.simulator.quota import Breach
from freeloader.simulator.wire.refusals import (
    Scene,
    breach_kind,
    captured,
    captured_cases,
    go_duration,
    refuse,
    refuse_breach,
    styles,
)

NOW = 1_795_000_000.0


def _scene(style, model="some-model", **more):
    return Scene(style, model, "account-one", "sk-secret-key-value", NOW, **more)


def _breach(metric, amount, window, used=0, requested=1, wait=30.0, **more):
    limit = LimitSpec(metric, amount, window, reset="refill", scope="model")
    return Breach(limit, used, requested, wait, **more)


def _shape(value):
    """Keys and types, without the values."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value]
    return type(value).__name__


BREACHES = {
    "groq_02": ("groq", _breach("tokens", 8000, "1m", 2591, 5863, 3.405)),
    "groq_04": ("groq", _breach("tokens", 8000, "1m", 0, 11088, None, too_large=True)),
    "gemini_01": ("gemini", _breach("requests", 20, "1d", 20)),
    "gemini_02": ("gemini", _breach("requests", 500, "1d", 500, 1, 32270.969470679)),
    "gemini_04": ("gemini", _breach("requests", 5, "1m", 5)),
    "gemini_06": ("gemini", _breach("input", 16000, "1m", 16000)),
    "gemini_07": ("gemini", _breach("requests", 0, "1d", 0, 1, None)),
    "openrouter_01": ("openrouter", _breach("requests", 50, "1d", 50)),
    "openrouter_02": ("openrouter", _breach("requests", 1000, "1d", 1000)),
    "openrouter_03": ("openrouter", _breach("requests", 20, "1m", 20)),
    "openrouter_05": ("openrouter", _breach("usd", 10, "once", 10, 1, None)),
    "openai_01": ("openai", _breach("usd", 10, "once", 10, 1, None)),
    "anthropic_01": ("anthropic", _breach("input", 50000, "1m", 50000)),
    "mistral_02": ("mistral", _breach("requests", 0, "1m", 0, 1, None)),
    "mistral_03": ("mistral", _breach("tokens", 500000, "month", 500000)),
    "together_01": ("together", _breach("requests", 6, "1m", 6)),
    "cohere_02": ("cohere", _breach("requests", 10, "1m", 10)),
    "cerebras_01": ("cerebras", _breach("tokens", 30000, "1m", 30000)),
    "cerebras_02": ("cerebras", _breach("tokens", 10**6, "1d", 10**6, 1, 86398.2)),
    "cerebras_04": ("cerebras", _breach("usd", 10, "once", 10, 1, None)),
    "deepseek_01": ("deepseek", _breach("usd", 10, "once", 10, 1, None)),
    "huggingface_01": ("huggingface", _breach("usd", 10, "month", 10)),
    "nvidia_nim_01": ("nvidia_nim", _breach("requests", 40, "1m", 40)),
    "ollama_cloud_02": ("ollama_cloud", _breach("tokens", 10, "5h", 10)),
    "zai_02": ("zai", _breach("usd", 0, "once", 0, 1, None)),
    "zai_03": ("zai", _breach("tokens", 10, "7d", 10)),
    "github_models_01": ("github_models", _breach("requests", 50, "1d", 50, 1, 5631)),
    "azure_01": ("azure", _breach("tokens", 10, "1m", 10, 1, 7)),
    "bedrock_01": ("bedrock", _breach("tokens", 10, "1d", 10)),
}
KINDS = {
    "groq_07": ("groq", "tool_use_failed"),
    "openrouter_04": ("openrouter", "overload"),
    "mistral_04": ("mistral", "overload"),
    "together_02": ("together", "dynamic"),
    "nvidia_nim_02": ("nvidia_nim", "overload"),
    "cloudflare_02": ("cloudflare", "overload"),
    "cloudflare_03": ("cloudflare", "not_on_plan"),
}


def _agrees(refusal, case):
    real = captured_cases()[case]
    assert refusal.status == real["status"]
    assert _shape(refusal.body) == _shape(real["body"])
    named = {name.lower() for name in refusal.headers}
    own = {n.lower() for n in real["headers"] if "tokens-month" not in n}
    assert own <= named


@pytest.mark.parametrize("case", BREACHES)
def test_a_limit_refuses_in_the_shape_that_was_captured(case):
    style, breach = BREACHES[case]
    _agrees(refuse_breach(_scene(style), breach), case)


@pytest.mark.parametrize("case", KINDS)
def test_other_refusals_have_the_shape_that_was_captured(case):
    style, kind = KINDS[case]
    _agrees(refuse(_scene(style), kind), case)


@pytest.mark.parametrize(
    ("case", "model"),
    [("groq_02", "openai/gpt-oss-120b"), ("groq_04", "openai/gpt-oss-120b"), ("gemini_02", None),
     ("gemini_07", "gemini-3.1-pro"), ("cohere_02", None), ("cerebras_01", None),
     ("cerebras_02", None), ("openai_01", None), ("zai_02", None), ("nvidia_nim_01", None),
     ("ollama_cloud_02", None), ("bedrock_01", None), ("github_models_01", None),
     ("huggingface_01", None), ("deepseek_01", None), ("mistral_02", None)],
)  # fmt: skip
def test_the_words_and_numbers_are_the_captured_ones(case, model):
    style, breach = BREACHES[case]
    real = captured_cases()[case]
    scene = _scene(style, model or {"gemini_02": "gemini-3.5-flash-lite"}.get(case, "m"))
    refusal = refuse_breach(scene, breach)
    said, meant = str(refusal.body), str(real["body"])
    organisation = said.partition("organization `")[2].partition("`")[0]
    assert said.replace(organisation or "\0", "org_x") == meant
    for name, value in real["headers"].items():
        assert refusal.headers[name.lower()] == value


def test_openrouter_prints_epoch_milliseconds_in_header_and_body():
    refusal = refuse_breach(_scene("openrouter"), BREACHES["openrouter_01"][1])
    assert refusal.headers["X-RateLimit-Reset"] == str(int((NOW + 30) * 1000))
    assert refusal.body["error"]["metadata"]["headers"]["X-RateLimit-Reset"] == str(
        int((NOW + 30) * 1000)
    )


def test_gemini_can_hint_at_seconds_where_hours_are_meant():
    breach = BREACHES["gemini_02"][1]
    honest = refuse_breach(_scene("gemini"), breach).body["error"]
    misleading = refuse_breach(_scene("gemini", short_daily_hint=True), breach).body["error"]
    assert "8h57m50.9694706" in honest["message"]
    assert misleading["details"][2]["retryDelay"] == "21s"
    assert misleading["details"][1] == honest["details"][1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.405, "3.405s"), (578.016, "9m38.016s"), (86.4, "1m26.4s"), (0.825, "825ms"),
     (7.66, "7.66s"), (0, "0s"), (3600, "1h0m0s"), (179.56, "2m59.56s"), (59.9999, "1m0s")],
)  # fmt: skip
def test_durations_are_spelt_as_go_does(seconds, text):
    assert go_duration(seconds) == text


@pytest.mark.parametrize("style", sorted(styles()))
def test_every_style_can_say_everything(style):
    kinds = {kind for own in styles().values() for kind in own}
    for kind in kinds:
        refusal = refuse(_scene(style), kind)
        assert 400 <= refusal.status <= 599
        assert "{" not in str(refusal.headers)[1:-1].replace("{}", "")
        assert "sk-secret-key-value" not in str(refusal.body)


def test_every_captured_case_can_be_replayed_whole_and_an_unknown_one_is_named():
    for case, real in captured_cases().items():
        told = captured(case)
        assert (told.status, told.body) == (real["status"], real["body"])
    with pytest.raises(ValueError, match="groq_02"):
        captured("nobody_01")


def test_an_empty_monthly_purse_is_about_credits_and_a_month_of_tokens_is_not():
    assert breach_kind(_breach("usd", 1, "month")) == "credits"
    assert breach_kind(_breach("tokens", 1, "month")) == "month"
