"""The official ``openai`` package against the daemon, a real LiteLLM child and the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import openai
import pytest
from farm import House, Simulator

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather somewhere",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}


@pytest.fixture
def client(house: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{house.url}/v1", api_key=house.key(), max_retries=0) as made:
        yield made


def ask(text: str = "hello") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_chat_is_answered_and_explained(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="auto", messages=ask())
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    routing = answer.model_extra["routing"]
    assert answer.model == routing["model"] == f"{routing['provider']}/{answer.model.split('/')[1]}"
    assert routing["requested"] == "auto"
    assert routing["strategy"] == "balanced"
    assert routing["reason"]
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.model_extra["costUsd"] == 0.0


def test_decision_headers(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="alpha/twin", messages=ask())
    for name in ("Decision-Id", "Provider", "Model", "Strategy", "Reason", "Attempts", "Cost-Usd"):
        assert raw.headers.get(f"X-Freeloader-{name}"), name
    assert raw.headers["X-Freeloader-Model"] == "alpha/twin"
    assert raw.headers["X-Freeloader-Attempts"] == "1"


@pytest.mark.parametrize("usage", [True, False])
def test_streams_with_and_without_usage(client: openai.OpenAI, usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(
        client.chat.completions.create(model="auto", messages=ask(), stream=True, **options)
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text
    assert chunks[0].model_extra["routing"]["provider"]
    assert all(c.model == chunks[0].model for c in chunks)
    told = [c for c in chunks if c.usage is not None]
    assert len(told) == (1 if usage else 0)
    if usage:
        assert told == chunks[-1:]
        assert told[0].usage is not None
        assert told[0].usage.completion_tokens > 0
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert [f for f in finishes if f] == ["stop"]


def test_tool_calls(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="auto", messages=ask("weather in Paris"), tools=[TOOL], tool_choice="required"
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].function.name == "weather"
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.model_extra["routing"]["task"] == "agent_step"
    chunks = client.chat.completions.create(
        model="auto",
        messages=ask("weather in Paris"),
        tools=[TOOL],
        tool_choice="required",
        stream=True,
    )
    names = [
        call.function.name
        for chunk in chunks
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
        if call.function and call.function.name
    ]
    assert names == ["weather"]


async def test_parallel_requests_of_the_async_client(house: House) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{house.url}/v1", api_key=house.key(), max_retries=0
    ) as client:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(model="auto", messages=ask(f"number {i}"))
                for i in range(24)
            )
        )
        assert [
            f"number {i}" in (a.choices[0].message.content or "") for i, a in enumerate(answers)
        ]
        assert len({a.id for a in answers}) == 24
        stream = await client.chat.completions.create(model="auto", messages=ask(), stream=True)
        assert [chunk async for chunk in stream]


def test_text_completions_have_both_shapes(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="auto", prompt="Say hello")
    assert answer.object == "text_completion"
    assert answer.choices[0].text == answer.model_extra["text"]
    assert answer.model_extra["routing"]["provider"]
    assert set(answer.model_extra["budget"]) == {"dailySpent", "dailyRemaining", "projectSpent"}
    streamed = client.completions.create(model="auto", prompt="Say hello", stream=True)
    assert "".join(c.choices[0].text for c in streamed if c.choices)


def test_a_wrong_key(house: House) -> None:
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="xs-wrong", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError) as caught:
        client.chat.completions.create(model="auto", messages=ask())
    assert caught.value.code == "invalid_api_key"


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="alpha/twinn", messages=ask())
    assert caught.value.code == "model_not_found"
    assert "alpha/twin" in str(caught.value)


def test_an_alias(house: House, client: openai.OpenAI) -> None:
    house.xswarm("config", "set", "--alias", "my-model=alpha/alpha-only")
    answer = client.chat.completions.create(model="my-model", messages=ask())
    assert answer.model == "alpha/alpha-only"
    assert answer.model_extra["routing"]["requested"] == "my-model"


def test_a_family_name_goes_to_any_of_its_hosts(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="twins", messages=ask())
    assert answer.model in ("alpha/twin", "beta/twin-b")


def test_a_known_model_that_nobody_serves_is_stood_in_for_and_said(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-3.5-turbo", messages=ask())
    assert raw.headers["X-Freeloader-Substituted"] == "gpt-3.5-turbo"
    answer = raw.parse()
    assert answer.model_extra["routing"]["requested"] == "gpt-3.5-turbo"


def test_paid_usage_matches_the_providers_bill(house: House, simulator: Simulator) -> None:
    before = house.get("/v1/budget")["daily"]["spent"]
    status, headers, body = house.chat("count this", model="gold/ingot", max_tokens=50)
    assert status == 200, body
    used = body["usage"]
    exact = (used["prompt_tokens"] * 1.0 + used["completion_tokens"] * 2.0) / 1e6
    assert float(headers["x-freeloader-cost-usd"]) == pytest.approx(exact, rel=1e-9)
    after = house.get("/v1/budget")["daily"]["spent"]
    assert after - before == pytest.approx(exact, rel=1e-6)
    assert used["costUsd"] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize(
    "field",
    [
        "api_base",
        "base_url",
        "api_key",
        "fallbacks",
        "num_retries",
        "custom_llm_provider",
        "extra_headers",
        "models",
        "route",
        "plugins",
        "user_config",
        "mock_response",
    ],
)
def test_a_client_cannot_steer_the_child(house: House, simulator: Simulator, field: str) -> None:
    seen = len(simulator.requests()["requests"])
    status, _, body = house.chat(model="alpha/twin", **{field: "http://127.0.0.1:9"})
    assert status == 400, body
    assert body["error"]["param"] == field
    assert len(simulator.requests()["requests"]) == seen
