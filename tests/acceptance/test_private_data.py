"""Private data over HTTP: with ``local-only`` nothing of it reaches a cloud provider, ever.

One daemon, the direct lane, three pretend providers: two in the cloud, one at home. The
classifier is a model here too, so that the daemon's own questions are watched as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from farm import House, Simulator, model, pretend, provider, running

pytestmark = pytest.mark.timeout(180)

CORPUS = Path(__file__).parents[1] / "core" / "pii_corpus.tsv"
STRATEGIES = ("balanced", "cost-first", "speed-first", "quality-first", "local-first", "priority",
              "multi-cast")  # fmt: skip
CLOUD = ("cirrus", "nimbus")
CARD = "please charge 4111 1111 1111 1111"


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    names = {"cirrus": {"m": {"free": True}}, "nimbus": {"m": {}}, "home": {"m": {"free": True}}}
    started = Simulator(tmp_path_factory.mktemp("sky"), pretend(names))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, sky: Simulator) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("clinic") / "home", {"XSWARM_UPSTREAM__LANE": "direct"})
    house.xswarm("init")
    paid = {"free": False, "intelligence": 9.5, "pricing": {"input": 1.0, "output": 2.0}}
    fields = {"cirrus": {"intelligence": 8.0, "speed": 9.0}, "nimbus": paid,
              "home": {"intelligence": 2.5, "speed": 1.0}}  # fmt: skip
    listed = {
        name: provider(f"{sky.url}/{name}/v1", {"m": model(name, **own)},
                       kind="local" if name == "home" else "cloud")
        for name, own in fields.items()
    }  # fmt: skip
    house.overlay("sky", {"version": "2026.11.20", "providers": listed})
    for name in fields:
        tier = "paid" if name == "nimbus" else "free"
        house.xswarm("account", "add", name, "-", "--tier", tier, stdin=f"key-{name}\n")
    projects = '{"ward" = "local-only", "bank" = "block", "notes" = "warn"}'
    house.xswarm("config", "set", "privacy.projects", projects)
    house.xswarm("config", "set", "privacy.words", '["Bluebird"]')
    house.xswarm("config", "set", "classifier.mode", "model")
    with running(house):
        yield house


@pytest.fixture(autouse=True)
def _fresh(clinic: House, sky: Simulator) -> Iterator[None]:
    clinic.call("POST", "/v1/free-tiers/reset", {}, role="admin")
    yield
    sky.calm()


def sent(sky: Simulator) -> Counter[str]:
    return Counter(row["provider"] for row in sky.requests()["requests"])


def positives() -> list[str]:
    lines = [line.split("\t", 1) for line in CORPUS.read_text("utf-8").splitlines()]
    return [text.replace("\\n", "\n") for kind, text in lines if not kind.startswith("-")]


def test_nothing_of_the_corpus_reaches_the_cloud(clinic: House, sky: Simulator) -> None:
    before = sent(sky)
    every = positives()
    for i, text in enumerate(every[:: max(1, len(every) // 42)]):
        fields = {"strategy": STRATEGIES[i % len(STRATEGIES)], "project": "ward", "max_tokens": 20}
        status, headers, body = clinic.chat(text, **fields)
        assert status in (200, 422), body
        if status == 200:
            assert headers["x-freeloader-provider"] == "home"
            assert headers["x-freeloader-privacy"].startswith("local-only; ")
            assert body["routing"]["privacy"]["found"]
    after = sent(sky)
    assert after["home"] > before["home"]
    assert all(after[name] == before[name] for name in CLOUD)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_neither_does_it_when_the_home_server_fails(
    clinic: House, sky: Simulator, strategy: str
) -> None:
    before = sent(sky)
    sky.fault("home", "500", forever=True)
    for fallback in ({"onQuotaExceeded": "next-cheapest", "maxRetries": 1, "retryDelayMs": 1},
                     "local"):  # fmt: skip
        status, _, body = clinic.chat(CARD, strategy=strategy, project="ward", fallback=fallback)
        assert status in (422, 429, 502, 503, 504), body
    after = sent(sky)
    assert all(after[name] == before[name] for name in CLOUD)


def test_it_counts_wherever_in_the_request_it_stands(clinic: House, sky: Simulator) -> None:
    hello = {"role": "user", "content": "hello"}
    tool = {"type": "function", "function": {"name": "f", "description": CARD,
                                             "parameters": {"type": "object"}}}  # fmt: skip
    bodies = [
        {"messages": [{"role": "system", "content": CARD}, hello]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": CARD}]}]},
        {"messages": [{"role": "user", "content": CARD}, {"role": "assistant", "content": "ok"},
                      hello]},
        {"messages": [hello], "tools": [tool]},
    ]  # fmt: skip
    before = sent(sky)
    for body in bodies:
        status, headers, answer = clinic.call(
            "POST", "/v1/chat/completions", {"model": "cirrus/m", "project": "ward", **body}
        )
        assert status == 422, answer
        status, headers, answer = clinic.call(
            "POST", "/v1/chat/completions", {"model": "auto", "project": "ward", **body}
        )
        assert (status, headers["x-freeloader-provider"]) == (200, "home"), answer
    after = sent(sky)
    assert all(after[name] == before[name] for name in CLOUD)


def test_block_refuses_and_warn_says_and_the_record_holds_no_text(clinic: House) -> None:
    status, _, body = clinic.chat("the Bluebird plan", project="bank")
    assert (status, body["error"]["code"]) == (400, "private_data")
    kept = clinic.get(f"/v1/decisions/{body['error']['decisionId']}")
    assert kept["privacy"]["found"] == {"word": 1}
    status, headers, body = clinic.chat(CARD, project="notes")
    assert status == 200, body
    assert headers["x-freeloader-privacy"] == "warn; 1 card"
    assert clinic.chat("what is a bluebird?", project="free")[0] == 200
    audit = clinic.get("/v1/audit")
    assert "privacy.found" in str(audit)
    for record in (audit, kept, clinic.get("/v1/decisions")):
        assert "4111 1111" not in str(record)
        assert "Bluebird" not in str(record)


def test_a_vote_moves_the_model_and_is_forgotten(clinic: House) -> None:
    _, headers, body = clinic.chat("tell me a joke", project="free")
    vote = {"decisionId": headers["x-freeloader-decision-id"], "score": 0, "comment": "dull"}
    status, _, taken = clinic.call("POST", "/v1/feedback", vote)
    assert (status, taken["votes"], taken["model"]) == (200, 1, body["routing"]["model"]), taken
    assert taken["shift"] < 0
    asked = {"model": "auto", "project": "free",
             "messages": [{"role": "user", "content": "tell me a joke"}]}  # fmt: skip
    debug = clinic.call("POST", "/v1/router/debug", asked)[2]
    whys = [term["why"] for one in debug["candidates"] for term in one["terms"]]
    assert any("by 1 vote on" in why for why in whys)
    assert "1" in clinic.xswarm("feedback")
    assert "forgotten: 1" in clinic.xswarm("feedback", "--reset")
    assert clinic.call("POST", "/v1/feedback", {**vote, "score": 9})[0] == 400
