"""Multi-cast that compares: who agrees, who is judged the best, and what the journal keeps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from cast_shapes import HANG, A, B, C, asked, finished, house, says, states, text
from houses import deployment
from pipeline_world import World, fault

from freeloader.core.model import FallbackPlan

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
