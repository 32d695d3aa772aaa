"""Pacing: what is learnt of demand, and how a window stands against its plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import cos, pi

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pacing_kit import BEST, DAY, HOUR, MIDNIGHT, NOON, ONE, busy, window

from freeloader.core.model import Limit
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.hours import PRIOR_PER_DAY
from freeloader.core.routing import kept
from freeloader.money import Meters


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


@pytest.mark.parametrize(
    ("minutes", "count", "ready"),
    [(9, 500, False), (11, 19, False), (11, 21, True), (50, 20, True)],
)
def test_of_the_first_hour_some_is_enough_to_go_by(minutes: int, count: int, ready: bool) -> None:
    """Ten minutes and twenty requests; the day is taken to be like them, or a bit quieter."""
    demand = Demand()
    for i in range(count):
        demand.note(0.0, "", 600, 200, NOON + i * minutes * 60 / count)
    now = NOON + minutes * 60
    before = demand.rate
    assert demand.ready(now) is ready
    assert not demand.known
    if not ready:
        assert demand.rate == before
        return
    seen = count / (minutes * 60)
    assert 0.6 * seen < demand.rate < seen
    assert demand.between(now, now + DAY) == pytest.approx(demand.rate * DAY)


@pytest.mark.parametrize(
    ("hours", "least", "most"),
    [
        ([60], 1.0, 1.0),  # nothing was expected yet
        ([60, 60], 0.0, 0.01),
        ([60, 55, 62, 60, 65], 0.02, 0.1),
        ([60, 5, 180, 10, 90], 0.5, 1.0),
    ],
)
def test_on_the_first_day_hours_are_trusted_as_far_as_they_came_as_expected(
    hours: list[int], least: float, most: float
) -> None:
    demand = Demand()
    demand.learn([(NOON + at * HOUR, count) for at, count in enumerate([*hours, 0])])
    assert least <= demand.spread <= most


def test_a_rush_of_easy_requests_tells_nothing_of_the_hard_ones() -> None:
    """The same hours with sprints of somebody who needs little, and of somebody who needs much."""
    spreads = []
    for who in (0.0, 8.5):
        demand = Demand()
        for hour in range(24):
            for i in range(20):
                demand.note(7.0, "", 600, 200, NOON + hour * HOUR + i * 90)
            for i in range(200 if hour % 5 % 3 == 0 else 0):
                demand.note(who, "", 600, 200, NOON + hour * HOUR + 1800 + i * 9)
        again = Demand()
        again.load(demand.dump())
        assert again.spread_of_hard == demand.spread_of_hard
        spreads.append((demand.spread, demand.spread_of_hard))
    (easy, hard_of_easy), (much, hard_of_much) = spreads
    assert easy == much > 0.7
    assert hard_of_easy < 0.05
    assert hard_of_much > 0.7


def test_of_hard_ones_nothing_is_known_but_what_is_of_all() -> None:
    demand = Demand()
    demand.learn([(NOON + at * HOUR, count) for at, count in enumerate((60, 90, 60, 0))])
    assert demand.spread_of_hard == demand.spread < 1.0
    state = demand.dump()
    del state["hard"]  # of a version that did not count them
    older = Demand()
    older.load(state)
    assert older.spread_of_hard == older.spread == demand.spread


def test_an_hour_in_which_it_all_began_counts_as_a_whole_one() -> None:
    demand = Demand()
    for i in range(50):
        demand.note(0.0, "", 600, 200, NOON + 2400 + i * 24)
    demand.note(0.0, "", 600, 200, NOON + HOUR)
    assert demand.known
    assert demand.between(NOON + DAY, NOON + DAY + HOUR) == pytest.approx(150)


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
