"""Private data in the pipeline: nothing of it reaches a cloud provider, and it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pipeline_world import FIRST, GOOD, SECOND, collect, fault, profile, world

from freeloader.core.model import Account, Gates, Level, Provider
from freeloader.core.policy import PRESETS
from freeloader.core.privacy import Found, Own, Watching
from freeloader.errors import FreeloaderError, InvalidRequest
from freeloader.gateway.reading import Reader

SECRET = "my card is 4111 1111 1111 1111"


def asking(text: str) -> dict[str, Any]:
    return {"payload": {"messages": [{"role": "user", "content": text}]}}


def local() -> Any:
    provider = Provider("ollama", "Ollama", "local", "active", "ollama", "openai", "http://x")
    return replace(
        FIRST, id="ollama@1/m", provider=provider, account=Account("ollama", 1), entry="ollama/m"
    )


@pytest.mark.parametrize("strategy", list(PRESETS))
@pytest.mark.parametrize("failing", [False, True])
async def test_local_only_reaches_no_cloud_under_any_strategy_or_failure(
    strategy: str, failing: bool
) -> None:
    home = local()
    script = [[fault(500)], [fault(429)]] if failing else [list(GOOD)]
    house = world(
        {home.id: script, FIRST.id: [list(GOOD)], SECOND.id: [list(GOOD)]},
        FIRST, SECOND, home, wish=Watching("local-only"),
    )  # fmt: skip
    run = house.begin(stream=True, level=Level("request", strategy=strategy), **asking(SECRET))
    try:
        await run.first(5)
        await collect(run)
    except FreeloaderError:
        assert failing or strategy in ("speed-first", "quality-first", "cost-first")
    assert {a.deployment.id for a in house.lane.sent} <= {home.id}
    assert "4111 1111" not in repr(house.journal.decisions)


async def test_with_cloud_models_alone_it_is_refused() -> None:
    house = world({FIRST.id: [list(GOOD)]}, wish=Watching("local-only"))
    with pytest.raises(FreeloaderError) as caught:
        await house.begin(**asking(SECRET)).first(5)
    assert caught.value.code == "no_model_passes_gates"
    assert not house.lane.sent


async def test_without_private_data_nothing_changes() -> None:
    house = world({FIRST.id: [list(GOOD)]}, wish=Watching("local-only"))
    run = house.begin(stream=True, **asking("how are you?"))
    assert await run.first(5)
    await collect(run)
    assert "privacy" not in run.routing()


async def test_warn_sends_and_says_kinds_and_counts() -> None:
    house = world({FIRST.id: [list(GOOD)]}, wish=Watching("warn"))
    run = house.begin(stream=True, **asking(SECRET + " and jane@example.com"))
    assert await run.first(5)
    await collect(run)
    assert run.routing()["privacy"] == {"action": "warn", "found": {"card": 1, "email": 1}}
    assert run.headers()["X-Freeloader-Privacy"] == "warn; 1 card, 1 email"
    assert [row.detail["found"] for row in house.audits] == [{"card": 1, "email": 1}]
    assert "4111 1111" not in repr(house.audits)


async def test_block_refuses_before_anything_and_journals_it() -> None:
    house = world({FIRST.id: [list(GOOD)]}, wish=Watching("block", Own({}, ["bluebird"])))
    with pytest.raises(InvalidRequest) as caught:
        house.begin(**asking("the Bluebird plan"))
    assert caught.value.code == "private_data"
    assert "bluebird" not in caught.value.message.lower()
    (row,) = house.journal.decisions
    assert (row.outcome, row.detail["privacy"]["found"]) == ("private_data", {"word": 1})
    assert not house.lane.sent


async def test_what_was_read_once_is_not_read_again_but_still_counts() -> None:

    reader = Reader(lambda _: Watching("warn"))
    long = SECRET + " filler" * 3000
    for _ in range(2):
        read = await reader.read(profile(**asking(long)), None)
        assert read.private == Found("warn", {"card": 1})


async def test_a_requests_own_gate_cannot_loosen_it() -> None:
    house = world({FIRST.id: [list(GOOD)]}, wish=Watching("local-only"))
    level = Level("request", gates=Gates(allowed_providers=frozenset({"a"})))
    with pytest.raises(FreeloaderError):
        await house.begin(level=level, **asking(SECRET)).first(5)
    assert not house.lane.sent


GATED = {
    "localOnly": Gates(local_only=True),
    "blockedProviders": Gates(blocked_providers=frozenset({"a", "b"})),
    "noTraining": Gates(no_training=True),
}


@pytest.mark.parametrize("strategy", [name for name in PRESETS if name != "multi-cast"])
@pytest.mark.parametrize("gate", GATED)
@pytest.mark.parametrize("level", ["request", "settings"])
async def test_an_owners_walls_hold_under_every_strategy_and_through_every_fallback(
    strategy: str, gate: str, level: str
) -> None:
    home = local()
    scripts = {home.id: [[fault(500)]] * 6, FIRST.id: [list(GOOD)], SECOND.id: [list(GOOD)]}
    walls = Level(level, gates=GATED[gate], max_wait_ms=0)
    rules = {} if level == "request" else {"level": walls}
    learns, silent = (
        replace(one, provider=replace(one.provider, trains_on_data=trains))
        for one, trains in ((FIRST, True), (SECOND, None))
    )
    house = world(scripts, learns, silent, home, **rules)
    own = Level("request", strategy=strategy, max_wait_ms=0)
    asked = replace(walls, strategy=strategy) if level == "request" else own
    run = house.begin(stream=True, level=asked, **asking("hello"))
    with pytest.raises(FreeloaderError):
        await run.first(5)
    assert {attempt.deployment.id for attempt in house.lane.sent} <= {home.id}
