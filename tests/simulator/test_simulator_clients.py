"""The official client gets along with a pretend provider as with a real one."""

from __future__ import annotations

import openai
import pytest


@pytest.fixture
async def official(client):
    url = client.running.provider_url("openai")
    async with openai.AsyncOpenAI(base_url=url, api_key="key-one", max_retries=0) as found:
        yield found


async def test_chat_stream_models_and_embeddings(official):
    asked = {"model": "gpt-5.4-nano", "messages": [{"role": "user", "content": "Hello you"}]}
    got = await official.chat.completions.create(**asked)
    assert got.usage.prompt_tokens == 3
    stream = await official.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == got.choices[0].message.content
    assert chunks[-1].usage == got.usage
    listed = [model.id async for model in official.models.list()]
    assert "gpt-5.4-nano" in listed
    vector = await official.embeddings.create(model="text-embedding-3-small", input="a")
    assert len(vector.data[0].embedding) > 0


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("credits", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
    ],
)
async def test_faults_become_the_errors_the_client_knows(client, official, kind, error):
    client.running.fault(provider="openai", kind=kind)
    with pytest.raises(error):
        await official.chat.completions.create(
            model="gpt-5.4-nano", messages=[{"role": "user", "content": "x"}]
        )


async def test_an_error_inside_a_stream_is_raised(client, official):
    client.running.fault(provider="openai", kind="sse_error", afterChunks=1)
    stream = await official.chat.completions.create(
        model="gpt-5.4-nano", messages=[{"role": "user", "content": "x"}], stream=True
    )
    with pytest.raises(openai.APIError, match="Provider disconnected"):
        [chunk async for chunk in stream]
