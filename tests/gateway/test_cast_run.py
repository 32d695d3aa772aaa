"""Multi-cast against a scripted lane: who is asked, cancelled, paid; what the client gets."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment
from pipeline_world import GOOD, PAID, World, chunk, collect, fault, whole, world

from freeloader.core.events import Delta, End, Fault, Headers, Usage
from freeloader.core.model import FallbackPlan, Gates, Level, Timeouts, Verdict
from freeloader.errors import BudgetExceeded, InvalidRequest, NoModelPassesGates, UpstreamFailed
from freeloader.gateway.ports import Keep
from freeloader.money import Meters

A = deployment("a", "one", intelligence=8.0)
B = deployment("b", "two", intelligence=6.0)
C = deployment("c", "three", intelligence=4.0)
D = deployment("d", "four", intelligence=2.0)
USED = Usage(Meters(1, 10, output=5), raw={"prompt_tokens": 10, "completion_tokens": 5})
HANG: list[Any] = [Headers(200, {}), chunk()]
LATE = {"stream": False}


def says(text: str, **more: Any) -> list[Any]:
    return [Headers(200, {}), whole(text), USED, End()]


def asked(aggregation: str = "first", targets: int = 3, **more: Any) -> Level:
    base: dict[str, Any] = {"strategy": "multi-cast", "selection": "best", "max_wait_ms": 0}
    base |= {"aggregation": aggregation, "targets": targets}
    return Level("request", **{**base, **more})


def house(scripts: dict[str, list[Any]], *deployments: Any, **rules: Any) -> World:
    every = {d.id: [] for d in (A, B, C, D)} | {k: [v] for k, v in scripts.items()}
    return world(every, *(deployments or (A, B, C)), **rules)


async def finished(run: Any) -> tuple[dict[str, Any], list[Any]]:
    """The body (or last chunk), and all events."""
    await run.first(5)
    events = await asyncio.wait_for(collect(run), 5)
    deltas = [e.data for e in events if isinstance(e, Delta)]
    return (deltas[-1] if deltas else {}), events


def text(body: dict[str, Any]) -> str:
    return str(body["choices"][0]["message"]["content"])


def states(run: Any) -> dict[str, str]:
    return {m["provider"]: m["state"] for m in run.routing()["multiCast"]["members"]}


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


# ── consensus ────────────────────────────────────────────────────────────────


async def test_consensus_stops_as_soon_as_enough_agree_and_says_the_vote() -> None:
    one = house({A.id: says("42"), B.id: HANG, C.id: says("The answer is 42.")})
    run = one.begin(level=asked("consensus"))
    body, _ = await finished(run)
    assert text(body) == "42"
    vote = run.routing()["multiCast"]["vote"]
    assert (vote["agreed"], vote["votes"], vote["of"], vote["needed"]) == (True, 2, 3, 2)
    assert vote["by"] == "number"
    assert vote["groups"][0]["models"] == ["a/one", "c/three"]
    assert states(run)["b"] == "cancelled"
    assert "2 of 3 agree by number" in run.routing()["reason"]


async def test_consensus_without_a_majority_gives_the_answer_with_most_support() -> None:
    one = house({A.id: says("1"), B.id: says("2"), C.id: says("3")})
    run = one.begin(level=asked("consensus"))
    body, _ = await finished(run)
    assert text(body) == "1"
    vote = run.routing()["multiCast"]["vote"]
    assert (vote["agreed"], vote["votes"]) == (False, 1)


async def test_the_journal_keeps_who_agreed_but_no_words() -> None:
    one = house({A.id: says("a secret"), B.id: says("a secret"), C.id: HANG})
    run = one.begin(level=asked("consensus"))
    await finished(run)
    (row,) = one.journal.decisions
    assert row.detail["routing"]["multiCast"]["vote"]["groups"][0]["models"] == ["a/one", "b/two"]
    assert "secret" not in str(row)


# ── best ─────────────────────────────────────────────────────────────────────

QUESTION = [{"role": "user", "content": "which one?"}]
SCORES = '{"scores": [{"answer": 1, "score": 3}, {"answer": 2, "score": 9, "why": "right"}]}'


def judged(reply: list[Any]) -> World:
    """a and b answer; c judges: no weaker than b, as cheap, and no member."""
    third = deployment("c", "three", intelligence=6.0, speed=1.0)
    return house({A.id: says("a"), B.id: says("b"), third.id: reply}, A, B, third)


async def test_best_has_the_cheapest_capable_model_score_the_answers() -> None:
    one = judged(says(SCORES))
    run = one.begin(level=asked("best", targets=2), payload={"messages": QUESTION})
    body, _ = await finished(run)
    chosen = run.routing()["multiCast"]
    assert [m["score"] for m in chosen["members"]] == [3, 9]
    assert (text(body), body["model"]) == ("b", "b/two")
    assert chosen["judge"]["model"] == "c/three"
    assert chosen["judge"]["problem"] is None
    assert run.headers()["X-Freeloader-Attempts"] == "3"
    assert "b/two scored 9 of 10" in run.routing()["reason"]
    asked_of = one.lane.sent[-1].profile.payload["messages"][-1]["content"]
    assert all(part in asked_of for part in ("which one?", '<answer number="2">\nb\n'))
    (row,) = one.journal.decisions
    assert "right" not in str(row.detail)


async def test_a_judge_that_talks_nonsense_does_not_fail_the_request() -> None:
    one = house({A.id: says("a"), B.id: says("b"), C.id: says("I like both")}, A, B, C)
    run = one.begin(level=asked("best", targets=2))
    body, _ = await finished(run)
    assert text(body) == "a"  # the most intelligent model's
    assert "did not judge" in run.routing()["multiCast"]["judge"]["problem"]


async def test_best_of_one_answer_needs_no_judge() -> None:
    one = house({A.id: says("a"), B.id: [fault(500)]}, A, B)
    run = one.begin(level=asked("best", targets=2, fallback=FallbackPlan(mode="error")))
    body, _ = await finished(run)
    assert text(body) == "a"
    assert len(one.books.said("hold")) == 3
    assert ("release", A.id, False) in one.books.log or ("release", B.id, False) in one.books.log


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


# ── the client leaves; nobody answers in time ────────────────────────────────


async def test_a_client_that_leaves_ends_every_call_and_everything_is_settled() -> None:
    one = house({A.id: HANG, B.id: HANG, C.id: HANG})
    run = one.begin(level=asked("all"))
    while len(one.lane.sent) < 3:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    run.abandon()
    await one.tasks.drain(5)
    assert sorted(one.lane.closed) == [A.id, B.id, C.id]
    assert sorted(row[0] for row in one.books.said("settle")) == [A.id, B.id, C.id]
    (row,) = one.journal.decisions
    assert row.outcome == "abandoned"


async def test_a_client_that_leaves_before_anything_is_sent_costs_nothing() -> None:
    one = house({A.id: HANG, B.id: HANG, C.id: HANG})
    run = one.begin(level=asked("all"))
    while len(one.books.said("hold")) < 3:
        await asyncio.sleep(0)
    run.abandon()
    await one.tasks.drain(5)
    over = one.books.said("settle") + one.books.said("release")
    assert sorted(row[0] for row in over) == [A.id, B.id, C.id]


async def test_a_member_that_hangs_does_not_keep_the_others_answers() -> None:
    limits = Timeouts(total=0.4)
    one = house({A.id: says("a"), B.id: HANG, C.id: says("c")}, limits=limits)
    run = one.begin(level=asked("all"))
    body, _ = await finished(run)
    assert [c["model"] for c in body["choices"]] == ["a/one", "c/three"]
    assert states(run)["b"] == "cancelled"


async def test_several_choices_are_not_compared() -> None:
    one = house({})
    with pytest.raises(InvalidRequest, match="n must be 1"):
        one.begin(level=asked("consensus"), choices=2)


async def test_the_dry_run_is_what_would_be_held_and_touches_nothing() -> None:
    rich = [deployment(p, "m", tier="paid", price=PAID, intelligence=7.0) for p in "abc"]
    one = house({d.id: says(d.id) for d in rich}, *rich)
    said = asked("best", targets=2)
    shown = one.explain(level=said)
    assert one.books.log == []
    plan = shown["multiCast"]
    assert [m["provider"] for m in plan["members"]] == ["a", "b"]
    assert plan["judge"]["provider"] == "c"
    assert plan["holdUsd"] == pytest.approx(sum(m["holdUsd"] for m in plan["members"])
                                            + plan["judge"]["holdUsd"])  # fmt: skip
    assert shown["policy"]["origins"]["aggregation"] == "request"
    assert (shown["policy"]["targets"], shown["winner"]["provider"]) == (2, "a")
    assert "a/m, b/m, judged by c/m" in shown["reason"]
    run = one.begin(level=said)
    await finished(run)
    assert run.routing()["multiCast"]["holdUsd"] == plan["holdUsd"]
    assert [row[0] for row in one.books.said("hold")] == [d.id for d in rich]


async def test_a_client_that_leaves_waits_for_whole_answers_that_are_paid_for() -> None:
    paid = deployment("b", "two", tier="paid", price=PAID, intelligence=6.0)
    one = house({A.id: HANG, paid.id: says("b"), C.id: HANG}, A, paid, C)
    run = one.begin(level=asked("all"))
    while len(one.lane.sent) < 3:
        await asyncio.sleep(0)
    run.abandon()
    await one.tasks.drain(5)
    assert {row[:2] for row in one.books.said("settle")} == {
        (A.id, "hold"), (paid.id, "reported"), (C.id, "hold")
    }  # fmt: skip
    (row,) = one.journal.decisions
    assert row.outcome == "abandoned"
    assert row.cost_pico == 20_000_000


async def test_what_others_hold_is_waited_for_and_then_fewer_are_asked() -> None:
    rich = [deployment(p, "m", tier="paid", price=PAID, intelligence=7.0) for p in "abc"]
    for patience, asked_of in ((2_000, 3), (0, 2)):
        one = house({d.id: says(d.id) for d in rich}, *rich)
        busy = Verdict("budget", "budget_busy", "held by others", time.time() + 0.05)

        def budget(what: Any, cost: Any, *more: Any, no: Any = busy) -> Any:
            full = cost == 3 * 2_000_000_000 and time.time() < no.until
            return no if full else None

        one.books.budget = budget  # type: ignore[method-assign]
        run = one.begin(level=asked("all", max_wait_ms=patience))
        body, _ = await finished(run)
        assert len(body["choices"]) == asked_of


async def test_every_answer_is_kept_with_its_model_where_answers_are_kept() -> None:
    one = house({A.id: says("a"), B.id: says("b"), C.id: says("c")}, kept=Keep(False, True))
    await finished(one.begin(level=asked("all")))
    ((_, answers),) = one.journal.saved
    assert [(row["model"], row["content"]) for row in json.loads(answers)] == [
        ("a/one", "a"), ("b/two", "b"), ("c/three", "c")
    ]  # fmt: skip
