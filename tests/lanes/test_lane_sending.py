"""What the direct lane sends: who can be spoken to, with which address, key and body."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from provider_kit import (
    answer_of,
    attempt,
    collect,
    deployment,
    json_handler,
    provider,
    whole,
)

from freeloader.core.model import Account
from freeloader.gateway.lanes.direct.address import base_of, headers_of
from freeloader.gateway.lanes.direct.body import body_of, fields_refused
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import proxy_for


@pytest.mark.parametrize(
    ("fields", "base"),
    [
        ({}, "https://api.p.example/v1"),
        ({"wire": "anthropic"}, None),
        ({"wire": "gemini"}, None),
        ({"params": {"drop": True}}, None),
        ({"params": {"api_base": "https://other.example/v2/"}}, "https://other.example/v2"),
        ({"auth_fields": ("aws_access_key_id",)}, None),
        ({"auth_fields": ("api_key", "account_id")}, "https://api.p.example/v1"),
        ({"wire": "ollama"}, "https://api.p.example/v1"),
    ],
)
def test_what_can_be_spoken_to_directly(fields: dict[str, Any], base: str | None) -> None:
    found = deployment("https://api.p.example/v1", **fields)
    assert base_of(found) == base
    assert DirectLane.takes(found) is (base is not None)


@pytest.mark.parametrize(
    "url",
    [None, "", "ftp://x/v1", "https://u:p@x/v1", "https://x/{account_id}", "http://", "http://x:y",
     "https://x/v1?a=1", "https://x/v1#f", "https://x /v1"],
)  # fmt: skip
def test_an_address_that_is_none_goes_by_the_child(url: str | None) -> None:
    assert base_of(deployment(url)) is None


def test_ollamas_address_is_that_of_its_own_api() -> None:
    for given in ("http://h:11434", "http://h:11434/", "http://h:11434/api", "http://h:11434/v1"):
        assert base_of(deployment(given, wire="ollama")) == "http://h:11434/v1"


def test_the_key_is_in_one_header_and_none_is_sent_where_there_is_none() -> None:
    found = deployment("https://x/v1", account=Account("p", 1, params={"organization": "org-1"}))
    headers = headers_of(found, {"api_key": " key-1 "})
    assert headers["Authorization"] == "Bearer key-1"
    assert headers["OpenAI-Organization"] == "org-1"
    assert sum("key-1" in value for value in headers.values()) == 1
    for none in ({}, {"api_key": ""}, {"api_key": "none"}):
        assert "Authorization" not in headers_of(found, none)
    with pytest.raises(ValueError, match="no header"):
        headers_of(found, {"api_key": "a\r\nX-Evil: 1"})


def test_the_body_is_the_payload_with_the_providers_own_name() -> None:
    payload = {"messages": [{"role": "user", "content": "é"}], "seed": 1, "max_tokens": 5}
    sent = attempt("http://x/v1", payload=payload)
    assert orjson.loads(body_of(sent)) == {**payload, "model": "vendor/model"}
    streamed = orjson.loads(body_of(attempt("http://x/v1", payload=payload, stream=True)))
    assert streamed["stream"] is True
    assert streamed["stream_options"] == {"include_usage": True}
    without = orjson.loads(body_of(sent, frozenset({"seed", "max_tokens"})))
    assert without == {
        "messages": payload["messages"], "max_completion_tokens": 5, "model": "vendor/model",
    }  # fmt: skip
    both = frozenset({"max_tokens", "max_completion_tokens"})
    assert orjson.loads(body_of(sent, both))["max_tokens"] == 5, "never without its bound"


@pytest.mark.parametrize(
    ("status", "text", "left_out"),
    [
        (400, "Unsupported parameter: 'max_tokens' is not supported with this model. "
              "Use 'max_completion_tokens' instead.", {"max_tokens"}),
        (422, '{"detail":[{"type":"extra_forbidden","loc":["body","seed"]}]}', {"seed"}),
        (400, "Unrecognized request argument supplied: stream_options", {"stream_options"}),
        (400, "temperature does not support 0.2 with this model", {"temperature"}),
        (400, "temperature must be between 0 and 2", set()),
        (400, "property 'tools' is unsupported", set()),
        (400, "property 'response_format' is unsupported", set()),
        (429, "seed is not supported", set()),
        (400, "the model is not supported", set()),
    ],
)  # fmt: skip
def test_only_fields_that_shape_style_are_left_out(
    status: int, text: str, left_out: set[str]
) -> None:
    payload = {"messages": [], "seed": 1, "temperature": 1, "max_tokens": 3, "tools": []}
    assert fields_refused(status, text, payload, stream=True) == left_out


async def test_a_key_that_cannot_be_sent_is_not_sent() -> None:
    async with provider(json_handler(whole())) as served:
        answer = answer_of(await collect(attempt(served.url, api_key="a\nb")))
    assert (answer.lane_fault, answer.phase) == (True, "connect")
    assert served.bodies == []


@pytest.mark.parametrize(
    ("url", "proxies", "proxy"),
    [
        ("https://api.x.example/v1", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.x.example/v1", {"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://api.x.example/v1", {"http_proxy": "http://proxy:3128"}, None),
        ("http://api.x.example/v1", {"https_proxy": "http://p", "http_proxy": "http://p"}, None),
        ("https://127.0.0.1/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://192.168.1.2/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://localhost/v1", {"https_proxy": "http://proxy:3128"}, None),
        ("https://api.x.example/v1", {"https_proxy": "http://p", "no_proxy": "x.example"}, None),
        ("https://api.x.example/v1", {"https_proxy": "http://p", "no_proxy": "*"}, None),
        ("https://api.x.example/v1", {"https_proxy": "socks5://p"}, None),
    ],
)
def test_a_proxy_only_where_the_owner_named_one_and_it_sees_no_key(
    url: str, proxies: dict[str, str], proxy: str | None
) -> None:
    assert proxy_for(url, proxies) == proxy
