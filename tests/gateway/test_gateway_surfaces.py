"""What a body may say: refused, dropped, passed, counted; and the Profile that comes of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from front_fakes import HELLO, House, well_formed
from hypothesis import given
from hypothesis import strategies as st
from surface_shapes import CALL, CALLER, TOOL, USER, chat

from freeloader.errors import FreeloaderError, InvalidRequest
from freeloader.gateway.surfaces.chat import parse_chat
from freeloader.gateway.surfaces.completions import parse_completion
from freeloader.gateway.surfaces.fields import REFUSED
from freeloader.gateway.surfaces.messages import ROLES
from freeloader.settings.spelling import snake

STEERING = [
    "api_base", "base_url", "api_key", "api_version", "fallbacks", "num_retries",
    "max_retries", "models", "route", "custom_llm_provider", "extra_headers", "extra_body",
    "headers", "plugins", "provider", "timeout", "mock_response", "user_config",
    "litellm_params", "litellm_call_id", "litellm_metadata", "context_window_fallbacks",
    "model_list", "organization", "aws_access_key_id", "vertex_credentials", "azure_ad_token",
    "proxy_server_request", "callbacks", "guardrails", "cache", "ssl_verify",
    "apiBase", "baseUrl", "apiKey", "api-base", "API_BASE", "extraHeaders", "numRetries",
    "customLlmProvider", "extraBody", "litellmParams",
]  # fmt: skip
#: What messages of a role have besides their text.
TIED = {"tool": {"tool_call_id": "call_1"}}


@pytest.mark.parametrize("name", sorted({*STEERING, *REFUSED}))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/router/debug"])
async def test_a_field_that_could_steer_the_child_is_refused(
    name: str, path: str, house: House
) -> None:
    for value in ("http://evil.example", None, {}, 2):
        body = {"prompt": "x"} if path == "/v1/completions" else dict(HELLO)
        status, answer, _ = await house.ask({**body, name: value}, path)
        error = well_formed(answer)
        assert (status, error["code"], error["param"]) == (400, "invalid_request", name)
        assert name in error["message"]
    assert house.pipeline.profiles == []


@pytest.mark.parametrize("name", ["api_base", "headers", "user_config", "litellm_tags", "apiKey"])
def test_metadata_cannot_steer_either(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(metadata={name: "x"})
    assert caught.value.param == f"metadata.{name}"


@pytest.mark.parametrize("model", ["a,b", "groq/small,gpt-5", ",", "", "  ", 3, ["a"], "a\nb"])
def test_a_model_is_one_name(model: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat(model=model)
    assert caught.value.param == "model"


DROPPED = ("top_k", "min_p", "store", "prediction", "audio", "prompt_cache_key", "thinking",
           "safety_identifier", "foo", "min_tokens",
           "best_of", "prompt", "x y")  # fmt: skip


@pytest.mark.parametrize("name", DROPPED)
async def test_any_other_field_is_dropped_and_named(name: str, house: House) -> None:
    status, _, headers = await house.ask({**HELLO, name: 1})
    assert status == 200
    assert headers["X-Freeloader-Dropped"] == name.replace(" ", "?")
    assert name not in house.pipeline.profiles[0].payload


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/router/debug"])
async def test_dropped_names_cannot_break_the_header(path: str, house: House) -> None:
    hidden = {f"b\r\nX-Evil: {i}": 1 for i in range(99)}
    body = {
        "messages": [{**USER, **hidden}],
        "a\r\nX-Evil: 1": 1,
        "ü": 2,
        "z" * 500: 3,
        **{f"f{i}": i for i in range(99)},
    }
    status, _, headers = await house.ask(body, path)
    assert status == 200
    assert "X-Evil" not in headers
    assert headers["X-Freeloader-Dropped"].isascii()
    assert len(headers["X-Freeloader-Dropped"]) < 4000


def test_nothing_hidden_deeper_in_a_body_survives() -> None:
    profile = chat(
        messages=[
            {**USER, "api_base": "evil", "provider_specific_fields": {"api_key": "evil"}},
            {"role": "assistant", "content": None, "reasoning_content": "evil",
             "tool_calls": [{**CALL, "extra_headers": "evil"}]},
            {"role": "tool", "tool_call_id": "c1", "content": [
                {"type": "text", "text": "ok", "base_url": "evil", "cache_control": {
                    "type": "ephemeral", "ttl": "evil"}}]},
        ],
        tools=[{**TOOL, "server_url": "evil"}],
        tool_choice={"type": "function", "function": {"name": "f"}, "headers": "evil"},
        response_format={"type": "json_object", "api_key": "evil"},
    )  # fmt: skip
    assert b"evil" not in orjson.dumps(profile.payload)
    assert "messages[].api_base" in profile.dropped


PASSED: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.9, "max_tokens": 10, "max_completion_tokens": 10,
    "stop": ["a"], "seed": 7, "presence_penalty": -1, "frequency_penalty": 2,
    "logit_bias": {"50256": -100}, "logprobs": True, "parallel_tool_calls": False,
    "reasoning_effort": "low", "verbosity": "high", "tools": [TOOL],
    "response_format": {"type": "json_object"}, "functions": [{"name": "f"}],
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
def test_standard_parameters_reach_the_lane(name: str) -> None:
    profile = chat(**{name: PASSED[name]})
    assert profile.payload[name] == PASSED[name]
    assert profile.dropped == ()


def test_camel_case_is_the_same_field() -> None:
    assert chat(maxTokens=9).payload["max_tokens"] == 9
    with pytest.raises(InvalidRequest):
        chat(maxTokens=9, max_tokens=9)


def test_null_means_not_given() -> None:
    profile = chat(temperature=None, tools=None, stop=None, stream=None, strategy=None, n=None)
    assert set(profile.payload) == {"messages"}


BAD: list[tuple[str, Any]] = [
    ("temperature", 3), ("temperature", "1"), ("temperature", True), ("top_p", 1.1),
    ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 1.5), ("max_tokens", "9"),
    ("n", 0), ("n", 129), ("n", 1.0), ("n", True), ("stop", 5), ("stop", [1]), ("seed", "x"),
    ("stream", "yes"), ("stream", 1), ("logprobs", 1), ("logit_bias", []),
    ("logit_bias", {"1": 101}), ("reasoning_effort", 3), ("tools", {}), ("tools", [{}]),
    ("tools", [{"type": "web_search"}]), ("tools", [{"type": "mcp", "server_url": "http://x"}]),
    ("tools", [{"type": "function", "function": {"name": ""}}]), ("tool_choice", "required"),
    ("response_format", "json"), ("response_format", {"type": "xml"}),
    ("response_format", {"type": "json_schema"}), ("modalities", ["audio"]),
    ("service_tier", "turbo"), ("service_tier", ["auto"]), ("web_search_options", True),
    ("stream_options", {"include_usage": True}), ("metadata", "x"),
    ("metadata", {"taskType": "codin"}), ("freeloader", "x"), ("session", ""), ("session", 5),
    ("project", "a b"), ("project", ""), ("user", 7), ("strategy", "fastest"),
    ("qualityGates", {"minInteligence": 3}), ("qualityGates", []), ("max_cost", -1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{n}={v}" for n, v in BAD])
async def test_a_wrong_value_is_a_400_that_names_it(name: str, value: Any, house: House) -> None:
    status, answer, _ = await house.ask({**HELLO, name: value})
    error = well_formed(answer)
    assert (status, error["code"]) == (400, "invalid_request")
    assert error["param"].startswith(name)
    assert house.pipeline.profiles == []


BAD_MESSAGES: list[tuple[str, Any]] = [
    ("messages", None), ("messages", []), ("messages", "hi"), ("messages[0]", ["hi"]),
    ("messages[0].role", [{"content": "x"}]), ("messages[0].role", [{"role": "bot"}]),
    ("messages[0].role", [{"role": ["user"], "content": "x"}]),
    ("messages[0].content", [{"role": "user"}]), ("messages[0].content", [{**USER, "content": 5}]),
    ("messages[0].content", [{**USER, "content": []}]),
    ("messages[0].content", [{"role": "assistant"}]),
    ("messages[0].content[0].type", [{**USER, "content": ["hi"]}]),
    ("messages[0].content[0].type", [{**USER, "content": [{"type": "file"}]}]),
    ("messages[0].content[0].type", [{**USER, "content": [{"type": ["text"]}]}]),
    ("messages[0].content[0].text", [{**USER, "content": [{"type": "text"}]}]),
    ("messages[0].content[0].image_url", [{**USER, "content": [{"type": "image_url"}]}]),
    ("messages[1].tool_call_id", [USER, {"role": "tool", "content": "x"}]),
    ("messages[0].tool_calls", [{**USER, "tool_calls": [CALL]}]),
    ("messages[0].tool_calls", [{"role": "assistant", "tool_calls": "x"}]),
    ("messages[0].tool_calls[0].id", [{"role": "assistant", "tool_calls": [{"function": {}}]}]),
    ("messages[0].tool_calls[0].function.arguments",
     [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f",
                                                                "arguments": {}}}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("param", "messages"), BAD_MESSAGES, ids=[str(r) for r in BAD_MESSAGES])
def test_a_wrong_message_is_named(param: str, messages: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chat({"messages": messages}, {}, CALLER)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("data:image/png;base64,AAAA", True),
        ("https://example.com/a.png", True),
        ("http://93.184.216.34/a.png", True),
        ("data:text/html,hi", False),
        ("file:///etc/passwd", False),
        ("ftp://example.com/a", False),
        ("http://localhost:11434/", False),
        ("http://127.0.0.1/", False),
        ("http://127.1/", False),
        ("http://2130706433/", False),
        ("http://0x7f.0.0.1/", False),
        ("http://[::1]/", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://a.b\u3002localhost/", False),
        ("http://x.\uff4cocalhost/", False),
        ("http://x.%6cocalhost/", False),
        ("http://[64:ff9b::7f00:1]/", False),
        ("http://[2002:7f00:1::]/", False),
        ("http://[::127.0.0.1]/", False),
        ("http://224.0.0.1/", False),
        ("http://[2606:4700::1111]/a.png", True),
        ("http://10.1.2.3/", False),
        ("http://metadata.google.internal/", False),
        ("http://router.local/", False),
        ("http://user:pw@example.com/", False),
        ("http://[::1", False),
        ("http:///x", False),
        ("", False),
    ],
)
def test_images_are_data_or_public(url: str, good: bool) -> None:
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    if good:
        assert "vision" in parse_chat({"messages": messages}, {}, CALLER).needs
    else:
        with pytest.raises(InvalidRequest):
            parse_chat({"messages": messages}, {}, CALLER)


def test_needs_come_from_the_body() -> None:
    image = {"type": "image_url", "image_url": "data:image/png;base64,AA"}
    assert chat().needs == frozenset()
    assert chat(stream=True).needs == {"streaming"}
    assert chat(tools=[TOOL]).needs == {"tools"}
    assert chat(tools=[]).needs == frozenset()
    assert chat(response_format={"type": "json_object"}).needs == {"json"}
    assert chat(response_format={"type": "text"}).needs == frozenset()
    assert chat(messages=[{"role": "user", "content": [image, image]}]).needs == {"vision"}
    told = [{"role": "assistant", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"}]  # fmt: skip
    profile = chat(messages=[USER, *told])
    assert profile.needs == {"tools"}


def test_estimates_bound_input_and_multiply_output() -> None:
    plain = chat()
    assert plain.bounded is False
    assert plain.upper.output == 0
    assert plain.expected.output > 0
    one, three = chat(max_tokens=100), chat(max_tokens=100, n=3)
    assert (one.bounded, one.upper.output, three.upper.output) == (True, 100, 300)
    assert (three.choices, three.payload["n"]) == (3, 3)
    assert three.upper.input == one.upper.input
    text = "ü" * 10_000
    wide = chat(messages=[{"role": "user", "content": text}])
    assert wide.upper.input >= len(text.encode()) // 2
    assert chat(tools=[TOOL] * 50).upper.input > plain.upper.input + 500


@given(st.lists(st.tuples(st.sampled_from(ROLES), st.text(max_size=20)), min_size=1, max_size=6))
def test_a_field_that_is_null_changes_no_message(said: list[tuple[str, str]]) -> None:
    """Those of a role and a text alone are read a shorter way."""
    plain = [{"role": role, "content": text, **TIED.get(role, {})} for role, text in said]
    one = chat(messages=plain)
    other = chat(messages=[{**m, "name": None} for m in plain])
    assert one == other


@given(st.text(max_size=3000), st.integers(1, 5000), st.integers(1, 8))
def test_more_text_never_lowers_an_estimate(text: str, bound: int, n: int) -> None:
    small = chat(messages=[{"role": "user", "content": text}], max_tokens=bound, n=n)
    large = chat(messages=[{"role": "user", "content": text + "x"}], max_tokens=bound + 1, n=n)
    assert small.upper.input <= large.upper.input
    assert small.expected.input <= small.upper.input
    assert small.upper.output < large.upper.output


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=20,
)
KNOWN = st.sampled_from(
    ["model", "messages", "tools", "stream", "stop", "n", "metadata", "freeloader", "prompt",
     "response_format", "tool_choice", "functions", "stream_options", "qualityGates", "weights",
     "fallback", "budget", "session", "project", "echo", "logprobs", "best_of", "service_tier"]
)  # fmt: skip


@given(st.dictionaries(KNOWN, JSON, max_size=6))
def test_any_body_is_a_profile_or_a_typed_error(body: dict[str, Any]) -> None:
    said: list[str] = []
    for parse in (parse_chat, parse_completion):
        try:
            parse({"messages": [USER], "prompt": "x", **body}, {}, CALLER)
        except FreeloaderError as error:
            said.append(error.message)
    assert all(said)


# ── H2: names as long or as many as a body can hold ──────────────────────────────


@given(st.text("aB-_é", max_size=600))
def test_h2_of_a_name_longer_than_ours_the_beginning_alone_is_gone_through(name: str) -> None:
    assert snake(name) == snake(name[:256]) + name[256:]


@pytest.mark.parametrize("place", ["top", "freeloader", "metadata"])
@pytest.mark.parametrize(("count", "fine"), [(900, True), (1_001, False), (150_000, False)])
def test_h2_nobody_gives_more_fields_than_can_be_looked_at(
    place: str, count: int, *, fine: bool
) -> None:
    many = {f"aField{number}": 1 for number in range(count)}
    body = {**HELLO, **many} if place == "top" else {**HELLO, place: many}
    if fine and place != "freeloader":
        parse_chat(body, {}, CALLER)
        return
    with pytest.raises(InvalidRequest, match="unknown key" if fine else "at most 1000 fields"):
        parse_chat(body, {}, CALLER)
