"""Whom a multi-cast asks: different providers, by the selection, within every gate and budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.cast import choosing, judging, sharing
from freeloader.core.model import Deployment, Gates, Level, Resolution
from freeloader.core.policy import combine
from freeloader.core.routing import Ask, judged
from freeloader.core.routing.bounds import hold_for
from freeloader.money import Price

PAID = Price(1_000_000, 2_000_000)
EACH = 2_000_000_000


def asking(*, deployments: list[Deployment], budget: int | None = None, **said: Any) -> Any:
    level = Level("request", strategy="multi-cast", **said)
    ask = Ask(profile(), combine([level]), Resolution("auto", "auto"), 0.0)
    return ask, PlainSnapshot.of(deployments, budget_left=budget)


def chosen(**given_: Any) -> list[str]:
    ask, snapshot = asking(**given_)
    return [m.deployment.id for m in choosing.party(ask, snapshot).members]


def test_every_provider_is_asked_once_and_diverse_prefers_other_families() -> None:
    house = [
        deployment("a", "llama", intelligence=9.0),
        deployment("a", "other", intelligence=8.0),
        deployment("b", "llama", intelligence=7.0),
        deployment("c", "qwen", intelligence=3.0),
        deployment("d", "gpt", intelligence=2.0),
    ]
    assert chosen(deployments=house) == ["a@1/llama", "c@1/qwen", "d@1/gpt"]
    assert chosen(deployments=house, selection="best") == ["a@1/llama", "b@1/llama", "c@1/qwen"]
    # The same family elsewhere still is another opinion, where there is no other.
    assert chosen(deployments=house[:3]) == ["a@1/llama", "b@1/llama"]


def test_cheapest_asks_the_free_and_then_the_cheapest() -> None:
    house = [
        deployment("a", "dear", tier="paid", price=Price(9_000_000, 9_000_000), intelligence=9.0),
        deployment("b", "cheap", tier="paid", price=PAID),
        deployment("c", "free", intelligence=1.0),
    ]
    assert chosen(deployments=house, selection="cheapest", targets=2) == ["c@1/free", "b@1/cheap"]


def test_the_sum_is_bound_by_a_budget_and_by_the_requests_own_limit() -> None:
    house = [deployment(p, "m", tier="paid", price=PAID) for p in "abc"]
    assert len(chosen(deployments=house, budget=3 * EACH)) == 3
    assert len(chosen(deployments=house, budget=3 * EACH - 1)) == 2
    assert len(chosen(deployments=house, max_cost=2 * EACH)) == 2
    assert chosen(deployments=house, max_cost=100) == []


def test_fewer_than_wanted_says_why() -> None:
    ask, snapshot = asking(deployments=[deployment("a"), deployment("b", intelligence=1.0)],
                           gates=Gates(min_intelligence=3))  # fmt: skip
    party = choosing.party(ask, snapshot)
    assert len(party.members) == 1
    assert party.short.startswith("1 of 3 targets: nobody else passes (b/m: intelligence 1 <")
    ask, snapshot = asking(deployments=[deployment("a")])
    assert "no other provider" in choosing.party(ask, snapshot).short


def test_the_judge_is_cheap_no_weaker_than_the_weakest_and_no_member_among_equals() -> None:
    house = [
        deployment("a", intelligence=9.0),
        deployment("b", intelligence=6.0),
        deployment("c", "weak", intelligence=5.0),
        deployment("d", "paid", tier="paid", price=PAID, intelligence=8.0),
        deployment("e", "free", intelligence=6.0, speed=1.0),
        deployment("f", "unknown", intelligence=None),
    ]
    ask, snapshot = asking(deployments=house, targets=2, selection="best", aggregation="best")
    party = choosing.party(ask, snapshot)
    assert [m.deployment.provider.id for m in party.members] == ["a", "d"]
    assert party.judge is not None
    assert party.judge.deployment.id == "a@1/m"  # free, and nobody else is as strong as d
    ask, snapshot = asking(
        deployments=[d for d in house if d.provider.id != "d"],
        targets=2, selection="best", aggregation="best",
    )  # fmt: skip
    party = choosing.party(ask, snapshot)
    assert party.judge is not None
    assert party.judge.deployment.id == "e@1/free"


def test_the_judge_inherits_the_gates() -> None:
    house = [deployment(p, intelligence=6.0) for p in "ab"] + [deployment("c", trains=True)]
    ask, snapshot = asking(deployments=house, targets=2, aggregation="best",
                           gates=Gates(no_training=True))  # fmt: skip
    party = choosing.party(ask, snapshot)
    assert party.judge is not None
    assert party.judge.deployment.provider.id in "ab"


def test_where_judge_and_members_do_not_fit_together_a_member_less_is_asked() -> None:
    house = [deployment(p, "m", tier="paid", price=PAID) for p in "abc"]
    ask, snapshot = asking(deployments=house, aggregation="best")
    whole = choosing.party(ask, snapshot)
    assert whole.judge is not None
    judge = whole.judge.hold or 0
    assert whole.hold == 3 * EACH + judge
    ask, snapshot = asking(deployments=house, aggregation="best", budget=whole.hold - 1)
    party = choosing.party(ask, snapshot)
    assert len(party.members) == 2
    assert party.judge is not None
    assert party.hold <= whole.hold - 1
    assert "judge" in party.short


@st.composite
def houses(draw: Any) -> list[Deployment]:
    found = []
    for at in range(draw(st.integers(0, 8))):
        paid = draw(st.booleans())
        found.append(
            deployment(
                draw(st.sampled_from("abcde")), f"m{at}",
                tier="paid" if paid else "free",
                price=Price(draw(st.integers(0, 5_000_000)), 1_000_000) if paid else None,
                intelligence=draw(st.one_of(st.none(), st.floats(1, 10))),
                trains=draw(st.booleans()),
            )
        )  # fmt: skip
    return found


@given(
    houses(),
    st.integers(1, 6),
    st.sampled_from(["diverse", "best", "cheapest"]),
    st.sampled_from(["first", "all", "consensus", "best"]),
    st.one_of(st.none(), st.integers(0, 60_000_000_000)),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_laws_of_a_party(
    every: list[Deployment], targets: int, selection: str, aggregation: str,
    limit: int | None, private: bool, bounded: bool,
) -> None:  # fmt: skip
    ask, snapshot = asking(
        deployments=every, targets=targets, selection=selection, aggregation=aggregation,
        max_cost=limit, gates=Gates(no_training=private),
    )  # fmt: skip
    if not bounded:
        ask = replace(ask, profile=replace(ask.profile, bounded=False))
    party = sharing.party(ask, snapshot)
    asked = [m.deployment for m in party.members]
    providers = [d.provider.id for d in asked]
    assert len(set(providers)) == len(providers) <= targets
    passing = {c.deployment.id for c in judged(ask, snapshot) if c.verdict is None}
    plain = choosing.party(ask, snapshot)
    assert len(asked) >= len(plain.members)
    assert bounded <= (party == plain)
    assert {d.id for d in asked} <= passing
    assert bool(asked) == bool(passing)
    everybody = [*asked, *([party.judge.deployment] if party.judge else [])]
    assert not private or not any(d.provider.trains_on_data for d in everybody)
    assert limit is None or party.hold <= limit
    assert (len(asked) < targets) <= bool(party.short)
    assert [m.hold for m in party.members] == [
        hold_for(ask.profile, d) for d in asked
    ] or any(m.output is not None for m in party.members)  # fmt: skip
    shuffled = PlainSnapshot.of(reversed(every))
    assert [m.deployment.id for m in sharing.party(ask, shuffled).members] == [d.id for d in asked]


def test_the_judges_question_is_never_larger_than_what_was_held() -> None:
    ask, _ = asking(deployments=[deployment(p) for p in "abc"], aggregation="best")
    members = [deployment(p) for p in "abc"]
    held = judging.ask(ask, members).profile.upper.input
    long = [{"role": "user", "content": "é" * 50_000}, {"role": "user", "content": [{"type": "x"}]}]
    body = judging.payload(long, ["ü" * 90_000] * 3, judging.sizes(ask, members))
    size = sum(len(m["content"].encode()) for m in body["messages"])
    assert 64 + size // 2 <= held


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        ('{"scores": [{"answer": 1, "score": 3}, {"answer": 2, "score": 9}]}', [3, 9]),
        ('Sure!\n```json\n{"scores": [{"answer": 2, "score": 7.5}]}\n```', [None, 7.5]),
        ('{"scores": [{"answer": 1, "score": 99}, {"answer": 2, "score": -4}]}', [10, 0]),
        ('{"scores": [{"answer": 3, "score": 1}, {"answer": true, "score": 1}]}', []),
        ('{"scores": "all good"}', []),
        ("the second one", []),
        ("{" * 5000 + "}", []),
    ],
)
def test_scores_are_read_and_bounded(reply: str, values: list[float | None]) -> None:
    assert [score.value for score in judging.read(reply, 2)] == values


def test_of_equal_scores_the_first_selected_wins() -> None:
    scores = [judging.Score(None), judging.Score(7), judging.Score(7)]
    assert judging.winner(scores) == 1


def test_where_nobody_bound_the_answers_they_are_bound_alike_so_that_all_fit() -> None:
    house = [deployment(p, "m", tier="paid", price=PAID) for p in "abc"]
    ask, snapshot = asking(deployments=house, max_cost=3 * EACH)
    ask = replace(ask, profile=replace(ask.profile, bounded=False))
    assert len(choosing.party(ask, snapshot).members) == 1
    party = sharing.party(ask, snapshot)
    assert [m.output for m in party.members] == [500] * 3
    assert party.hold == 3 * EACH
    assert "at most 500 tokens" in party.short
    # What the client itself bound is not cut: fewer are asked.
    ask, snapshot = asking(deployments=house, max_cost=3 * EACH - 1)
    assert len(sharing.party(ask, snapshot).members) == 2


@pytest.mark.parametrize("size", [10, 395, 400, 401, 5_000])
def test_a_judge_reads_the_end_of_the_request_and_the_beginning_of_answers(size: int) -> None:
    said = [{"role": "user", "content": "old"}, {"role": "user", "content": "x" * size + "END"}]
    body = judging.payload(said, ["BEGIN" + "y" * size], (400, 400))
    text = body["messages"][-1]["content"]
    assert "END\n</request>" in text
    assert '<answer number="1">\nBEGIN' in text
    request, answers = text.split("</request>")
    assert len(request.encode()) <= 400 + len("<request>\n\n")
    assert ("user: old" in request) == (size == 10 or size + len("user: old\nuser: END") <= 400)
    assert ("[…]" in answers) == (size + 5 > 400)
