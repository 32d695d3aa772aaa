"""Pacing: what is learnt of demand, and how a window stands against its plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import cos, pi
from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import explain, quota, routing
from freeloader.core.model import Gates, Level, Limit, Resolution
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import PRIOR_PER_DAY, Demand
from freeloader.core.pacing.shares import NO_SHARE
from freeloader.core.policy import combine
from freeloader.core.routing import kept
from freeloader.money import Meters, Price

DAY, HOUR = 86400.0, 3600.0
MIDNIGHT = 1_795_132_800.0  # 2026-11-20T00:00Z
NOON = MIDNIGHT + 12 * HOUR
ONE = Meters(requests=1, input=600, output=200)
BEST = Limit("requests", 20, "1d", "calendar", "model")
AUTO = Resolution("auto", "auto")


def window(limit: Limit, used: float, now: float = NOON) -> quota.Window:
    made = quota.window_for(limit, "w", now)
    made.counter.add(used, now, now)
    return made


def busy(per_day: int, *, need: float = 0.0, label: str = "") -> Demand:
    """A day of even demand, over now."""
    demand = Demand()
    for i in range(per_day):
        demand.note(need, label, 600, 200, NOON - DAY + i * DAY / per_day)
    return demand


def strain(limit: Limit, used: float, demand: Demand, need: float = 0.0) -> float:
    return plan.strain([window(limit, used)], ONE, 9.0, need, demand, NOON).value


# ── demand ───────────────────────────────────────────────────────────────────


def test_without_history_a_day_is_even() -> None:
    demand = Demand()
    assert demand.ahead(MIDNIGHT, NOON, MIDNIGHT + DAY) == pytest.approx(0.5)
    assert demand.ahead(MIDNIGHT, MIDNIGHT + DAY, MIDNIGHT + DAY) == 0.0
    assert demand.rate == pytest.approx(PRIOR_PER_DAY / DAY)


def test_the_hours_of_the_days_so_far_say_what_is_to_come() -> None:
    demand = Demand()
    hours = [(MIDNIGHT + h * HOUR, round(100 * (1 - cos(2 * pi * (h % 24) / 24)))) for h in
             range(72)]  # fmt: skip
    demand.learn([*hours, (MIDNIGHT + 72 * HOUR, 0)])
    day = MIDNIGHT + 3 * DAY
    assert demand.ahead(day, day + 6 * HOUR, day + DAY) > 0.85  # the night asked little
    assert demand.ahead(day, day + 18 * HOUR, day + DAY) < 0.15
    assert demand.rate == pytest.approx(2400 / DAY, rel=0.05)


def test_on_a_first_day_the_hours_to_come_are_like_all_and_like_the_latest() -> None:
    """By noon the night was most of what is known, and a day's work has begun."""
    demand = Demand()
    asked = [10] * 8 + [100, 200, 300, 0]
    demand.learn([(MIDNIGHT + h * HOUR, count) for h, count in enumerate(asked)])
    noon = MIDNIGHT + 11 * HOUR  # the twelfth hour runs
    hour = ((80 + 600) / 11 + 200) / 2
    assert demand.between(noon, MIDNIGHT + DAY) == pytest.approx(13 * hour, rel=0.01)
    after = Demand()
    after.load(demand.dump())
    assert after.between(noon, noon + DAY) == demand.between(noon, noon + DAY)


@given(st.lists(st.tuples(st.floats(0, 40 * DAY), st.sampled_from([0.0, 5.0, 7.2])), max_size=40))
@settings(max_examples=60)
def test_what_is_to_come_never_grows_and_survives_a_restart(
    notes: list[tuple[float, float]],
) -> None:
    demand = Demand()
    for after, need in notes:  # in any order: clocks are set back
        demand.note(need, "x", 100, 10, MIDNIGHT + after)
    start, end = MIDNIGHT + 3.3 * DAY, MIDNIGHT + 5.1 * DAY
    steps = [demand.ahead(start, start + i * (end - start) / 20, end) for i in range(21)]
    assert steps[0] == 1.0
    assert steps[-1] == 0.0
    assert all(a >= b for a, b in pairwise(steps))
    again = Demand()
    again.load(demand.dump())
    assert again.dump() == demand.dump()
    assert again.ahead(start, start + DAY, end) == demand.ahead(start, start + DAY, end)


def test_a_short_window_is_planned_by_the_latest_minutes() -> None:
    demand = Demand()
    for i in range(300):
        demand.note(0.0, "", 600, 200, NOON + i / 5)
    now = NOON + 60
    assert demand.rate_over(30, now) == pytest.approx(5, rel=0.1)
    assert demand.rate_over(DAY, now) == demand.rate
    assert demand.rate_over(30, now + HOUR) == demand.rate
    assert demand.rate_over(30, now + 240) < 1.0


def test_needs_are_shares_and_fade() -> None:
    demand = busy(90)
    for _ in range(10):
        demand.note(7.0, "quality-first", 600, 200, NOON)
    found = demand.above(0.0, 9.0)
    assert found.label == "quality-first"
    assert 0.05 < found.share < 0.2
    assert demand.above(7.0, 9.0).label == ""
    assert demand.above(0.0, 6.5).label == ""


@pytest.mark.parametrize(
    "state", [{}, {"rates": [1.0], "days": [1]}, {"rates": "x" * 24, "days": [0] * 24}]
)
def test_what_is_no_dump_is_refused(state: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Demand().load(state)


# ── the plan ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", ["calendar", "refill", "rolling"])
@given(first=st.integers(0, 20), second=st.integers(0, 20))
@settings(max_examples=40)
def test_more_left_never_strains_more(reset: str, first: int, second: int) -> None:
    limit, demand = replace(BEST, reset=reset), busy(500)
    less, more = sorted((first, second))
    assert strain(limit, less, demand) <= strain(limit, more, demand)


def test_half_a_day_with_half_of_it_left_is_on_plan() -> None:
    demand = busy(500, need=9.0)
    assert strain(BEST, 10, demand, need=9.0) == pytest.approx(0.5, abs=0.02)
    assert strain(BEST, 3, demand, need=9.0) < plan.ON_PLAN  # goes to waste otherwise
    assert strain(BEST, 18, demand, need=9.0) > plan.FIRM


def test_what_is_far_more_than_anybody_asks_for_is_not_planned() -> None:
    plenty = replace(BEST, amount=57_600)
    assert strain(plenty, 40_000, busy(100)) < plan.ON_PLAN


def test_the_room_of_a_sliding_window_is_taken_rather_than_lost() -> None:
    demand = busy(1200, need=9.0)
    sliding, filling = (Limit("requests", 50, "1h", how, "model") for how in ("rolling", "refill"))
    assert strain(sliding, 38, demand, need=9.0) < plan.ON_PLAN
    assert strain(filling, 38, demand, need=9.0) > plan.ON_PLAN
    steps = [strain(sliding, used, demand, need=9.0) for used in (0, 20, 40, 48, 50)]
    assert steps == sorted(steps)
    assert steps[0] == 0.0
    assert steps[-1] == strain(filling, 50, demand, need=9.0) > plan.ON_PLAN


def test_a_large_request_strains_tokens_more_and_counted_requests_alike() -> None:
    tokens = Limit("tokens", 100_000, "1d", "refill", "model")
    demand, large = busy(500), Meters(requests=1, input=6000, output=2000)
    for limit, more in ((tokens, True), (BEST, False)):
        one = window(limit, limit.amount / 2)
        small = plan.strain([one], ONE, 5.0, 9.0, demand, NOON).value
        big = plan.strain([one], large, 5.0, 9.0, demand, NOON).value
        assert (big > small) == more


def test_who_can_do_with_less_is_kept_from_what_others_need() -> None:
    demand = busy(300)
    for _ in range(60):
        demand.note(7.0, "quality-first", 600, 200, NOON)
    limit = replace(BEST, timezone="America/Los_Angeles")
    found = plan.strain([window(limit, 14)], ONE, 9.0, 0.0, demand, NOON)
    theirs = plan.strain([window(limit, 14)], ONE, 9.0, 7.0, demand, NOON)
    assert found.value > theirs.value
    said = kept.said(found, NOON).reason
    assert said.startswith("kept: 6 of 20 left, needed for quality-first until ")
    assert said.endswith("until 08:00 UTC")


def test_from_the_first_request_on_the_best_is_kept() -> None:
    found = plan.strain([window(BEST, 0)], ONE, 9.4, 0.0, Demand(), NOON)
    assert found.kept > 0
    near_reset = MIDNIGHT + DAY - 60
    late = plan.strain([window(BEST, 0, near_reset)], ONE, 9.4, 0.0, Demand(), near_reset)
    assert late.value < plan.ON_PLAN  # what nobody came for is for anybody


def test_the_words_speak_of_the_window_that_is_scarce() -> None:
    minute = Limit("requests", 5, "1m", "rolling", "model")
    both = [window(minute, 0), window(BEST, 0)]
    found = plan.strain(both, ONE, 9.4, 0.0, busy(300), NOON)
    assert kept.said(found, NOON).reason.startswith("kept: 20 of 20 left")


# ── the decision ─────────────────────────────────────────────────────────────

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
