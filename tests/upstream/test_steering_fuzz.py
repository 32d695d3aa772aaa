"""U7: bodies at random, with everything that could steer a call put anywhere into them.

A stranger's address goes in at any depth, under any name that LiteLLM or an SDK takes as an
order, in any spelling; beside a good request, so that most of them are sent. Nobody ever asks
the stranger, and a key goes to the address of its own provider only. (10,000 of them:
``FUZZED_BODIES=10000``; the seed is in the failure.)
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from house_kit import street

from freeloader.gateway.surfaces.fields import REFUSED

BODIES = int(os.environ.get("FUZZED_BODIES", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "4"))
NAMES = [
    *sorted(REFUSED),
    *("apiBase", "API_BASE", "api-base", "baseURL", "baseUrl", "Authorization", "extra_kwargs"),
    *("litellm_params", "litellm_metadata", "openai_api_base", "proxy", "webhook_url", "url"),
    *("vertex_location", "aws_bedrock_runtime_endpoint", "azure_ad_token", "callback_url"),
    *("extraBody", "clientside", "hf_model_name", "model_config", "optional_params"),
]
#: Places in a good body where a part of a client's own choosing may stand.
HOSTS = ("metadata", "tools", "response_format", "stream_options", "logit_bias", "freeloader",
         "messages", "functions", "tool_choice", "user", "web_search_options")  # fmt: skip


class Maker:
    """Bodies of one seed; ``place`` is the stranger's address."""

    def __init__(self, place: str, seed: int) -> None:
        self._place, self._random = place, random.Random(seed)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"model": "alpha/m"}
        if self._random.random() < 0.2:
            body["stream"] = True
        if self._random.random() < 0.4:  # where a client may write what it likes
            body |= self._accepted()
            return body
        for _ in range(self._random.randint(1, 3)):
            if self._random.random() < 0.5:
                body[self._random.choice(NAMES)] = self._order(self._random.randint(0, 3))
            else:
                body[self._random.choice(HOSTS)] = self._order(self._random.randint(1, 4))
        if self._random.random() < 0.1:
            body["model"] = self._random.choice(
                [f"openai/{self._place}", f"alpha/m,{self._place}", self._place, "openai/gpt-4o"]
            )
        return body

    def _accepted(self) -> dict[str, Any]:
        order = self._order(self._random.randint(1, 4))
        order = order if isinstance(order, dict) else {"type": "object", "x": order}
        function = {"name": "f", "description": self._place, "parameters": order}
        schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": order}}
        return self._random.choice(
            [
                {"tools": [{"type": "function", "function": function}]},
                {"response_format": schema},
                {"messages": [{"role": "user", "content": str(order)}]},
                {"messages": [{"role": "user", "content": "hi", "name": "x"}], "user": self._place},
                {self._random.choice(("callback_url", "webhook_url", "url", "proxy")): order},
            ]
        )

    def _order(self, depth: int) -> Any:
        """The address, or a shape that holds it somewhere."""
        if depth == 0:
            return self._random.choice(
                [self._place, f"{self._place}/chat/completions", [self._place], True]
            )
        inner = {self._random.choice(NAMES): self._order(depth - 1)}
        inner |= self._random.choice(
            [{}, {"role": "user", "content": "hi"}, {"type": "function"}, {"api_key": "sk-mine"}]
        )
        return self._random.choice([inner, [inner]])


async def test_u7_no_body_takes_a_key_elsewhere(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha", "beta", "stranger") as (live, alpha, beta, stranger):
        await live.daemon.owner.accounts.change_account("stranger", 1, {"enabled": False}, "test")
        stranger.headers.clear()
        maker, sent = Maker(stranger.url, SEED), 0
        for number in range(BODIES):
            body = maker.body()
            status, _, answer = await live.post(body)
            assert status < 500 or status == 502, (SEED, number, body, answer)
            sent += status == 200
        assert stranger.calls == [], SEED
        for fake in (alpha, beta):
            own = {headers.get("Authorization") for headers in fake.headers}
            assert own <= {f"Bearer key-{fake.name}"}, SEED
            for call in fake.calls:
                assert not REFUSED & call.keys(), SEED
    assert sent > BODIES / 20, "some of them are good enough to be sent"
