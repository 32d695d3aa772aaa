"""The official client against the front: its types, its errors, its streams."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import openai
import pytest
import pytest_asyncio
from front_fakes import CLIENT, House
from front_scripts import SSE_SCRIPT, Script

from freeloader import errors


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[openai.AsyncOpenAI]:
    assert house.running is not None
    async with openai.AsyncOpenAI(
        base_url=f"{house.running.url}/v1", api_key=CLIENT, max_retries=0, timeout=20
    ) as one:
        yield one


async def test_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "hi"}],
        extra_body={"strategy": "balanced"},
    )
    assert answer.choices[0].message.content == "hi"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 12


@pytest.mark.parametrize("usage", [True, False])
async def test_stream(usage: bool, client: openai.AsyncOpenAI, house: House) -> None:
    house.pipeline.script = Script(events=SSE_SCRIPT, waits=1)
    stream = await client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], stream=True,
        stream_options={"include_usage": usage},
    )  # fmt: skip
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "hello"
    assert [c.usage.total_tokens for c in chunks if c.usage] == ([12] if usage else [])


async def test_a_broken_stream_raises(client: openai.AsyncOpenAI, house: House) -> None:
    broken = (*SSE_SCRIPT[:2], errors.UpstreamFailed("broke off, try again"))
    house.pipeline.script = Script(events=broken)
    stream = await client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="broke off"):
        async for _ in stream:
            pass


async def test_old_completions(client: openai.AsyncOpenAI, house: House) -> None:
    answer = await client.completions.create(model="auto", prompt="hi")
    assert answer.choices[0].text == "hi"
    house.pipeline.script = Script(events=SSE_SCRIPT)
    stream = await client.completions.create(model="auto", prompt="hi", stream=True)
    assert "".join([c.choices[0].text async for c in stream]) == "hello"


async def test_models(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert names[:4] == ["groq/org/big", "groq/small", "ollama/tiny", "auto"]
    assert (await client.models.retrieve("auto:cost-first")).owned_by == "xswarm"
    assert (await client.models.retrieve("groq/small")).owned_by == "groq"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (errors.ModelNotFound("no such model"), openai.NotFoundError),
        (errors.NoModelPassesGates("none passes"), openai.UnprocessableEntityError),
        (errors.QuotaExhausted("spent", retry_after=3), openai.RateLimitError),
        (errors.BudgetExceeded("gone"), openai.APIStatusError),
        (errors.UpstreamFailed("all failed"), openai.InternalServerError),
    ],
)
async def test_errors(
    error: errors.FreeloaderError,
    raised: type[openai.APIStatusError],
    client: openai.AsyncOpenAI,
    house: House,
) -> None:
    house.pipeline.script = Script(error=error)
    with pytest.raises(raised) as caught:
        await client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "hi"}]
        )
    assert caught.value.code == error.code
    assert error.message in str(caught.value)


async def test_a_wrong_key(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await client.with_options(api_key="xs-nope").models.list()
    assert caught.value.code == "invalid_api_key"


async def test_a_client_does_not_retry_what_cannot_help(house: House) -> None:
    assert house.running is not None
    house.pipeline.script = Script(error=errors.QuotaExhausted("spent", retry_after=9000))
    async with openai.AsyncOpenAI(
        base_url=f"{house.running.url}/v1", api_key=CLIENT, max_retries=3, timeout=20
    ) as one:
        with pytest.raises(openai.RateLimitError):
            await one.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": "hi"}]
            )
    assert len(house.pipeline.runs) == 1


async def test_what_is_not_built_is_not_asked_for_again(house: House) -> None:
    """The client retries every 5xx by itself, but where the answer says that it is of no use."""
    assert house.running is not None
    asked: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        asked.append(request)

    hooked = httpx.AsyncClient(event_hooks={"request": [note]})
    async with openai.AsyncOpenAI(
        base_url=f"{house.running.url}/v1", api_key=CLIENT, max_retries=3, http_client=hooked
    ) as one:
        with pytest.raises(openai.InternalServerError) as told:
            await one.embeddings.create(model="auto", input="x")
        with pytest.raises(openai.InternalServerError):
            await one.responses.create(model="auto", input="x")
    assert told.value.status_code == 501
    assert len(asked) == 2
