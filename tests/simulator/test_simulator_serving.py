"""Answers over real sockets: shapes, streams, tools, limits, headers, lists."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from freeloader.simulator.wire.content import count

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


def _ask(text):
    return [{"role": "user", "content": text}]


async def test_the_answer_says_what_was_said_and_counts_four_bytes_a_token(client):
    got = await client.chat()
    text = got.json["choices"][0]["message"]["content"]
    assert text == (
        'Simulated answer from generic/sim-generic: you said "Hello you"; '
        "this did not leave your machine."
    )
    usage = got.json["usage"]
    assert usage["prompt_tokens"] == count("Hello you") == 3
    assert usage["completion_tokens"] == count(text)
    assert usage["total_tokens"] == 3 + count(text)


async def test_a_stream_is_the_same_answer_in_pieces_with_usage_only_if_asked(client):
    whole = (await client.chat()).json["choices"][0]["message"]["content"]
    plain = (await client.chat(stream=True)).events
    assert plain[-1] == "[DONE]"
    assert not any("usage" in e for e in plain[:-1])
    pieces = [e["choices"][0]["delta"].get("content") or "" for e in plain[:-1]]
    assert "".join(pieces) == whole
    assert plain[-2]["choices"][0]["finish_reason"] == "stop"
    asked = (await client.chat(stream=True, stream_options={"include_usage": True})).events
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"]["completion_tokens"] == count(whole)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_the_output_limit_is_kept_exactly(client, field):
    got = await client.chat(**{field: 7})
    assert got.json["choices"][0]["finish_reason"] == "length"
    assert got.json["usage"]["completion_tokens"] == 7
    exact = await client.chat(messages=_ask("sim:tokens=123"))
    assert exact.json["usage"]["completion_tokens"] == 123


async def test_tools_are_called_when_asked_for_and_not_again_after_their_answer(client):
    got = await client.chat(tools=[WEATHER], tool_choice="required")
    choice = got.json["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]
    assert call["function"]["name"] == "weather"
    assert orjson.loads(call["function"]["arguments"])["days"] == 1
    quiet = await client.chat(tools=[WEATHER])
    assert quiet.json["choices"][0]["finish_reason"] == "stop"
    named = await client.chat(tools=[WEATHER], messages=_ask("use weather please"))
    assert named.json["choices"][0]["finish_reason"] == "tool_calls"
    history = [*_ask("use weather"), {"role": "tool", "tool_call_id": "x", "content": "rain"}]
    after = await client.chat(tools=[WEATHER], messages=history)
    assert after.json["choices"][0]["finish_reason"] == "stop"


async def test_a_streamed_tool_call_adds_up_to_its_arguments(client):
    got = await client.chat(tools=[WEATHER], tool_choice="required", stream=True)
    deltas = [e["choices"][0]["delta"] for e in got.events[:-1]]
    calls = [call for d in deltas for call in d.get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "weather"
    arguments = "".join(c["function"]["arguments"] for c in calls)
    assert orjson.loads(arguments).keys() == {"city", "days"}
    assert got.events[-2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_json_modes_answer_in_json(client):
    got = await client.chat(response_format={"type": "json_object"})
    assert orjson.loads(got.json["choices"][0]["message"]["content"])["simulated"] is True
    schema = WEATHER["function"]["parameters"]
    shape = {"type": "json_schema", "json_schema": {"name": "w", "schema": schema}}
    got = await client.chat(response_format=shape)
    assert orjson.loads(got.json["choices"][0]["message"]["content"]).keys() == {"city", "days"}


async def test_several_choices_are_several_answers_and_are_all_counted(client):
    one, three = await client.chat(), await client.chat(n=3)
    assert [c["index"] for c in three.json["choices"]] == [0, 1, 2]
    single = one.json["usage"]["completion_tokens"]
    assert three.json["usage"]["completion_tokens"] == 3 * single


async def test_reasoning_is_shown_and_counted_or_hidden_in_the_total(client):
    got = await client.chat("deepseek", "deepseek-v4-flash", messages=_ask("sim:reason=20"))
    assert len(got.json["choices"][0]["message"]["reasoning_content"]) == 80
    assert got.json["usage"]["completion_tokens_details"]["reasoning_tokens"] == 20
    outside = {"m": {"reasoningTokens": 500, "reasoningOutside": True}}
    client.running.put_provider("liar", {"models": outside})
    usage = (await client.chat("liar", "m")).json["usage"]
    hidden = usage["total_tokens"] - usage["prompt_tokens"] - usage["completion_tokens"]
    assert hidden == 500


async def test_groq_answers_carry_its_own_fields_and_headers(client):
    got = await client.chat("groq", "openai/gpt-oss-120b", max_tokens=50)
    assert got.json["service_tier"] == "on_demand"
    assert got.json["x_groq"]["id"].startswith("req_")
    assert got.headers["x-ratelimit-limit-requests"] == "1000"
    assert got.headers["x-ratelimit-remaining-requests"] == "999"
    assert got.headers["x-ratelimit-reset-requests"] == "1m26.4s"
    assert got.headers["x-ratelimit-limit-tokens"] == "8000"
    events = (await client.chat("groq", "openai/gpt-oss-120b", stream=True)).events
    assert events[0]["x_groq"]["id"].startswith("req_")
    assert events[-2]["x_groq"]["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    ("provider", "model", "name", "value"),
    [
        ("cerebras", "gpt-oss-120b", "x-ratelimit-remaining-requests-minute", "4"),
        ("cerebras", "gpt-oss-120b", "x-ratelimit-reset-requests-minute", "12.0"),
        ("openai", "gpt-5.4-mini", "x-ratelimit-limit-tokens", "200000"),
        ("mistral", "mistral-small-latest", "x-ratelimit-remaining-req-minute", "49"),
        ("mistral", "mistral-small-latest", "x-ratelimit-limit-tokens-month", "1000000000"),
        ("anthropic", "claude-haiku-4-5", "anthropic-ratelimit-requests-remaining", "49"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "x-ratelimit-limit", "600"),
    ],
)
async def test_each_provider_spells_its_headers_its_own_way(client, provider, model, name, value):
    got = await client.chat(provider, model)
    assert got.status == 200
    assert got.headers[name] == value


async def test_anthropic_resets_are_dates_and_silent_providers_say_nothing(client):
    got = await client.chat("anthropic", "claude-haiku-4-5")
    reset = got.headers["anthropic-ratelimit-input-tokens-reset"]
    assert len(reset) == 20
    assert reset.endswith("Z")
    for provider, model in (("gemini", "gemini-3.5-flash"), ("nvidia_nim", "openai/gpt-oss-120b")):
        got = await client.chat(provider, model)
        assert not [name for name in got.headers if "ratelimit" in name.lower()]


async def test_groq_refuses_a_full_minute_with_numbers_that_add_up(client):
    first = await client.chat("groq", "openai/gpt-oss-120b", messages=_ask("x" * 20000))
    assert first.status == 200
    got = await client.chat("groq", "openai/gpt-oss-120b", messages=_ask("y" * 16000))
    assert got.status == 429
    words = got.json["error"]["message"].replace(",", "").split()
    used, asked = int(words[words.index("Used") + 1]), int(words[words.index("Requested") + 1][:-1])
    wait = float(words[-1].rstrip("s.").removesuffix("s"))
    assert asked == 4000
    assert wait == pytest.approx((used + asked - 8000) / (8000 / 60), abs=0.002)
    assert int(got.headers["retry-after"]) == -int(-wait // 1)
    large = await client.chat("groq", "openai/gpt-oss-120b", messages=_ask("z" * 44352))
    assert large.status == 413
    assert "Limit 8000, Requested 11088" in large.json["error"]["message"]


async def test_gemini_runs_out_by_the_minute_then_by_the_pacific_day(client):
    statuses = []
    for _ in range(4):
        for _ in range(5):
            got = await client.chat("gemini", "gemini-3.5-flash")
            statuses.append(got.status)
        client.running.advance(61)
    assert statuses == [200] * 20
    got = await client.chat("gemini", "gemini-3.5-flash")
    assert got.status == 429
    assert "PerDay" in got.json["error"]["details"][1]["violations"][0]["quotaId"]
    client.running.advance(25 * 3600)
    assert (await client.chat("gemini", "gemini-3.5-flash")).status == 200


async def test_openrouter_counts_all_free_models_together_and_refused_calls_too(client):
    statuses = []
    for at in range(52):
        model = ("google/gemma-4-31b-it:free", "qwen/qwen3.8-27b:free")[at % 2]
        statuses.append((await client.chat("openrouter", model)).status)
        client.running.advance(4)
    assert statuses == [200] * 50 + [429, 429]
    key = (await client.call("GET", "/openrouter/api/v1/key")).json["data"]
    assert key["free_model_daily_requests"] == {"used": 50, "limit": 50, "remaining": 0}
    paid = await client.chat("openrouter", "openai/gpt-oss-120b")
    assert paid.status == 200


async def test_openrouter_credit_runs_out_with_a_402(client):
    got = await client.chat(
        "openrouter", "openai/gpt-oss-120b", messages=_ask("x"), max_tokens=16384, n=16
    )
    assert got.status == 200
    spent = client.running.bill("openrouter")["totals"]["picodollars"]
    client.running.put_provider(
        "openrouter", {"limits": [{"metric": "usd", "amount": 0.000001, "window": "once"}]}
    )
    got = await client.chat("openrouter", "openai/gpt-oss-120b", max_tokens=32000)
    assert spent > 0
    assert got.status == 402
    assert "can only afford" in got.json["error"]["message"]


async def test_one_at_a_time_means_one_at_a_time(client):
    client.running.fault(provider="zai", kind="stall", seconds=0.5)
    slow = asyncio.create_task(client.chat("zai", "glm-4.7-flash", stream=True))
    while client.running.engine.running == 0:
        await asyncio.sleep(0.01)
    refused = await client.chat("zai", "glm-4.7-flash")
    assert refused.status == 429
    assert refused.json["error"]["code"] == "1302"
    with pytest.raises(Exception, match="not completed"):
        await slow
    assert (await client.chat("zai", "glm-4.7-flash")).status == 200


async def test_keys_are_any_or_a_list_and_two_keys_may_share_an_account(client):
    assert (await client.chat("openai", "gpt-5.4-nano", key="bad")).status == 401
    assert (await client.chat("openai", "gpt-5.4-nano", key=None)).status == 401
    limits = [{"metric": "requests", "amount": 1, "window": "1d", "scope": "account"}]
    client.running.put_provider(
        "club", {"models": ["m"], "keys": {"a1": "ann", "a2": "ann", "b": "bob"}, "limits": limits}
    )
    tried = [(await client.chat("club", "m", key=key)).status for key in ("a1", "a2", "b", "zz")]
    assert tried == [200, 429, 200, 401]


async def test_what_cannot_be_served_is_said_in_the_providers_words(client):
    missing = await client.chat("groq", "no-such-model")
    assert (missing.status, missing.json["error"]["code"]) == (404, "model_not_found")
    assert (await client.chat("generic", "x", messages=[])).status == 400
    assert (await client.chat("generic", "x", max_tokens=0)).status == 400
    assert (await client.chat("generic", "x", stream_options={"include_usage": True})).status == 400
    broken = await client.call("POST", "/generic/v1/chat/completions", None)
    assert broken.status == 400
    long = await client.chat("swift", "sim-small", messages=_ask("x" * 200_000))
    assert long.json["error"]["code"] == "context_length_exceeded"
    assert (await client.call("GET", "/groq/v9/models")).status == 404
    assert (await client.call("GET", "/nobody/v1/models")).status == 404


async def test_every_provider_answers_at_its_own_base_and_lists_its_models(client):
    for name, spec in client.running.engine.specs.items():
        base = spec.bases[0].replace("{account}", "abc")
        listed = await client.call("GET", f"/{name}{base}/models")
        assert listed.status == 200, name
        model = listed.json["data"][0]["id"]
        body = {"model": model, "messages": _ask("hi")}
        got = await client.call("POST", f"/{name}{base}/chat/completions", body)
        assert got.status == 200, (name, got.raw)


async def test_the_older_completions_and_embeddings_are_there(client):
    got = await client.call(
        "POST", "/openai/v1/completions", {"model": "gpt-5.4-nano", "prompt": "a"}
    )
    assert got.json["object"] == "text_completion"
    assert got.json["usage"]["completion_tokens"] == 16
    body = {"model": "text-embedding-3-small", "input": ["one", "two"], "dimensions": 8}
    got = await client.call("POST", "/openai/v1/embeddings", body)
    assert [len(row["embedding"]) for row in got.json["data"]] == [8, 8]
    assert got.json["usage"]["prompt_tokens"] == 2
    assert client.running.bill("openai")["rows"][-1]["picodollars"] == 2 * 20_000


async def test_anthropics_own_wire(client):
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": _ask("Hello you")}
    headers = {"x-api-key": "ant-key"}
    got = await client.call("POST", "/anthropic/v1/messages", body, None, headers=headers)
    assert got.json["stop_reason"] == "end_turn"
    assert got.json["usage"]["input_tokens"] == 3
    streamed = await client.call(
        "POST", "/anthropic/v1/messages", body | {"stream": True}, None, headers=headers
    )
    kinds = [e["type"] for e in streamed.events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    text = "".join(
        e["delta"]["text"] for e in streamed.events if e["type"] == "content_block_delta"
    )
    assert text == got.json["content"][0]["text"]
    assert client.running.requests()[-1]["key"] == "ant-key"


async def test_ollamas_own_wire_streams_lines_unless_told_not_to(client):
    tags = await client.call("GET", "/ollama/api/tags", key=None)
    assert [m["name"] for m in tags.json["models"]] == ["llama3.1:8b", "gpt-oss:20b"]
    body = {"model": "llama3.1:8b", "messages": _ask("Hello you")}
    got = await client.call("POST", "/ollama/api/chat", body, None)
    lines = [orjson.loads(line) for line in got.raw.splitlines()]
    assert got.headers["content-type"].startswith("application/x-ndjson")
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    whole = await client.call("POST", "/ollama/api/chat", body | {"stream": False}, None)
    assert "".join(x["message"]["content"] for x in lines) == whole.json["message"]["content"]
    assert whole.json["prompt_eval_count"] == 3
    prompt = {"model": "llama3.1:8b", "prompt": "Hello you", "stream": False}
    assert (
        "Hello you" in (await client.call("POST", "/ollama/api/generate", prompt)).json["response"]
    )
    shown = await client.call("POST", "/ollama/api/show", {"model": "llama3.1:8b"})
    assert shown.json["model_info"]["llama.context_length"] == 131072
    absent = await client.call("POST", "/ollama/api/chat", body | {"model": "nope"}, None)
    assert (absent.status, absent.json["error"]) == (
        404,
        "model 'nope' not found, try pulling it first",
    )


async def test_lm_studio_lists_what_is_loaded(client):
    got = await client.call("GET", "/lm_studio/api/v0/models", key=None)
    assert got.json["data"][0]["state"] == "loaded"
    assert (await client.chat("lm_studio", "llama-3.1-8b-instruct", key=None)).status == 200


async def test_a_known_opening_is_cached_and_cheaper(client):
    opening = {"role": "system", "content": "s" * 8192}
    asks = [[opening, *_ask("one")], [opening, *_ask("two")]]
    usages = []
    for messages in asks:
        got = await client.chat("openai", "gpt-5.4-mini", messages=messages, max_tokens=5)
        usages.append(got.json["usage"]["prompt_tokens_details"]["cached_tokens"])
    assert usages == [0, 2048]
    first, second = client.running.bill("openai")["entries"]
    assert second["picodollars"] == 1 * 250_000 + 2048 * 25_000 + 5 * 2_000_000
    assert first["picodollars"] == 2049 * 250_000 + 5 * 2_000_000


@pytest.mark.parametrize(
    ("provider", "model"), [("mistral", "mistral-small-latest"), ("cerebras", "gpt-oss-120b")]
)
async def test_some_providers_report_usage_in_the_last_chunk_unasked(client, provider, model):
    events = (await client.chat(provider, model, stream=True)).events
    assert [e["usage"]["prompt_tokens"] for e in events[:-1] if "usage" in e] == [3]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
