"""Limits that nobody publishes: what is believed never exceeds what is there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.quota import learning
from freeloader.core.quota.learning import Lesson

SPAN = 3600.0


def test_two_refusals_that_agree_make_a_limit() -> None:
    lesson = Lesson()
    assert not learning.passed(lesson, 48, SPAN, 0)
    assert (lesson.lower, lesson.upper, lesson.amount, lesson.confidence) == (48, None, None, "low")
    assert not learning.refused(lesson, 50, 10)
    assert (lesson.upper, lesson.amount, lesson.confidence) == (50, None, "low")
    assert learning.refused(lesson, 50, SPAN)
    assert (lesson.amount, lesson.confidence) == (50, "medium")
    learning.refused(lesson, 49, 2 * SPAN)
    learning.refused(lesson, 50, 3 * SPAN)
    assert (lesson.amount, lesson.confidence) == (49, "high")


def test_a_refusal_of_the_first_call_teaches_nothing() -> None:
    lesson = Lesson()
    assert not learning.refused(lesson, 0, 1)
    assert (lesson.upper, lesson.amount, lesson.refusals) == (None, None, 1)


def test_an_early_refusal_is_somebody_elses_until_it_repeats() -> None:
    lesson = Lesson()
    for n in range(3):
        learning.refused(lesson, 100, n * SPAN)
    learning.passed(lesson, 100, SPAN, 3 * SPAN)
    learning.refused(lesson, 10, 4 * SPAN)
    assert lesson.amount == 100
    for n in range(2):
        learning.refused(lesson, 10, (5 + n) * SPAN)
    assert lesson.amount is None
    learning.refused(lesson, 10, 8 * SPAN)
    assert lesson.amount == 10


def test_a_limit_that_was_reached_unrefused_is_stretched_ever_more_rarely() -> None:
    lesson = Lesson()
    for n in range(2):
        learning.refused(lesson, 20, n)
    assert not learning.passed(lesson, 20, SPAN, SPAN)
    assert learning.passed(lesson, 20, SPAN, 2 * SPAN + 1)
    assert lesson.amount == 22
    learning.refused(lesson, 20, 3 * SPAN)
    assert lesson.amount == 20
    assert not learning.passed(lesson, 20, SPAN, 6 * SPAN)
    assert learning.passed(lesson, 20, SPAN, 8 * SPAN)


def test_more_that_passed_raises_the_limit_at_once() -> None:
    lesson = Lesson()
    for n in range(2):
        learning.refused(lesson, 20, n)
    assert learning.passed(lesson, 25, SPAN, 5)
    assert lesson.amount == 25


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 200), st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_with_a_fixed_limit_refusals_become_rare_and_nothing_beyond_it_is_believed(
    limit: int, demands: list[int]
) -> None:
    """Each span some demand comes; we stop at what we believe, the provider at its limit."""
    lesson, refused = Lesson(), 0
    for n, demand in enumerate(demands):
        now = n * SPAN
        for count in range(demand):
            if lesson.amount is not None and count >= lesson.amount:
                break
            if count >= limit:
                learning.refused(lesson, count, now)
                refused += 1
                break
            learning.passed(lesson, count + 1, SPAN, now)
        assert lesson.lower <= limit
        # A stretch is the only way beyond, one step at a time.
        assert lesson.upper is None or lesson.upper <= limit + max(1, limit // 10 + 1)
    assert refused <= 2 + len(demands) / 2


@given(st.lists(st.integers(0, 50), max_size=10))
def test_a_lesson_survives_being_written_down(counts: list[int]) -> None:
    lesson = Lesson()
    for n, count in enumerate(counts):
        learning.refused(lesson, count, float(n))
    assert learning.load(json.loads(json.dumps(learning.dump(lesson)))) == lesson


def test_what_is_no_lesson_is_refused() -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        learning.load({"lower": "x"})


def believed(*refusals: tuple[int, str | None]) -> Lesson:
    """A lesson of counts at which somebody was refused; None: it said whose limit it is."""
    lesson = Lesson()
    for n, (count, model) in enumerate(refusals):
        learning.refused(lesson, count, float(n), model)
    return lesson


NOTHING = believed()


@pytest.mark.parametrize(
    ("account", "model", "kept"),
    [
        pytest.param(NOTHING, NOTHING, (False, False), id="nothing is known"),
        pytest.param(believed((9, None)), NOTHING, (False, False), id="one refusal is none"),
        pytest.param(believed((9, None), (9, None)), NOTHING, (True, False), id="said"),
        pytest.param(believed((9, "a"), (9, "b")), NOTHING, (True, False), id="two agree"),
        pytest.param(
            believed((9, "a"), (9, "a")), believed((9, "a"), (9, "a")), (False, True), id="one only"
        ),
        pytest.param(believed((9, "a"), (30, "b")), NOTHING, (False, False), id="they differ"),
        pytest.param(
            believed((9, "a"), (30, "b"), (30, "b")), NOTHING, (False, False), id="one again"
        ),
        pytest.param(
            believed((9, "a"), (9, "b"), (9, "b")), believed((5, "b"), (5, "b")), (True, False),
            id="the account explains more",
        ),
        pytest.param(
            believed((9, "a"), (9, "b")), believed((5, "b"), (5, "b")), (False, True),
            id="the model explains as much",
        ),
        pytest.param(
            believed((9, "a"), (9, "b")), believed((5, None), (5, None)), (True, True),
            id="each has one, and that was said",
        ),
    ],
)  # fmt: skip
def test_whose_limit_it_is(account: Lesson, model: Lesson, kept: tuple[bool, bool]) -> None:
    assert learning.kept(account, model) == kept


def test_a_lesson_of_an_earlier_version_is_read() -> None:
    old = learning.dump(believed((9, None), (9, None)))
    del old["said"], old["models"]
    assert learning.load(old).amount == 9
