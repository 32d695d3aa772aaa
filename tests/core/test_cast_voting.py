"""Votes: what an answer says, who agrees, and laws that hold for any answers in any order."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.cast import voting
from freeloader.core.cast.progress import Standing, over, wants_another

TABLE = [
    ("42", "number", "42"),
    ("The answer is 42.", "number", "42"),
    ("6 × 7 = **42**", "number", "42"),
    ("First I add.\nThen I get:\n\nAnswer: 42", "number", "42"),
    ("so it is \\boxed{42}", "number", "42"),
    ("$1,234.50", "number", "2469/2"),
    ("1/2", "number", "1/2"),
    ("50%", "number", "1/2"),
    ("-3", "number", "-3"),
    ("1e3", "number", "1000"),
    ("B", "choice", "B"),
    ("(b)", "choice", "B"),
    ("B) Paris", "choice", "B"),
    ("I would say the answer is B.", "choice", "B"),
    ("Yes, because it rains.", "choice", "yes"),
    ("No.", "choice", "no"),
    ("TRUE", "choice", "true"),
    ('{"a": 1.0, "b": [2]}', "json", '{"a": 1, "b": [2]}'),
    ('```json\n{"b": [2], "a": 1}\n```', "json", '{"a": 1, "b": [2]}'),
    ("Nothing is certain", "text", "nothing is certain"),
    ("It was signed in 1848", "text", "it was signed in 1848"),
    ("A cat sat there", "text", "a cat sat there"),
    ("", "text", ""),
]
AGREEING = [
    ("Paris", "The capital of France is Paris."),
    ("Paris is the capital of France.", "The capital of France is Paris"),
    ("0.5", "50%"),
    ('{"a": 1, "b": 2}', '{"b": 2.0, "a": 1}'),
    ("b)", "B"),
]
DIFFERING = [
    ("The capital of France is Lyon.", "The capital of France is Paris."),
    ("Paris", "It is Lyon or Paris"),
    ("It has 2 doors and a roof of tiles", "It has 3 doors and a roof of tiles"),
    ("This is safe to eat for all children", "This is not safe to eat for all children"),
    ("42", "43"),
    ("yes", "no"),
    ("[1, 2]", "[2, 1]"),
    ("1", "true"),
]


@pytest.mark.parametrize(("text", "kind", "value"), TABLE)
def test_what_an_answer_says(text: str, kind: str, value: str) -> None:
    found = voting.of_text(text)
    assert (found.kind, found.value) == (kind, value)


@pytest.mark.parametrize(("one", "other"), AGREEING)
def test_these_agree(one: str, other: str) -> None:
    assert voting.agree(voting.of_text(one), voting.of_text(other))


@pytest.mark.parametrize(("one", "other"), DIFFERING)
def test_these_do_not(one: str, other: str) -> None:
    assert not voting.agree(voting.of_text(one), voting.of_text(other))


def test_tool_calls_vote_by_name_and_arguments() -> None:
    def calling(arguments: str) -> dict[str, Any]:
        call = {"id": "x", "function": {"name": "f", "arguments": arguments}}
        return {"choices": [{"message": {"content": None, "tool_calls": [call]}}]}

    one, other = voting.ballot(calling('{"a": 1, "b": 2}')), voting.ballot(calling('{"b":2,"a":1}'))
    assert one.kind == "json"
    assert voting.agree(one, other)
    assert not voting.agree(one, voting.ballot(calling('{"a": 2}')))


ANSWERS = st.one_of(
    st.sampled_from([text for text, _, _ in TABLE] + [t for pair in DIFFERING for t in pair]),
    st.text(max_size=40),
)
BALLOTS = st.lists(ANSWERS.map(voting.of_text), min_size=1, max_size=6)


@given(BALLOTS, st.randoms())
@settings(max_examples=80, deadline=None)
def test_the_order_of_arrival_changes_nothing(ballots: list[voting.Ballot], random: Any) -> None:
    numbered = list(enumerate(ballots))
    quorum = voting.needed(len(ballots))
    expected = voting.count(dict(numbered), quorum)
    random.shuffle(numbered)
    assert voting.count(dict(numbered), quorum) == expected


@given(BALLOTS)
@settings(max_examples=80, deadline=None)
def test_a_group_is_of_one_mind_and_no_larger_one_exists(ballots: list[voting.Ballot]) -> None:
    found = voting.count(dict(enumerate(ballots)), voting.needed(len(ballots)))
    assert sorted(itertools.chain(*found.groups)) == list(range(len(ballots)))
    for group in found.groups:
        for a, b in itertools.combinations(group, 2):
            assert voting.agree(ballots[a], ballots[b])
    size = found.votes + 1
    for some in itertools.combinations(range(len(ballots)), size):
        pairs = itertools.combinations(some, 2)
        assert not all(voting.agree(ballots[a], ballots[b]) for a, b in pairs)
    assert found.spokesman in found.groups[0]


@given(BALLOTS, st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_it_ends_early_only_when_enough_agree_and_more_answers_never_undo_that(
    ballots: list[voting.Ballot], come: int
) -> None:
    asked, come = len(ballots), min(come + 1, len(ballots))
    quorum = voting.needed(asked)
    so_far = voting.count(dict(enumerate(ballots[:come])), quorum)
    early = over(Standing("consensus", come, asked - come, so_far))
    assert early == (so_far.votes >= quorum or come == asked)
    if so_far.agreed:
        whole = voting.count(dict(enumerate(ballots)), quorum)
        assert whole.agreed
        if ballots[so_far.spokesman].kind != "text":
            # Of two groups that each are more than half, one would share a member.
            assert ballots[whole.spokesman].value == ballots[so_far.spokesman].value


@given(ANSWERS, ANSWERS)
@settings(max_examples=80, deadline=None)
def test_agreement_is_mutual_and_everybody_agrees_with_themselves(one: str, other: str) -> None:
    a, b = voting.of_text(one), voting.of_text(other)
    assert voting.agree(a, a)
    assert voting.agree(a, b) == voting.agree(b, a)
    assert voting.likeness(a, b) == voting.likeness(b, a)


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read(text: str) -> None:
    assert voting.of_text(text).kind in ("number", "choice", "json", "text")


@pytest.mark.parametrize(("asked", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (10, 6)])
def test_more_than_half_have_to_agree(asked: int, needed: int) -> None:
    assert voting.needed(asked) == needed


@pytest.mark.parametrize(
    ("aggregation", "good", "pending", "ends", "another"),
    [
        ("first", 0, 2, False, False),
        ("first", 1, 2, True, False),
        ("first", 0, 0, True, True),
        ("all", 1, 1, False, True),
        ("all", 2, 0, True, True),
        ("best", 2, 1, False, True),
        ("consensus", 1, 1, False, True),
        ("consensus", 1, 0, True, True),
    ],
)
def test_when_it_is_over_and_who_is_replaced(
    aggregation: str, good: int, pending: int, ends: bool, another: bool
) -> None:
    standing = Standing(aggregation, good, pending)
    assert (over(standing), wants_another(standing)) == (ends, another)
