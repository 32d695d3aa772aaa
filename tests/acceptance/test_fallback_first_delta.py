"""A provider that fails before its first delta is replaced; after it, the stream says so."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from farm import House, Simulator


def decision(house: House, headers: dict[str, str]) -> Any:
    return house.get(f"/v1/decisions/{headers['x-freeloader-decision-id']}")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["500", "503", "minute", "reset", "hang", "401", "402", "empty"])
def test_the_second_provider_answers_and_the_journal_shows_both(
    house: House, simulator: Simulator, kind: str, stream: bool
) -> None:
    house.call("POST", "/v1/free-tiers/reset", {}, role="admin")
    longer = {"seconds": 30} if kind == "hang" else {}
    simulator.fault("alpha", kind, model="twin", **longer)
    status, headers, body = house.chat("hello", model="twins", stream=stream)
    assert status == 200, body
    assert headers["x-freeloader-provider"] == "beta"
    assert headers["x-freeloader-attempts"] == "2"
    attempts = decision(house, headers)["attempts"]
    assert [a["deployment"] for a in attempts] == ["alpha@1/twin", "beta@1/twin-b"]
    assert attempts[0]["outcome"] != "ok"
    assert attempts[1]["outcome"] == "ok"


def _events(house: House, **fields: Any) -> list[str]:
    body = {"messages": [{"role": "user", "content": "tell me a long story"}], **fields}
    request = urllib.request.Request(
        f"{house.url}/v1/chat/completions",
        data=json.dumps({"stream": True, **body}).encode(),
        headers={
            "Authorization": f"Bearer {house.key()}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        lines = answer.read().decode().split("\n")
    return [line[6:] for line in lines if line.startswith("data: ")]


def test_a_cut_stream_ends_in_an_error_event(house: House, simulator: Simulator) -> None:
    simulator.fault("alpha", "cut", afterChunks=3)
    events = _events(house, model="alpha/alpha-only")
    assert events[-1] != "[DONE]"
    last = json.loads(events[-1])
    assert last["error"]["code"] == "upstream_failed"
    assert any(json.loads(e).get("choices") for e in events[:-1])


def test_when_nobody_answers_every_attempt_is_listed(house: House, simulator: Simulator) -> None:
    simulator.fault("*", "500", forever=True)
    status, _, body = house.chat("hello", model="twins")
    assert status == 502
    error = body["error"]
    assert error["code"] == "upstream_failed"
    assert len(error["details"]["attempts"]) == 2
    assert error["decisionId"]


def test_a_refused_request_of_the_client_is_not_tried_elsewhere(
    house: House, simulator: Simulator
) -> None:
    simulator.fault(
        "alpha",
        "reply",
        model="twin",
        status=400,
        body={"error": {"message": "messages[0] is odd", "type": "invalid_request_error"}},
    )
    status, _, body = house.chat("hello", model="twins")
    assert status == 400
    assert "odd" in body["error"]["message"]
