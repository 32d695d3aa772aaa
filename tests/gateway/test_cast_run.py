"""Multi-cast against a scripted lane: who is asked, cancelled, paid; what the client gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from cast_shapes import HANG, A, B, C, D, asked, finished, house, says, states, text
from houses import deployment
from pipeline_world import GOOD, PAID, chunk, fault

from freeloader.core.events import Delta, End, Fault, Headers, Usage
from freeloader.core.model import FallbackPlan, Gates, Verdict
from freeloader.errors import BudgetExceeded, NoModelPassesGates, UpstreamFailed

# ── first ────────────────────────────────────────────────────────────────────


async def test_the_first_good_answer_wins_and_the_others_are_cancelled_upstream() -> None:
    one = house({A.id: HANG, B.id: says("b"), C.id: HANG})
    run = one.begin(level=asked())
    body, _ = await finished(run)
    assert text(body) == "b"
    assert body["model"] == "b/two"
    assert states(run) == {"a": "cancelled", "b": "won", "c": "cancelled"}
    assert sorted(one.lane.closed) == [A.id, B.id, C.id]
    assert sorted(row[:2] for row in one.books.said("settle")) == [
        (A.id, "hold"),
        (B.id, "reported"),
        (C.id, "hold"),
    ]
    assert run.headers()["X-Freeloader-Model"] == "b/two"
    assert run.headers()["X-Freeloader-Attempts"] == "3"
    assert "b/two answered first, 2 cancelled" in run.routing()["reason"]


async def test_all_holds_are_made_before_anything_is_sent() -> None:
    one = house({A.id: says("a"), B.id: HANG, C.id: HANG})
    seen: list[int] = []
    send = one.lane.send

    def spy(attempt: Any) -> Any:
        seen.append(len(one.books.said("hold")))
        return send(attempt)

    one.lane.send = spy  # type: ignore[method-assign]
    await finished(one.begin(level=asked()))
    assert seen == [3, 3, 3]


async def test_a_stream_of_first_relays_the_winner_from_its_first_content() -> None:
    one = house({A.id: HANG, B.id: GOOD, C.id: HANG})
    run = one.begin(level=asked(), stream=True)
    _, events = await finished(run)
    content = [e.data["choices"][0]["delta"].get("content") for e in events if isinstance(e, Delta)]
    assert content == [None, "hel", "lo"]
    assert isinstance(events[-1], End)
    assert states(run) == {"a": "cancelled", "b": "won", "c": "cancelled"}
    assert all(a.profile.stream for a in one.lane.sent)


async def test_a_stream_that_breaks_after_its_first_content_is_final() -> None:
    broken = [Headers(200, {}), chunk("hel"), fault(None, "stream")]
    one = house({A.id: HANG, B.id: broken, C.id: HANG})
    run = one.begin(level=asked(), stream=True)
    _, events = await finished(run)
    assert isinstance(events[-1], Fault)
    (row,) = one.journal.decisions
    assert row.outcome == "broken"


async def test_failures_and_flaws_do_not_win() -> None:
    one = house({A.id: [fault(500)], B.id: says(""), C.id: says("c")})
    run = one.begin(level=asked())
    body, _ = await finished(run)
    assert text(body) == "c"
    assert states(run) == {"a": "failed", "b": "failed", "c": "won"}


async def test_when_all_fail_a_successor_is_asked_as_fallback_allows() -> None:
    scripts = {A.id: [fault(500)], B.id: [fault(500)], C.id: [fault(500)], D.id: says("d")}
    one = house(scripts, A, B, C, D)
    run = one.begin(level=asked())
    body, _ = await finished(run)
    assert text(body) == "d"
    assert states(run)["d"] == "won"


async def test_fallback_error_asks_nobody_else() -> None:
    scripts = {A.id: [fault(500)], B.id: [fault(500)], C.id: [fault(500)]}
    one = house(scripts, A, B, C, D)
    run = one.begin(level=asked(fallback=FallbackPlan(mode="error")))
    with pytest.raises(UpstreamFailed) as failed:
        await finished(run)
    assert len(failed.value.details["attempts"]) == 3
    assert {row[0] for row in one.books.said("hold")} == {A.id, B.id, C.id}


# ── all ──────────────────────────────────────────────────────────────────────


async def test_all_gives_every_answer_with_its_model_cost_and_latency() -> None:
    paid = deployment("b", "two", tier="paid", price=PAID, intelligence=6.0)
    one = house({A.id: says("a"), paid.id: says("b"), C.id: [fault(500)]}, A, paid, C)
    run = one.begin(level=asked("all", fallback=FallbackPlan(mode="error")))
    body, events = await finished(run)
    rows = [(c["index"], c["model"], c["message"]["content"]) for c in body["choices"]]
    assert rows == [(0, "a/one", "a"), (1, "b/two", "b")]
    assert body["choices"][0]["costUsd"] == 0
    assert body["choices"][1]["costUsd"] == pytest.approx(20 / 1e6)
    assert all(c["latencyMs"] >= 0 for c in body["choices"])
    assert states(run) == {"a": "won", "b": "answered", "c": "failed"}
    assert run.accounting()["costUsd"] == pytest.approx(20 / 1e6)
    (usage,) = [e for e in events if isinstance(e, Usage)]
    assert usage.meters.output == 10


async def test_all_in_a_stream_comes_in_one_burst_at_the_end() -> None:
    one = house({A.id: says("a"), B.id: says("b"), C.id: says("c")})
    run = one.begin(level=asked("all"), stream=True)
    _, events = await finished(run)
    said = [
        (c["index"], c["delta"].get("content"), c["finish_reason"])
        for e in events
        if isinstance(e, Delta)
        for c in e.data["choices"]
    ]
    ends = [(0, None, "stop"), (1, None, "stop"), (2, None, "stop")]
    assert said == [
        (0, "a", None), ends[0], (1, "b", None), ends[1], (2, "c", None), ends[2]
    ]  # fmt: skip
    assert not any(a.profile.stream for a in one.lane.sent)


async def test_a_member_that_failed_gets_a_successor_elsewhere() -> None:
    one = house({A.id: says("a"), B.id: [fault(500)], C.id: says("c"), D.id: says("d")}, A, B, C, D)
    run = one.begin(level=asked("all"))
    body, _ = await finished(run)
    assert [c["model"] for c in body["choices"]] == ["a/one", "c/three", "d/four"]
    assert states(run) == {"a": "won", "b": "failed", "c": "answered", "d": "answered"}


async def test_the_quota_used_is_that_of_the_members_which_have_one() -> None:
    """Whoever wins: the paid one without limits (``P``), or one of the free."""
    for free, won in ((A, "p"), (D, "d")):
        intelligence = 9.0 if won == "p" else 1.0
        paid = deployment("p", "m", tier="paid", price=PAID, intelligence=intelligence)
        one = house({free.id: says("a"), paid.id: says("p")}, free, paid)
        run = one.begin(level=asked("all", targets=2))
        await finished(run)
        assert states(run)[won] == "won"
        told = run.accounting()
        assert (told["tokensIn"], told["tokensOut"]) == (20, 10)
        assert told["quotaUsed"] == {"requests": 1, "input": 10, "output": 5}
        members = run.routing()["multiCast"]["members"]
        each = {member["provider"]: member.get("quotaUsed") for member in members}
        assert each == {free.provider.id: told["quotaUsed"], "p": None}, "whose quota it was"


# ── fewer than asked for, and nobody ─────────────────────────────────────────


async def test_with_fewer_providers_it_goes_on_and_says_so() -> None:
    twin = deployment("a", "other", intelligence=7.0)
    one = house({A.id: says("a"), B.id: says("b"), twin.id: says("twin")}, A, B, twin)
    run = one.begin(level=asked("all"))
    await finished(run)
    told = run.routing()["multiCast"]
    assert (told["targets"], told["asked"]) == (3, 2)
    (row,) = one.journal.decisions
    assert row.detail["refusals"] == {}
    assert told["note"].startswith("2 of 3 targets")


async def test_nobody_is_the_usual_error() -> None:
    one = house({}, A, B, C)
    with pytest.raises(NoModelPassesGates):
        await finished(one.begin(level=asked(gates=Gates(min_intelligence=9.5))))


async def test_a_budget_for_two_of_three_asks_two() -> None:
    rich = [
        deployment(p, "m", tier="paid", price=PAID, intelligence=i)
        for p, i in (("a", 8.0), ("b", 6.0), ("c", 4.0))
    ]
    one = house({d.id: says(d.id) for d in rich}, *rich)
    each = 2_000_000_000  # 1,000 in at $1/M and 500 out at $2/M, in picodollars
    run = one.begin(level=asked("all", max_cost=2 * each))
    body, _ = await finished(run)
    assert [c["model"] for c in body["choices"]] == ["a/m", "b/m"]
    assert len(one.books.said("hold")) == 2
    (row,) = one.journal.decisions
    assert row.detail["refusals"] == {"maxCost": 1}
    assert "c/m" in run.routing()["multiCast"]["note"]


async def test_no_budget_for_anybody_is_402() -> None:
    rich = [deployment(p, "m", tier="paid", price=PAID) for p in "abc"]
    one = house({}, *rich)
    with pytest.raises(BudgetExceeded):
        await finished(one.begin(level=asked(max_cost=1000)))
    assert one.books.said("hold") == []


async def test_a_race_for_one_hold_gives_the_others_back_and_asks_again() -> None:
    one = house({A.id: says("a"), B.id: says("b"), D.id: says("d")}, A, B, C, D)
    one.books.refuse[C.id] = Verdict("quota", "quota_exhausted", "somebody was faster")
    run = one.begin(level=asked("all"))
    body, _ = await finished(run)
    assert [c["model"] for c in body["choices"]] == ["a/one", "b/two", "d/four"]
    holds = [row[0] for row in one.books.said("hold")]
    assert holds == [A.id, B.id, A.id, B.id, D.id]
    assert [row[0] for row in one.books.said("release")] == [A.id, B.id]
    assert len({attempt.id for attempt in one.lane.sent}) == 3
