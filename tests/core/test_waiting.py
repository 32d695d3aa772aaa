"""The line of waiting requests: fair between projects, bounded, nobody overtaken."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.waiting import Line


def test_every_project_gets_a_turn_before_any_gets_its_second() -> None:
    line = Line()
    crowd = [line.join("crowd").number for _ in range(5)]
    late = [line.join("late").number for _ in range(2)]
    order = [t.number for t in line.ordered()]
    assert order == [crowd[0], late[0], crowd[1], late[1], crowd[2], crowd[3], crowd[4]]


def test_who_comes_later_does_not_wait_for_turns_of_the_past() -> None:
    line = Line()
    for _ in range(50):
        line.leave(line.join("old").number, served=True)
        line.join("old")
    new = line.join("new")
    assert line.ordered().index(new) <= 1


@given(
    st.permutations(range(12)),
    st.integers(0, 12),
    st.lists(st.sampled_from("bc"), min_size=3, max_size=9),
)
def test_turns_that_were_not_taken_are_not_paid_for(
    order: list[int], leaving: int, others: list[str]
) -> None:
    """Whose requests gave up, in whatever order, stands where it would had they never come."""
    line, never = Line(), Line()
    for name in others:
        line.join(name)
        never.join(name)
    mine = [line.join("a") for _ in range(12)]
    staying = sorted(order[leaving:])
    for number in order[:leaving]:
        line.leave(mine[number].number, served=False)
    for _ in staying:
        never.join("a")
    line.join("a")
    never.join("a")
    places = [[(t.project, t.turn) for t in some.ordered()] for some in (line, never)]
    assert places[0] == places[1]


def test_an_idle_room_remembers_no_debts() -> None:
    line = Line()
    for _ in range(9):
        line.leave(line.join("busy").number, served=True)
    first = line.join("busy")
    line.join("other")
    assert line.ordered()[0] == first


def test_claims_add_up_for_those_behind_and_for_newcomers() -> None:
    line = Line()
    a, b, c = (line.join("p") for _ in range(3))
    line.claim(a.number, {"w": 3})
    line.claim(b.number, {"w": 4, "v": 1})
    assert line.ahead(a.number) == {}
    assert line.ahead(b.number) == {"w": 3}
    assert line.ahead(c.number) == line.ahead(None, "p") == {"w": 7, "v": 1}
    line.leave(a.number, served=False)
    assert line.ahead(c.number) == {"w": 4, "v": 1}


def test_a_newcomer_stands_where_its_project_would() -> None:
    line = Line()
    for _ in range(50):
        line.claim(line.join("crowd").number, {"w": 1})
    assert line.ahead(None, "crowd") == {"w": 50}
    assert line.ahead(None, "quiet") == {"w": 1}
    assert line.ahead(line.join("quiet").number) == {"w": 1}
    assert line.ahead(None, "quiet") == {"w": 2}


def test_who_is_served_as_it_comes_has_had_its_turn() -> None:
    line = Line()
    line.passed("quick")
    for _ in range(3):
        line.claim(line.join("crowd").number, {"w": 1})
    assert line.ahead(None, "quick") == {"w": 1}, "nobody waited then"
    for before in (2, 3, 3):
        line.passed("quick")
        assert line.ahead(None, "quick") == {"w": before}


def test_names_of_projects_are_not_kept_for_ever() -> None:
    line = Line()
    line.join("here")
    for n in range(5_000):
        line.leave(line.join(f"p{n}").number, served=True)
        line.leave(line.join("here").number, served=True)
        line.leave(min(t.number for t in line.ordered()), served=True)
        line.join("here")
    assert len(line._last) < 2_000


def test_a_full_room_turns_away_the_greediest() -> None:
    line = Line(seats=4)
    greedy = [line.join("greedy").number for _ in range(4)]
    assert line.crowded_out("greedy") == 0
    assert line.crowded_out("modest") == greedy[-1]
    line.leave(greedy[-1], served=False)
    line.join("modest")
    assert line.crowded_out("modest") == greedy[-2]


def test_the_same_place_again_after_a_lost_race() -> None:
    line = Line()
    first, second = line.join("p"), line.join("p")
    line.leave(first.number, served=True)
    line.rejoin(first)
    assert line.ordered() == [first, second]


PROJECTS = st.sampled_from("abc")
STEPS = st.lists(
    st.tuples(st.sampled_from(["join", "serve", "give up"]), PROJECTS), min_size=1, max_size=60
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_within_a_project_first_come_first_served_and_shares_differ_by_one(
    steps: list[tuple[str, str]],
) -> None:
    line = Line(seats=8)
    waiting: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    served_while_all_wait = dict.fromkeys("abc", 0)
    for what, project in steps:
        if what == "join":
            goes = line.crowded_out(project)
            if goes == 0:
                continue
            if goes is not None:
                line.leave(goes, served=False)
                for queue in waiting.values():
                    if goes in queue:
                        assert goes == queue[-1]
                        queue.remove(goes)
            waiting[project].append(line.join(project).number)
        elif what == "serve" and len(line):
            all_wait = all(waiting.values())
            first = line.ordered()[0]
            assert waiting[first.project][0] == first.number
            waiting[first.project].pop(0)
            line.leave(first.number, served=True)
            if all_wait:
                served_while_all_wait[first.project] += 1
            else:
                served_while_all_wait = dict.fromkeys("abc", 0)
        elif what == "give up" and waiting[project]:
            line.leave(waiting[project].pop(), served=False)
        assert len(line) == sum(map(len, waiting.values())) <= 8
    # Giving up the last place gives the turn back, so no project falls behind by more than two.
    counts = served_while_all_wait.values()
    assert max(counts) - min(counts) <= 2
