"""One request's life against a scripted lane: what is sent, relayed, settled and said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile
from pipeline_world import (
    FIRST,
    GOOD,
    PAID,
    SECOND,
    chunk,
    collect,
    fault,
    used,
    world,
)

from freeloader.core.events import Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import (
    Verdict,
)
from freeloader.errors import (
    BudgetExceeded,
    FreeloaderError,
    InvalidRequest,
    NoModelPassesGates,
    QuotaExhausted,
    UpstreamFailed,
    UpstreamTimeout,
)
from freeloader.gateway.ports import Keep
from freeloader.money import Meters


async def test_an_answer_is_relayed_settled_and_journalled() -> None:
    house = world({FIRST.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    events = await collect(run)
    assert [type(e) for e in events] == [Delta, Delta, Delta, Usage, End]
    assert all(e.data["model"] == "a/m" for e in events if isinstance(e, Delta))
    assert house.books.said("settle") == [(FIRST.id, "reported", Meters(1, 10, output=5))]
    assert house.books.said("record") == [(FIRST.id, "ok")]
    assert run.accounting()["tokensOut"] == 5
    assert run.accounting()["estimated"] is False
    (decision,) = house.journal.decisions
    assert (decision.outcome, decision.attempts) == ("answered", 1)
    assert house.lane.sent[0].credentials == {"api_key": "hush-hush"}
    assert "hush" not in repr(house.lane.sent[0])


@pytest.mark.parametrize(
    ("keep", "saved"),
    [
        (Keep(), []),
        (Keep(True, False), [(True, False)]),
        (Keep(False, True), [(False, True)]),
        (Keep(True, True), [(True, True)]),
    ],
)
async def test_texts_are_kept_only_where_wanted(keep: Keep, saved: list[Any]) -> None:
    payload = {"messages": [{"role": "user", "content": "my key is hush-hush"}], "top_p": 1}
    house = world({FIRST.id: [list(GOOD)]}, kept=keep)
    run = house.begin(stream=True, payload=payload)
    assert await run.first(5)
    await collect(run)
    texts = house.journal.saved
    assert [(a is not None, b is not None) for a, b in texts] == saved
    for asked, answered in texts:
        assert asked is None or ("my key is" in asked and "top_p" not in asked)
        assert answered in (None, "hello")


async def test_the_second_provider_answers_when_the_first_fails_before_content() -> None:
    house = world({FIRST.id: [[Headers(200, {}), chunk(), fault(500)]], SECOND.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert run.headers()["X-Freeloader-Attempts"] == "2"
    assert run.routing()["provider"] == "b"
    assert [a.deployment for a in house.journal.attempts] == [FIRST.id, SECOND.id]
    assert house.books.said("record") == [(FIRST.id, "their_fault"), (SECOND.id, "ok")]


async def test_after_the_first_content_there_is_no_second_provider() -> None:
    house = world({FIRST.id: [[chunk("x"), fault(None, "stream")]]})
    run = house.begin(stream=True)
    assert await run.first(5)
    events = await collect(run)
    assert isinstance(events[-1], Fault)
    assert len(house.lane.sent) == 1
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert settled[2].input == profile().upper.input
    assert settled[2].output > 0
    assert house.journal.decisions[0].outcome == "broken"


async def test_what_the_books_refuse_is_decided_again() -> None:
    house = world({SECOND.id: [list(GOOD)]})
    house.books.refuse[FIRST.id] = Verdict("quota", "quota_exhausted", "raced", until=9e9)
    run = house.begin(stream=True)
    assert await run.first(5)
    assert run.routing()["provider"] == "b"
    assert "quota: raced" in str(run.routing()["alternatives"])


@pytest.mark.parametrize(
    ("first", "second", "error", "code"),
    [
        (fault(500), fault(503), UpstreamFailed, "upstream_failed"),
        (fault(None, timeout=True), fault(None, timeout=True), UpstreamTimeout, None),
        (fault(429), fault(429), QuotaExhausted, "quota_exhausted"),
        (fault(400, body='{"error": {"message": "odd"}}'), None, InvalidRequest, None),
    ],
)
async def test_how_failure_is_called(
    first: Fault, second: Fault | None, error: type[FreeloaderError], code: str | None
) -> None:
    scripts: dict[str, list[list[Event]]] = {FIRST.id: [[first]]}
    if second is not None:
        scripts[SECOND.id] = [[second]]
    house = world(scripts)
    with pytest.raises(error) as caught:
        await house.begin().first(5)
    assert code in (None, caught.value.code)
    assert len(caught.value.details["attempts"]) == len(scripts)
    assert caught.value.details["decisionId"]


async def test_nobody_may_serve() -> None:
    house = world({})
    with pytest.raises(NoModelPassesGates) as caught:
        await house.begin(needs=frozenset({"vision"})).first(5)
    assert caught.value.details["gates"][0]["refused"] == 2
    house.books.full = frozenset({FIRST.id, SECOND.id})
    with pytest.raises(QuotaExhausted) as busy:
        await house.begin().first(5)
    assert busy.value.retry_after is not None
    assert house.journal.decisions[-1].outcome == "quota_exhausted"


async def test_explain_sends_and_holds_nothing() -> None:
    house = world({})
    shown = house.explain()
    assert shown["winner"]["deployment"] == FIRST.id
    assert [c["deployment"] for c in shown["candidates"]] == [FIRST.id, SECOND.id]
    assert house.lane.sent == []
    assert house.books.log == []


async def test_two_requests_of_one_name_share_no_hold() -> None:
    """A request id is the client's own choice: with it, one hold paid for many calls."""
    house = world({FIRST.id: [list(GOOD), list(GOOD)]})
    runs = [house.begin(stream=True), house.begin(stream=True)]
    for run in runs:
        await run.first(5)
        await collect(run)
    first, second = house.lane.sent
    assert first.request_id == second.request_id == "r"
    assert first.id != second.id
    assert len({row.id for row in house.journal.attempts}) == 2


async def test_a_bug_on_the_way_ends_the_request_at_once_and_is_still_charged() -> None:
    house = world({FIRST.id: [[Delta(7, True)]]}, FIRST)  # type: ignore[arg-type]
    run = house.begin(stream=True)
    with pytest.raises(FreeloaderError) as caught:
        await run.first(5)
    assert caught.value.code == "internal_error"
    assert house.books.said("settle")[0][1] == "hold"
    assert house.journal.decisions[0].outcome == "internal_error"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_a_provider_that_quotes_our_key_does_not_spread_it(status: int) -> None:
    quoted = '{"error": {"message": "' + "x" * 292 + ' hush-hush is wrong", "code": "hush-hush"}}'
    house = world({FIRST.id: [[fault(status, body=quoted)]]}, FIRST)
    with pytest.raises(FreeloaderError) as caught:
        await house.begin().first(5)
    said = f"{caught.value.message} {caught.value.details} {house.journal}"
    assert "xxx" in said
    assert "hush" not in said


async def test_what_looks_like_a_secret_is_masked_before_people_see_it() -> None:
    body = '{"error": {"message": "sorry, whisper here"}}'
    house = world({FIRST.id: [[fault(500, body=body)]]}, FIRST)
    house.scrub = lambda text: text.replace("whisper", "***")
    with pytest.raises(FreeloaderError) as caught:
        await house.begin().first(5)
    said = f"{caught.value.message}{caught.value.details}{house.journal.decisions}"
    assert "***" in said
    assert "whisper" not in said


@pytest.mark.parametrize(
    "data",
    [
        {"choices": "abc"},
        {"choices": {"a": 1}},
        {"choices": [None, 1]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None, {"function": "f"}]}}]},
        {"choices": [{"delta": {"content": [1], "function_call": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]},
    ],
)
async def test_a_provider_that_sends_odd_shapes_breaks_nothing(data: dict[str, Any]) -> None:
    house = world({FIRST.id: [[Delta(data, True), used(), End()]]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert house.books.said("settle")[0][1] == "reported"


async def test_a_budget_that_refuses_is_told_to_the_books() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({}, paid)
    house.books.budget_left = 0
    with pytest.raises(BudgetExceeded):
        await house.begin().first(5)
    assert house.books.said("refused") == [("budget_exceeded",)]
