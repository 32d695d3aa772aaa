"""Votes move a model's intelligence for a task: with evidence, bounded, and said."""

from __future__ import annotations

from houses import deployment
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.feedback import MOST, Opinion
from freeloader.core.model import Weights
from freeloader.core.ranking import scoring
from freeloader.core.snapshot import Health

scores = st.lists(st.floats(0, 1), max_size=200)


@given(scores)
def test_the_shift_is_bounded_and_without_votes_there_is_none(given_: list[float]) -> None:
    opinion = Opinion(len(given_), sum(given_))
    assert -MOST < opinion.shift < MOST
    assert Opinion().shift == 0


@given(st.integers(1, 500))
def test_more_of_the_same_moves_further(votes: int) -> None:
    assert Opinion(votes, votes).shift < Opinion(votes + 1, votes + 1).shift
    assert Opinion(votes, 0.0).shift > Opinion(votes + 1, 0.0).shift


def test_one_vote_moves_little_many_move_much() -> None:
    assert Opinion(1, 1.0).shift <= 0.51
    assert Opinion(50, 50.0).shift >= 2.5


def test_it_counts_for_its_task_alone_and_is_said() -> None:
    model = deployment("a", "m", intelligence=5.0)
    liked = Health(opinions={"coding": Opinion(20, 20.0)})
    assert scoring.intelligence(model, "coding", liked) == 5.0 + Opinion(20, 20.0).shift
    assert scoring.intelligence(model, "chat", liked) == 5.0
    quality = scoring.terms(model, liked, Weights(), False, "coding", 8.0)[2]
    assert "20 votes" in quality.why
    assert quality.value > scoring.quality_value(model, "coding", 8.0)


@given(st.integers(0, 200), st.floats(0, 1), st.floats(1, 10))
def test_intelligence_stays_on_its_scale(votes: int, score: float, value: float) -> None:
    model = deployment("a", "m", intelligence=value)
    health = Health(opinions={"chat": Opinion(votes, votes * score)})
    moved = scoring.intelligence(model, "chat", health)
    assert moved is not None
    assert 0 <= moved <= 10


def test_nothing_makes_an_unknown_model_known() -> None:
    model = deployment("a", "m", intelligence=None)
    health = Health(opinions={"chat": Opinion(100, 100.0)})
    assert scoring.intelligence(model, "chat", health) is None
