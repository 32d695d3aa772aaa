"""Pacing in a decision: who gives way, who is refused for others, and the words for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given, settings
from hypothesis import strategies as st
from pacing_kit import BEST, DAY, MIDNIGHT, NOON, ONE, busy, window

from freeloader.core import explain, routing
from freeloader.core.model import Gates, Level, Limit, Resolution
from freeloader.core.pacing import plan
from freeloader.core.pacing.shares import NO_SHARE
from freeloader.core.policy import combine
from freeloader.core.routing import kept
from freeloader.money import Price

AUTO = Resolution("auto", "auto")
STRONG, WEAK = deployment("strong", intelligence=9.5), deployment("weak", intelligence=3.0)
KEPT = plan.Strain(0.8, 0.4, window(BEST, 14), plan.Wanted(0.3, "quality-first"))


def winner(snapshot: PlainSnapshot, **level: object) -> str | None:
    policy = combine([Level("request", **level)])  # type: ignore[arg-type]
    ask = routing.Ask(profile(), policy, AUTO, NOON)
    found = routing.decide(ask, snapshot).winner
    first = routing.explain(ask, snapshot)[0]
    assert (first.deployment if first.verdict is None else None) is (found and found.deployment)
    return None if found is None else found.deployment.provider.id


def test_a_kept_one_gives_way_and_is_the_last_resort() -> None:
    house = PlainSnapshot.of([STRONG, WEAK], strains={STRONG.id: KEPT})
    assert winner(house) == "weak"
    assert winner(house, pacing="off") == "strong"
    assert winner(house, strategy="quality-first", gates=Gates()) == "strong"
    alone = replace(house, full=frozenset({WEAK.id}))
    assert winner(alone) == "strong"
    assert winner(alone, pacing="strict") == "strong"  # ahead of its plan, but not by much


def test_a_decision_says_whom_a_quota_is_kept_for() -> None:
    house = PlainSnapshot.of([STRONG, WEAK], strains={STRONG.id: KEPT})
    policy = combine([])
    ask = routing.Ask(profile(), policy, AUTO, NOON)
    found = routing.decide(ask, house)
    (other,) = (routing.scored(one, ask, house) for one in found.alternatives)
    words = "kept: 6 of 20 left, needed for quality-first until 00:00 UTC"
    assert explain.alternative(other)["reason"] == words
    shown = explain.shown(routing.scored(routing.explain(ask, house)[1], ask, house))
    assert (shown["passes"], shown["putBackBy"], shown["reason"]) == (True, "pacing", words)
    alone = routing.decide(ask, replace(house, full=frozenset({WEAK.id}))).winner
    assert alone is not None
    assert words in explain.reason(routing.scored(alone, ask, house), policy, AUTO, 1)
    assert explain.policy_shown(policy)["pacing"] == "on"


TOKENS_A_MINUTE = Limit("tokens", 8_000, "1m", "refill", "model")


@pytest.mark.parametrize(
    ("limit", "used", "kept_part", "label", "words"),
    [
        (BEST, 14, 0.4, "quality-first",
         "kept: 6 of 20 left, needed for quality-first until 00:00 UTC"),
        (TOKENS_A_MINUTE, 2_121, 0.4, "image",
         "kept: 5,879 of 8,000 tokens a minute left, needed for harder image requests"),
        (BEST, 14, 0.4, "minIntelligence 7",
         "kept: 6 of 20 left, needed for requests with minIntelligence 7 until 00:00 UTC"),
        (BEST, 14, 0.4, "",
         "kept: 6 of 20 left, needed for harder requests until 00:00 UTC"),
        (BEST, 14, 0.0, "", "kept: 6 of 20 left until 00:00 UTC, and others have more to spare"),
        (TOKENS_A_MINUTE, 0, 0.0, "image",
         "kept: 8,000 of 8,000 tokens a minute left, and others have more to spare"),
    ],
)  # fmt: skip
def test_why_a_quota_is_kept_is_a_sentence(
    limit: Limit, used: float, kept_part: float, label: str, words: str
) -> None:
    found = plan.Strain(0.8, kept_part, window(limit, used), plan.Wanted(0.3, label))
    assert kept.said(found, NOON).reason == words


def test_strict_keeps_it_even_where_that_refuses() -> None:
    spent = KEPT._replace(value=plan.FIRM + 0.1)
    house = PlainSnapshot.of([STRONG], strains={STRONG.id: spent})
    assert winner(house) == "strong"
    assert winner(house, pacing="strict") is None
    rush = PlainSnapshot.of([STRONG], strains={STRONG.id: spent._replace(kept=0.0)})
    assert winner(rush, pacing="strict") == "strong"  # nobody needs more: for whom were it kept?


DUE, BEHIND = 0.0, plan.FIRM + 0.1
#: No share of the plan, at a part of what serving is worth.
LITTLE, MUCH = NO_SHARE + 0.9, NO_SHARE + 1.5


@pytest.mark.parametrize(
    ("value", "left", "facts", "on", "strict"),
    [
        pytest.param(DUE, True, {"needed": 0.4}, None, None, id="harder ones need it"),
        pytest.param(DUE, True, {"many": True}, None, None, id="of many, others make more of it"),
        pytest.param(DUE, True, {}, "strong", None, id="of few, nobody needs more than this one"),
        pytest.param(DUE, True, {"needed": 0.4, "lapses": True}, "strong", "strong",
                     id="what is free would be lost"),
        pytest.param(LITTLE, True, {"needed": 0.4, "lapses": True}, "strong", "strong",
                     id="what is free would be lost, and costs no more than serving is worth"),
        pytest.param(MUCH, True, {"needed": 0.4, "lapses": True}, None, None,
                     id="what is free would be lost, were it not worth more to harder ones"),
        pytest.param(BEHIND, False, {"needed": 0.4, "many": True}, "strong", "strong",
                     id="behind others, and it is to be served"),
    ],
)  # fmt: skip
def test_what_the_plan_leaves_to_nobody_is_refused_for_others(
    value: float, left: bool, facts: dict[str, Any], on: str | None, strict: str | None
) -> None:
    planned = KEPT._replace(value=value, kept=0.0, plain=value, left=left, **facts)
    house = PlainSnapshot.of([STRONG], strains={STRONG.id: planned})
    assert winner(house) == on
    assert winner(house, pacing="strict") == strict
    assert winner(house, pacing="off") == "strong"
    assert winner(house, strategy="quality-first", gates=Gates()) == "strong"


LEFT = KEPT._replace(value=DUE, kept=0.0, plain=DUE, left=True, needed=0.4, many=True)


def test_who_is_asked_for_by_name_serves_though_others_need_it() -> None:
    house = PlainSnapshot.of([STRONG], strains={STRONG.id: LEFT})
    ask = routing.Ask(
        profile(), combine([]), Resolution("named", "strong", frozenset({STRONG.id})), NOON
    )
    assert routing.decide(ask, house).winner is not None


def test_what_was_begun_is_brought_to_its_end_by_what_is_kept() -> None:
    other = deployment("other", intelligence=9.5)
    house = PlainSnapshot.of([STRONG, other], strains=dict.fromkeys((STRONG.id, other.id), LEFT))
    first = routing.Ask(profile(), combine([]), AUTO, NOON)
    assert routing.decide(first, house).winner is None
    again = replace(first, tried=frozenset({other.id}))
    found = routing.decide(again, house).winner
    assert found is not None
    assert found.deployment is STRONG


def test_what_is_kept_is_no_reason_to_spend_money() -> None:
    """Where somebody who is paid could serve, the free quota does, however much it is needed;
    ``strict`` is told to keep it."""
    paid = deployment("paid", intelligence=9.5, tier="paid", price=Price(1, 1), free=False)
    house = PlainSnapshot.of([STRONG, paid], strains={STRONG.id: LEFT})
    assert winner(house) == "strong"
    assert winner(house, pacing="strict") == "paid"
    weak = PlainSnapshot.of([STRONG, WEAK, paid], strains={STRONG.id: LEFT})
    assert winner(weak) == "weak"


def test_of_what_is_left_out_the_words_tell_for_whom() -> None:
    harder = kept.said(LEFT, NOON)
    assert harder.reason == "kept: 6 of 20 left, needed for quality-first until 00:00 UTC"
    more = kept.said(LEFT._replace(needed=0.0), NOON)
    assert more.reason == (
        "kept: 6 of 20 left until 00:00 UTC; more is asked than all free quotas give, "
        "and others take less of it"
    )
    assert more.until == MIDNIGHT + DAY
    whole = LEFT._replace(window=None, left=True, whole=lambda: LEFT._replace(left=None))
    assert kept.said(whole, NOON) == harder
    assert whole.refuses


@pytest.mark.parametrize(
    ("limit", "used", "lapses"),
    [
        (Limit("requests", 20, "1h", "rolling", "model"), 10, True),
        (Limit("requests", 20, "1h", "rolling", "model"), 19, False),
        (Limit("requests", 20, "1h", "refill", "model"), 10, True),
        (Limit("requests", 20, "5h", "calendar", "model"), 10, True),
        (BEST, 10, False),
        (Limit("requests", 20, "1d", "rolling", "model"), 10, False),
        (Limit("requests", 20, "7d", "refill", "model"), 0, False),
    ],
)
def test_what_comes_back_within_hours_lapses(limit: Limit, used: float, lapses: bool) -> None:
    here = [window(limit, used)]
    assert plan.strain(here, ONE, 9.0, 0.0, busy(900), NOON, 0.0).lapses is lapses
    long = [*here, window(BEST, 0)]
    assert not plan.strain(long, ONE, 9.0, 0.0, busy(900), NOON, 0.0).lapses


def test_few_requests_a_day_are_not_left_out_for_each_other() -> None:
    few, many = (
        plan.strain([window(BEST, 0)], ONE, 9.0, 9.0, busy(count), NOON, 0.0)._replace(left=True)
        for count in (300, 900)
    )
    assert (few.refuses, many.refuses) == (False, True)
    assert few.refuses_strictly


def test_of_several_that_are_kept_the_least_strained_serves() -> None:
    other = deployment("other", intelligence=9.4)
    strains = {STRONG.id: KEPT, other.id: KEPT._replace(value=0.5)}
    assert winner(PlainSnapshot.of([STRONG, other], strains=strains)) == "other"


@given(
    st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=90),
    st.sampled_from(["on", "strict", "off"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_decide_and_explain_name_the_same(
    found: list[tuple[float, bool, bool]], pacing: str, paid: bool
) -> None:
    """``winner`` compares; and nobody is refused where ``off``, or for a sum of money."""
    every = [deployment(f"p{i}", intelligence=5 + i % 5) for i in range(len(found))]
    strains = {
        d.id: KEPT._replace(value=value, left=left, many=many)
        for d, (value, left, many) in zip(every, found, strict=True)
    }
    some = [deployment("paid", tier="paid", price=Price(1, 1), free=False)] if paid else []
    served = winner(PlainSnapshot.of([*every, *some], strains=strains), pacing=pacing)
    assert served is not None or (pacing != "off" and not paid)
    assert served != "paid" or pacing == "strict"
    if pacing == "on" and not any(left and many for _, left, many in found):
        assert served is not None
