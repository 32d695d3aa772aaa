"""Records are frozen dataclasses in all that can be told of them but their speed."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass, field, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.model import Profile
from freeloader.money import Meters
from freeloader.records import record, replace


@record(frozen=True, slots=True)
class Quick:
    one: int
    two: str = "two"
    many: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plain:
    one: int
    two: str = "two"
    many: list[int] = field(default_factory=list)


@record(frozen=True, slots=True)
class Checked:
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("a count is not negative")


parts = st.tuples(st.integers(), st.text(max_size=5), st.lists(st.integers(), max_size=3))


@settings(max_examples=30, deadline=None)
@given(parts, parts)
def test_a_record_is_what_the_dataclass_would_be(
    mine: tuple[int, str, list[int]], other: tuple[int, str, list[int]]
) -> None:
    quick, plain = Quick(*mine), Plain(*mine)
    assert dataclasses.astuple(quick) == dataclasses.astuple(plain) == mine
    assert repr(quick) == repr(plain).replace("Plain", "Quick")
    assert (quick == Quick(*other)) == (plain == Plain(*other))
    assert replace(quick, two=other[1]) == dataclasses.replace(quick, two=other[1])
    assert copy.copy(quick) == copy.deepcopy(quick) == quick == pickle.loads(pickle.dumps(quick))


def test_a_record_is_frozen_however_it_was_made() -> None:
    for made in (Quick(1), replace(Quick(1), one=2), copy.copy(Quick(1)), Checked(1)):
        assert type(made) in (Quick, Checked)
        for one in fields(made):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(made, one.name, 3)
            with pytest.raises(dataclasses.FrozenInstanceError):
                delattr(made, one.name)


def test_defaults_are_given_and_those_made_anew_are_not_shared() -> None:
    assert Quick(one=1) == Quick(1, "two", [])
    assert Quick(1).many is not Quick(1).many
    assert Meters() == Meters(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert hash(Meters(input=3)) == hash(Meters(0, 3))
    assert {one.name for one in fields(Profile)} == set(Profile.__slots__)


def test_what_no_field_can_be_is_refused() -> None:
    with pytest.raises(TypeError):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Quick(1, three=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        replace(Quick(1), three=3)  # type: ignore[call-arg]


def test_what_is_checked_after_making_is_checked_each_time() -> None:
    assert replace(Checked(1), count=2).count == 2
    with pytest.raises(ValueError, match="not negative"):
        Checked(-1)
    with pytest.raises(ValueError, match="not negative"):
        replace(Checked(1), count=-1)


def test_a_class_that_cannot_be_a_record_says_so() -> None:
    with pytest.raises(TypeError, match="no base"):

        @record(frozen=True, slots=True)
        class Under(Quick):
            more: int = 0

    class Other(Quick):
        """A subclass that is no record is what it would be of a dataclass."""

    assert type(replace(Other(1), two="2")) is Other
    assert replace(Other(1), two="2").two == "2"

    with pytest.raises(TypeError, match="slots"):

        @record(frozen=True)
        class Open:
            one: int

    with pytest.raises(TypeError, match="by position or name"):

        @record(frozen=True, slots=True, kw_only=True)
        class Named:
            one: int
