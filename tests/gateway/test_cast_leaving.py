"""Multi-cast cut short: clients that leave, members that hang, holds that others have."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from cast_shapes import HANG, A, B, C, asked, finished, house, says, states
from houses import deployment
from pipeline_world import PAID

from freeloader.core.model import Timeouts, Verdict
from freeloader.errors import InvalidRequest
from freeloader.gateway.ports import Keep

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
