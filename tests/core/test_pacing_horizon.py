"""The day ahead as a programme: blocks, what windows give in each, what using them costs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing import horizon
from freeloader.core.pacing.demand import Demand
from freeloader.core.pacing.fluid import Programme
from freeloader.core.pacing.kinds import Asked
from freeloader.core.pacing.worth import Question, Taker, Worth
from freeloader.core.quota import Window
from freeloader.money import Meters

HOUR, DAY = 3600.0, 86400.0
NOON = 1_795_132_800.0 + DAY / 2
ONE = Meters(requests=1, input=600, output=200)
BLOCKS = 7


def taker(window: Window) -> Taker:
    return Taker(window.key, [(window, quota.need(window.limit, ONE))])


def laid(
    question: Question, demand: Demand, now: float, days: Mapping[Hashable, float] | None = None
) -> Programme:
    worth = Worth()
    worth.begin(question, now)
    for _ in range(400):
        worth.round()
    work = horizon.programme(question, worth, lambda: days or {}, demand, now)
    pauses = 0
    while True:
        try:
            next(work)
            pauses += 1
        except StopIteration as done:
            assert pauses == BLOCKS + 1
            found: Programme = done.value
            return found


def off_by(part: float) -> Demand:
    """An even day; its hours were off by this part of what was expected."""
    demand = Demand()
    demand.load(demand.dump() | {"wrong": [part * part, 1.0]})
    return demand


def laid_out(*limits: Limit, used: float = 0.0, now: float = NOON) -> tuple[Programme, list[str]]:
    windows = []
    for i, limit in enumerate(limits):
        window = quota.window_for(limit, f"w{i}", now)
        window.counter.add(used, now, now)
        windows.append(window)
    takers = [taker(window) for window in windows]
    programme = laid([(Asked((0, 10), 1.0, 0.0, 600, 200), takers)], off_by(0.15), now)
    return programme, [str(name) for name in programme.names]


@given(st.floats(0, 3 * DAY), st.sets(st.integers(0, 5 * 96).map(lambda x: x * 900.0), max_size=4))
def test_blocks_follow_one_another_whenever_quotas_are_reset(
    now: float, resets: set[float]
) -> None:
    edges = horizon._edges(now, resets)
    assert len(edges) == BLOCKS + 1
    assert edges[0] == now
    assert all(after > before for before, after in pairwise(edges))


@given(st.floats(0, 3 * DAY), st.floats(61, 15 * HOUR))
def test_where_a_quota_is_reset_a_block_ends(now: float, later: float) -> None:
    assert now + later in horizon._edges(now, {now + later})


@given(st.floats(60, DAY - 1))
@settings(max_examples=60, deadline=None)
def test_what_is_asked_before_a_reset_is_of_its_period_and_what_comes_after_of_the_next(
    rest: float,
) -> None:
    """An even day of a hundred requests, so much of it before the reset."""
    now = NOON + DAY / 2 - rest
    programme, _ = laid_out(Limit("requests", 20, "1d", "calendar", "model"), now=now)
    asked = [0.0, 0.0]
    for cell in programme.cells:
        ((at, _),) = cell.offers[0].claims
        asked[at] += cell.asked
    assert asked[0] == pytest.approx(100 * rest / DAY)


def supplies(limit: Limit, used: float, demand: Demand) -> list[float]:
    window = quota.window_for(limit, "w", NOON)
    window.counter.add(used, NOON, NOON)
    asked = [(Asked((0, 10), 1.0, 0.0, 600, 200), [taker(window)])]
    return list(laid(asked, demand, NOON).supply)


@pytest.mark.parametrize(
    ("off", "stored"), [(0.0, 700), (0.15, 0.4 * (700 - 250)), (0.9, 180), (None, 180)]
)
def test_of_what_a_bucket_has_stored_the_less_is_planned_the_less_is_known(
    off: float | None, stored: float
) -> None:
    """As long as nobody knows how far hours are off, they are far off."""
    limit = Limit("requests", 1000, "1d", "refill", "model")
    whole = supplies(limit, 300, Demand() if off is None else off_by(off))[0]
    assert whole == pytest.approx(1000 + stored)


def test_who_comes_all_at_once_finds_less_of_an_hours_window() -> None:
    """What is free now is as it is."""
    limit = Limit("requests", 30, "1h", "rolling", "model")
    even, rushes = (supplies(limit, 12, off_by(off)) for off in (0.0, 1.0))
    assert rushes[0] == even[0]
    assert rushes[1:] == pytest.approx([0.65 * much for much in even[1:]])


def test_a_short_window_gives_what_comes_back_and_at_once_what_is_free() -> None:
    """Ten minutes, the rest of the hour, and 2, 3, 6, 6, 6 hours."""
    limit = Limit("requests", 30, "1h", "rolling", "model")
    assert supplies(limit, 12, off_by(0.0)) == [18 + 5, 25, 60, 90, 180, 180, 180]
    programme, _ = laid_out(limit, used=12)
    assert {claim for one in programme.cells for offer in one.offers for claim in offer.claims} == {
        (block, 1.0) for block in range(BLOCKS)
    }


def test_what_is_free_of_a_longer_one_can_be_had_while_it_lasts() -> None:
    programme, _ = laid_out(Limit("requests", 60, "6h", "rolling", "model"))
    assert programme.supply == pytest.approx([60 + 10 / 6, 60 + 60, 60, 60, 60])
    of = [[at for at, _ in one.offers[0].claims] for one in programme.cells]
    assert of == [[0, 1], [1], [1], [1], [2], [3], [4]]


def test_a_calendars_quota_is_what_is_left_and_then_its_part_of_the_next() -> None:
    programme, names = laid_out(Limit("requests", 100, "1d", "calendar", "model"), used=40)
    assert len(names) == 2
    assert programme.supply[0] == 60
    assert programme.supply[1] == pytest.approx(50, rel=0.01)  # of an even day until next noon
    used = [offer.claims[0][0] for one in programme.cells for offer in one.offers]
    assert used == sorted(used)
    assert set(used) == {0, 1}


def test_a_month_is_spread_over_its_days() -> None:
    programme, _ = laid_out(Limit("requests", 1000, "month", "calendar", "model"))
    days = (1_796_083_200.0 - NOON) / DAY  # until 2026-12-01
    assert sum(programme.supply) == pytest.approx(1000 / days, rel=0.01)


@given(st.floats(0, 100))
@settings(max_examples=30, deadline=None)
def test_a_long_bucket_keeps_some_of_what_it_has_stored(used: float) -> None:
    programme, _ = laid_out(Limit("requests", 100, "1d", "refill", "model"), used=used)
    whole, first, *later = programme.supply
    assert 100 <= whole <= 100 + 0.4 * max(0.0, 100 - used - 25) + 1e-6
    assert first == pytest.approx(100 - used + 100 / 24 / 6)
    assert later == pytest.approx([100 - used + 100 / 24 * hours for hours in (6, 12)])


@given(st.integers(0, 3), st.floats(0, DAY))
@settings(max_examples=30, deadline=None)
def test_more_left_never_gives_less(kind: int, at: float) -> None:
    limit = (
        Limit("requests", 100, "1d", "calendar", "model", "America/Los_Angeles"),
        Limit("requests", 100, "1d", "rolling", "model"),
        Limit("requests", 100, "1d", "refill", "model"),
        Limit("requests", 100, "month", "calendar", "model"),
    )[kind]
    more, less = (laid_out(limit, used=used, now=NOON + at)[0].supply for used in (10, 60))
    assert all(a >= b >= 0 for a, b in zip(more, less, strict=True))


def test_windows_of_minutes_are_not_planned() -> None:
    programme, names = laid_out(Limit("requests", 5, "1m", "rolling", "model"))
    assert names == []
    assert all(offer.claims == [] for one in programme.cells for offer in one.offers)


def test_what_is_lost_within_hours_costs_nothing_and_what_lasts_what_it_is_worth() -> None:
    limits = (
        Limit("requests", 30, "1h", "rolling", "model"),
        Limit("requests", 50, "1d", "calendar", "model"),
        Limit("requests", 50, "1d", "refill", "model"),
        Limit("requests", 5, "1m", "rolling", "model"),
    )
    programme, _ = laid_out(*limits)
    hourly, daily, bucket, free = (
        next(o.cost for o in programme.cells[0].offers if o.who == f"w{i}") for i in range(4)
    )
    assert hourly == free == 0.0
    assert daily == bucket == 0.0  # somebody has more than anybody asks for: nothing is short
    programme, _ = laid_out(*limits[:3])
    hourly, daily, bucket = (offer.cost for offer in programme.cells[0].offers)
    assert hourly == 0.0
    assert daily == pytest.approx(bucket)
    assert 0.8 < daily < 1.25  # an average request costs 1 where it is cheapest
    assert programme.cells[0].worth > 1.5 * max(daily, bucket)  # it is served, at that price


def test_what_is_lost_at_a_reset_within_hours_costs_nothing_until_then() -> None:
    limits = (
        Limit("requests", 50, "1d", "calendar", "model"),
        Limit("requests", 50, "1d", "refill", "model"),
    )
    now = NOON + 8 * HOUR  # four hours to the reset
    programme, _ = laid_out(*limits, now=now)
    costs = [[offer.cost for offer in cell.offers] for cell in programme.cells]
    edges = horizon._edges(now, {NOON + 12 * HOUR})
    before = sum(edge <= NOON + 12 * HOUR for edge in edges[1:])
    assert 0 < before < BLOCKS
    assert [daily == 0.0 for daily, _ in costs] == [True] * before + [False] * (BLOCKS - before)
    assert all(bucket > 0.8 for _, bucket in costs)


def test_what_is_stored_costs_most_of_what_is_missed_on_later_days() -> None:
    """Of other windows nothing is stored. Large ones miss as much more as they take."""
    limits = (
        Limit("tokens", 40_000, "1d", "refill", "model"),
        Limit("tokens", 40_000, "1d", "calendar", "model"),
        Limit("tokens", 40_000, "1h", "rolling", "model"),
    )
    windows = [quota.window_for(limit, f"w{i}", NOON) for i, limit in enumerate(limits)]
    large = Meters(requests=1, input=2_400, output=800)
    question = [
        (Asked((0, i), 0.5, 0.0, size.input, size.output),
         [Taker(w.key, [(w, quota.need(w.limit, size))]) for w in windows])
        for i, size in enumerate((ONE, large))
    ]  # fmt: skip
    without, missed = (
        laid(question, off_by(0.0), NOON, days) for days in ({}, dict.fromkeys(("w0", "w1"), 3.0))
    )
    for before, after in zip(without.cells[:2], missed.cells[:2], strict=True):
        part = before.offers[0].claims[0][1]
        assert after.offers[0].cost == pytest.approx(0.7 * 3.0 * part)
        assert after.offers[0].cost > before.offers[0].cost
        assert [one.cost for one in after.offers[1:]] == [one.cost for one in before.offers[1:]]
    small, big = (cell.offers[0].cost for cell in missed.cells[:2])
    assert big == pytest.approx(4 * small)


@given(st.integers(1, 200), st.sampled_from([0.0, 5.0, 8.5]))
@settings(max_examples=30, deadline=None)
def test_a_large_request_is_worth_as_much_and_costs_no_more_than_it_is_worth(
    times: int, need: float
) -> None:
    """It takes more of what is short: that is what its claims say."""
    limit = Limit("tokens", 50_000, "1d", "refill", "model")
    windows = [quota.window_for(limit, f"w{i}", NOON) for i in range(2)]
    sizes = [Meters(requests=1, input=600, output=200),
             Meters(requests=1, input=600 * times, output=200 * times)]  # fmt: skip
    question = [
        (Asked((0, i), 0.5, need, size.input, size.output),
         [Taker(w.key, [(w, quota.need(limit, size))]) for w in windows])
        for i, size in enumerate(sizes)
    ]  # fmt: skip
    programme = laid(question, Demand(), NOON)
    small, large = programme.cells[:2]
    assert small.worth == large.worth
    assert all(offer.cost < large.worth for offer in (*small.offers, *large.offers))
    assert large.offers[0].claims[0][1] == pytest.approx(times * small.offers[0].claims[0][1])


def asked(programme: Programme, block: int) -> float:
    return [one.asked for one in programme.cells][block]


def test_the_next_hours_are_taken_to_be_as_unlike_as_the_latest_minutes() -> None:
    quiet, busy = Demand(), Demand()
    for demand in (quiet, busy):
        demand.learn([(NOON - DAY + h * HOUR, 60) for h in range(25)])
    for i in range(120):  # one a second
        busy.note(0.0, "", 600, 200, NOON - 120 + i)
    window = quota.window_for(Limit("requests", 30, "1h", "rolling", "model"), "w", NOON)
    question = [(Asked((0, 10), 1.0, 0.0, 600, 200), [Taker("w", [(window, 1.0)])])]
    both = [laid(question, demand, NOON) for demand in (quiet, busy)]
    usual, unlike = both
    times = [asked(unlike, block) / asked(usual, block) for block in range(BLOCKS)]
    assert times[0] > times[1] > times[2] > times[3] > 1.0
    assert times[4:] == pytest.approx([1.0] * 3, abs=0.2)
    assert times[0] < 10


def test_later_more_is_asked_of_those_whom_few_can_serve_the_more_hours_differ() -> None:
    window = quota.window_for(Limit("requests", 30, "1d", "refill", "model"), "w", NOON)
    taking = [Taker("w", [(window, 1.0)])]
    kinds = [(Asked((0, i), 0.5, need, 600, 200), taking) for i, need in enumerate((0.0, 8.5))]
    even, uneven = Demand(), Demand()
    even.learn([(NOON + (h - 72) * HOUR, 60) for h in range(73)])
    uneven.learn([(NOON + (h - 72) * HOUR, 180 if h % 5 % 3 == 0 else 0) for h in range(73)])
    more = []
    for demand in (even, uneven):
        easy, hard = ([c.asked for c in laid(kinds, demand, NOON).cells][i::2] for i in (0, 1))
        assert hard[0] == easy[0]
        more.append([b / a for a, b in zip(easy[1:], hard[1:], strict=True)])
    assert all(1.0 < a < 1.1 for a in more[0])
    assert all(a < b < 3.0 for a, b in zip(*more, strict=True))
    assert more[1] == sorted(more[1], reverse=True)


def test_where_hours_differ_who_is_here_is_worth_a_little_more_than_who_may_come() -> None:
    window = quota.window_for(Limit("requests", 30, "1d", "refill", "model"), "w", NOON)
    kind = (Asked((0, 10), 1.0, 7.0, 600, 200), [Taker("w", [(window, 1.0)])])
    even, uneven = Demand(), Demand()
    even.learn([(NOON + (h - 72) * HOUR, 60) for h in range(73)])
    uneven.learn([(NOON + (h - 72) * HOUR, 180 if h % 5 % 3 == 0 else 0) for h in range(73)])
    now, *later = [one.worth for one in laid([kind], even, NOON).cells]
    assert later == pytest.approx([now] * len(later))
    assert uneven.spread > 0.7
    now, *later = [one.worth for one in laid([kind], uneven, NOON).cells]
    assert all(0.8 * now < worth < now for worth in later)


@pytest.mark.parametrize(
    ("need", "above", "below"),
    [(0.0, 1.0, 1.0), (5.0, 1.5, 2.0), (7.0, 3.0, 4.0), (8.5, 5.0, 7.0)],
)
def test_many_go_before_one_of_middling_need_and_whoever_needs_most_before_many(
    need: float, above: float, below: float
) -> None:
    """So many times what one is worth that anybody can serve."""
    window = quota.window_for(Limit("requests", 20, "1d", "refill", "model"), "w", NOON)
    kinds = [Asked((0, 10), 0.5, 0.0, 600, 200), Asked((1, 10), 0.5, need, 600, 200)]
    programme = laid([(one, [taker(window)]) for one in kinds], off_by(0.0), NOON)
    easy, hard = (cell.worth for cell in programme.cells if cell.first)
    assert above <= hard / easy <= below
