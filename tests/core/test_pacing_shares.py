"""Who is to serve what: a programme, its shares, and who is next by them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.pacing import plan
from freeloader.core.pacing.demand import Demand, Sort, sort_of
from freeloader.core.pacing.fluid import Cell, Fluid, Offer, Portion, Programme
from freeloader.core.pacing.kinds import Kinds
from freeloader.core.pacing.shares import NO_SHARE, Shares
from freeloader.core.routing import kept
from freeloader.money import Meters

NOON = 1_795_132_800.0 + 43_200.0
ONE = Meters(requests=1, input=600, output=200)
ASKED = {"k": 1.0}


def cell(kind: str, asked: float, worth: float, **offers: tuple[int, float]) -> Cell:
    """``offers``: by who, (which supply, how much of it)."""
    made = [Offer(who, 0.0, [claim]) for who, claim in offers.items()]
    return Cell(kind, asked, worth, made, True)


def solved(programme: Programme, rounds: int = 400) -> Fluid:
    fluid = Fluid()
    fluid.begin(programme)
    for _ in range(rounds):
        fluid.round()
    return fluid


# ── the programme ────────────────────────────────────────────────────────────


def test_what_only_the_strong_can_do_leaves_the_strong_to_it() -> None:
    anybody = cell("any", 100, 1.0, strong=(0, 1.0), weak=(1, 1.0))
    needy = cell("needy", 100, 2.0, strong=(0, 1.0))
    found = solved(Programme("sw", [100.0, 100.0], [anybody, needy])).portions()
    assert found["needy"]["strong"].share > 0.95
    assert found["any"]["weak"].share > 0.9
    assert found["any"]["strong"].share == 0
    # Where nobody needs it, it serves like any other.
    alike = solved(Programme("sw", [100.0, 100.0], [anybody])).portions()
    assert alike["any"]["strong"].share == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("part", [0.2, 0.5, 1.0, 4.0])
def test_what_is_far_too_little_is_dear_enough_however_little_one_takes(part: float) -> None:
    """Or the plan serves more than there is, and all of it is gone before its time."""
    fluid = solved(Programme("s", [10 * part], [cell("hard", 100, 8.5, few=(0, part))]))
    assert fluid.taken()[0] == pytest.approx(10 * part, rel=0.1)


def test_small_ones_go_to_tokens_and_large_ones_to_requests() -> None:
    small = cell("small", 100, 1.0, tokens=(0, 0.3), requests=(1, 1.0))
    large = cell("large", 30, 1.0, tokens=(0, 3.5), requests=(1, 1.0))
    found = solved(Programme("tr", [32.0, 32.0], [small, large])).portions()
    assert found["small"]["tokens"].share > 0.9
    assert found["large"]["requests"].share > 0.9


def test_however_many_share_a_kind_each_has_its_share() -> None:
    offers = [Offer(f"w{i}", 0.0, [(i, 1.0)]) for i in range(200)]
    found = solved(Programme(range(200), [9.0] * 200, [Cell("k", 900.0, 1.0, offers, True)]), 40)
    assert all(one.share == pytest.approx(0.005) for one in found.portions()["k"].values())


def test_of_many_who_get_next_to_nothing_none_has_a_share_and_as_much_is_served() -> None:
    """Sixty times a three-hundredth of the greatest is a sixth of it."""
    few = [Offer(f"w{i}", 0.096, []) for i in range(60)]
    fluid = solved(Programme((), [], [Cell("k", 10.0, 1.0, [Offer("a", 0.0, []), *few], True)]))
    found = fluid.portions()["k"]
    assert {who for who, one in found.items() if one.share} == {"a"}
    assert found["a"].share == pytest.approx(1.0)


def test_of_what_is_short_the_worthier_are_served() -> None:
    cheap = cell("cheap", 100, 1.0, one=(0, 1.0))
    dear = cell("dear", 100, 3.0, one=(0, 1.0))
    fluid = solved(Programme("o", [100.0], [cheap, dear]))
    assert fluid.portions()["dear"]["one"].share > 0.9
    assert fluid.portions()["cheap"]["one"].share < 0.2
    assert fluid.taken() == [pytest.approx(100, rel=0.1)]


_CLAIMS = st.lists(st.tuples(st.integers(0, 2), st.floats(0.05, 20)), max_size=3)
_CELLS = st.lists(
    st.builds(
        Cell,
        st.sampled_from("abc"),
        st.floats(0.01, 1e4),
        st.floats(1, 4),
        st.lists(st.builds(Offer, st.sampled_from("xyz"), st.floats(0, 0.2), _CLAIMS), max_size=3),
        st.booleans(),
    ),
    max_size=5,
)


@given(_CELLS, st.lists(st.floats(0, 1e4), min_size=3, max_size=3))
@settings(max_examples=60, deadline=None)
def test_shares_are_parts_and_the_same_for_the_same(cells: list[Cell], supply: list[float]) -> None:
    programme = Programme("pqr", supply, cells)
    fluid = solved(programme, 20)
    portions = fluid.portions()
    assert portions == solved(programme, 20).portions()
    assert set(portions) == {one.kind for one in cells if one.first}
    for found in portions.values():
        assert all(0 <= portion.share <= 1 and portion.cost >= 0 for portion in found.values())
        assert sum(portion.share for portion in found.values()) <= 1 + 1e-9


@given(st.floats(1, 1000), st.floats(1, 1000), st.floats(1, 500), st.floats(1, 500))
@example(641, 103, 383, 273)
@example(690, 6, 281, 305)
@settings(max_examples=40, deadline=None)
def test_no_supply_gives_more_than_it_has(a: float, b: float, first: float, second: float) -> None:
    cells = [
        cell("many", a, 1.0, x=(0, 1.0), y=(1, 1.0)),
        cell("few", b, 2.0, x=(0, 1.0)),
    ]
    taken = solved(Programme("xy", [first, second], cells)).taken()
    assert taken[0] <= first * 1.5 + 0.5
    assert taken[1] <= second * 1.5 + 0.5


def test_a_new_programme_goes_on_from_the_prices_of_the_last() -> None:
    needy = cell("needy", 100, 2.0, strong=(0, 1.0))
    anybody = cell("any", 100, 1.0, strong=(0, 1.0), weak=(1, 1.0))
    fluid = solved(Programme("sw", [100.0, 100.0], [anybody, needy]))
    before = fluid.portions()
    turned = [cell("any", 100, 1.0, strong=(1, 1.0), weak=(0, 1.0)),
              cell("needy", 100, 2.0, strong=(1, 1.0))]  # fmt: skip
    fluid.begin(Programme("ws", [100.0, 100.0], turned))
    assert fluid.portions() == before


def test_when_a_rush_ends_what_it_was_short_of_is_used_within_minutes() -> None:
    """Eight rounds a minute: half an hour later would be after the next rush."""
    fluid = solved(Programme("hd", [10.0, 300.0], [many := cell("any", 200, 2.0, hour=(0, 1.0))]))
    assert fluid.portions()["any"]["hour"].share < 0.1
    few = many._replace(asked=5.0, offers=[*many.offers, Offer("day", 0.3, [(1, 1.0)])])
    fluid.begin(Programme("hd", [10.0, 300.0], [few]))
    for _ in range(24):
        fluid.round()
    assert fluid.portions()["any"]["hour"].share > 0.9


# ── who is next ──────────────────────────────────────────────────────────────


@given(
    st.lists(st.floats(0.05, 1), min_size=1, max_size=5), st.integers(10, 200), st.floats(0.2, 1)
)
@settings(max_examples=60, deadline=None)
def test_whoever_is_due_serves_and_the_shares_hold(
    weights: list[float], count: int, planned: float
) -> None:
    """Also where a part of the kind is left to nobody by the plan."""
    portions = {str(i): Portion(planned * w / sum(weights), 0.1) for i, w in enumerate(weights)}
    shares, served = Shares(), dict.fromkeys(portions, 0)
    shares.put({"k": portions}, ASKED)
    for _ in range(count):
        strains = {who: shares.strain("k", who) for who in portions}
        assert any(strain == 0 for strain in strains.values())  # somebody is always due
        who = next(who for who, strain in strains.items() if strain == 0)
        shares.taken("k", who)
        served[who] += 1
    for who, portion in portions.items():
        assert abs(served[who] - portion.share / planned * count) <= 4


def test_who_has_no_share_comes_last_the_cheapest_first_and_who_is_ahead_before_them() -> None:
    shares = Shares()
    idle = {"b": Portion(0.0, 0.4), "c": Portion(0.0, 0.9)}
    shares.put({"k": {"a": Portion(0.5, 0.1), "d": Portion(0.5, 0.1), **idle}}, ASKED)
    for _ in range(4):
        shares.taken("k", "a")
    a, b, c = (shares.strain("k", who) for who in "abc")
    assert a is not None
    assert b is not None
    assert c is not None
    assert 0 < a < NO_SHARE < b < c
    assert shares.strain("k", "stranger") is None
    assert shares.strain("unknown", "a") is None
    shares.taken("unknown", "a")  # nothing is due to anybody for it
    shares.put({"k": {"a": Portion(0.5, 0.1), "b": Portion(0.5, 0.1)}}, ASKED)
    assert shares.strain("k", "a") != 0  # a new plan forgives nobody
    assert shares.strain("k", "b") == 0


def test_what_somebody_could_not_serve_is_not_owed_for_ever() -> None:
    shares = Shares()
    shares.put({"k": {"a": Portion(0.5, 0.1), "b": Portion(0.5, 0.1)}}, ASKED)
    for _ in range(1000):
        shares.taken("k", "a")
    served = 0
    while shares.strain("k", "a") != 0:
        shares.taken("k", "b")
        served += 1
    assert 0 < served <= 8


# ── kinds ────────────────────────────────────────────────────────────────────


def test_needs_that_the_same_can_serve_are_one_kind() -> None:
    sorts = [Sort(3.0, 9, 0.5, 100, 200), Sort(3.5, 9, 0.25, 200, 300), Sort(8.0, 9, 0.25, 90, 90)]
    kinds = Kinds([4.0, 7.0, 9.0], sorts)
    assert [one.share for one in kinds.asked] == [0.75, 0.25]
    assert kinds.asked[0].need == 3.5
    assert (kinds.asked[0].read, kinds.asked[0].written) == (133, 233)
    assert kinds.of(0.0, 300) == kinds.of(4.0, 300) == kinds.asked[0].kind
    assert kinds.of(7.5, 100_000) == kinds.asked[1].kind  # the nearest in size
    assert kinds.of(5.0, 300) == kinds.asked[1].kind  # nobody asked that: as who needs more
    assert kinds.of(9.5, 300) == kinds.asked[1].kind
    assert Kinds().of(0.0, 300) is None


@given(
    st.lists(
        st.builds(Sort, st.integers(0, 20).map(lambda n: n / 2), st.integers(0, 24),
                  st.floats(0.01, 1), st.integers(0, 9999), st.integers(0, 9999)),
        max_size=48,
    ),
    st.lists(st.floats(0, 10), max_size=20),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_few_kinds_and_the_most_asked(sorts: list[Sort], strengths: list[float]) -> None:
    asked = Kinds(strengths, sorts).asked
    assert len(asked) <= 16
    assert [one.share for one in asked] == sorted((one.share for one in asked), reverse=True)
    assert sum(one.share for one in asked) <= sum(sort.share for sort in sorts) + 1e-9


# ── what the plan leaves to nobody ───────────────────────────────────────────


def portions(share: float) -> dict[str, dict[str, Portion]]:
    return {"k": {"a": Portion(share / 2, 0.0), "b": Portion(share / 2, 0.0)}}


@given(st.floats(0.05, 0.89), st.integers(50, 400), st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_as_much_is_served_as_the_plan_serves(share: float, count: int, plans: int) -> None:
    shares, served = Shares(), 0
    for n in range(count):
        if n % plans == 0:
            shares.put(portions(share), ASKED)
        shares.asked("k")
        if not shares.leaves("k", "a"):
            shares.taken("k", "a")
            served += 1
    assert share * count - 1 <= served <= share * count + 8 + 1


@given(st.lists(st.sampled_from(["asked", "taken", "taken"]), max_size=60))
def test_what_the_plan_serves_all_but_in_full_is_left_to_nobody_at_no_time(
    events: list[str],
) -> None:
    """Nor what it does not know, however many are served without having been asked for."""
    shares = Shares()
    shares.put(portions(0.96), ASKED)
    for event in events:
        shares.asked("k") if event == "asked" else shares.taken("k", "a")
        assert not shares.leaves("k", "a")
        assert not shares.leaves("unknown", "a")


@pytest.mark.parametrize(("asked", "left"), [(0.04, False), (0.3, True), (1.0, True)])
def test_where_the_plan_just_about_suffices_nobody_is_left_out(asked: float, left: bool) -> None:
    """However few of one kind it serves: it is little of all that is asked."""
    shares = Shares()
    full = {"other": {"a": Portion(1.0, 0.0)}}
    shares.put(portions(0.3) | full, {"k": asked, "other": 1.0})
    for _ in range(20):
        shares.asked("k")
        shares.taken("k", "a")
    assert shares.leaves("k", "a") is left
    assert not shares.leaves("other", "a")


@pytest.mark.parametrize(
    ("cost", "share", "out", "left"),
    [
        (1.2, 0.0, 0.3, True),
        (1.05, 0.0, 0.3, False),  # as good as worth it: the plan is a guess
        (1.2, 0.5, 0.3, False),  # it is due there
        (1.2, 0.0, 0.01, False),  # there is enough for nearly all
    ],
)
def test_nobody_is_sent_where_it_costs_more_than_serving_is_worth(
    cost: float, share: float, out: float, left: bool
) -> None:
    """Of a kind that is otherwise served in full."""
    shares = Shares()
    kinds = {
        "k": {"a": Portion(share, cost), "b": Portion(1.0 - share, 0.5)},
        "other": {"b": Portion(1.0 - out, 0.9)},
    }
    shares.put(kinds, {"k": 1.0, "other": 1.0})
    assert shares.leaves("k", "a") is left
    assert not shares.leaves("k", "b")
    assert not shares.leaves("k", "somebody else")


# ── what it does to strain ───────────────────────────────────────────────────


def test_who_is_due_is_on_plan_however_its_window_stands_and_others_are_kept() -> None:
    limit = Limit("requests", 20, "1d", "calendar", "model")
    window = quota.window_for(limit, "w", NOON)
    window.counter.add(18, NOON, NOON)
    due, ahead, none = (
        plan.strain([window], ONE, 9.0, 0.0, Demand(), NOON, share) for share in (0.0, 0.3, None)
    )
    assert not due.spares
    assert ahead.spares
    assert none.spares
    assert ahead.firm == none.firm  # ``strict`` asks how it stands with its plan
    assert "2 of 20 left" in kept.said(ahead, NOON).reason


def test_where_nobody_publishes_a_limit_it_takes_its_turn_once_there_is_a_plan() -> None:
    unplanned, planned = (
        plan.strain([], ONE, 9.0, 0.0, Demand(), NOON, ahead) for ahead in (None, 0.0)
    )
    assert unplanned.spares
    assert not planned.spares
    assert not planned.firm


def test_sorts_are_needs_and_sizes_and_survive_a_restart() -> None:
    demand = Demand()
    for _ in range(3):
        demand.note(0.0, "", 150, 100, NOON)
    demand.note(7.0, "chat", 2400, 600, NOON)
    assert not demand.known
    found = sorted(demand.sorts())
    assert found == [(0.0, 8, 0.75, 150, 100), (7.0, 12, 0.25, 2400, 600)]
    demand.note(0.0, "", 150, 100, NOON + 3600)
    assert demand.known
    again = Demand()
    again.load(demand.dump())
    assert again.sorts() == demand.sorts()
    state = demand.dump()
    again.load({name: value for name, value in state.items() if name != "sorts"})
    assert again.sorts() == []
    again.load(state | {"sorts": [row[:5] for row in state["sorts"]]})  # as an older one wrote
    assert again.sorts() == demand.sorts()


def test_what_answers_come_to_is_believed_once_there_are_some() -> None:
    demand = Demand()
    for _ in range(4):
        assert [one.written for one in demand.sorts()] in ([], [400])
        demand.note(0.0, "", 150, 400, NOON)
        demand.came_to(sort_of(0.0, 550), 140, 50)
    assert [(one.read, one.written) for one in demand.sorts()] == [(140, 50)]
    demand.came_to((9.0, 3), 1, 1)  # nobody asked that: nothing is learnt
    assert len(demand.sorts()) == 1
