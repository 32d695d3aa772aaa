"""The owner's rules: each condition, their order, and the hours across midnight."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from houses import deployment
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.policy.rules import Facts, Hours, Rule, When, first_match

FACTS = Facts(
    now=0.0,
    project="web",
    key=("key_1", "laptop"),
    task="coding",
    complexity=0.6,
    model="gpt-4o",
    tools=True,
    images=False,
    tokens=5_000,
    headers={"x-team": "Blue"},
)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"project": "web"}, True),
        ({"project": "w*"}, True),
        ({"project": "app"}, False),
        ({"key": "laptop"}, True),
        ({"key": "key_1"}, True),
        ({"key": "phone"}, False),
        ({"task": "coding"}, True),
        ({"task": "chat"}, False),
        ({"complexity_above": 0.5}, True),
        ({"complexity_above": 0.6}, False),
        ({"complexity_below": 0.6}, False),
        ({"complexity_below": 0.61}, True),
        ({"model": "GPT-*"}, True),
        ({"model": "auto"}, False),
        ({"has_tools": True}, True),
        ({"has_tools": False}, False),
        ({"has_images": False}, True),
        ({"has_images": True}, False),
        ({"tokens_above": 4_999}, True),
        ({"tokens_below": 5_000}, False),
        ({"header": ("x-team", None)}, True),
        ({"header": ("X-Team", "blue")}, True),
        ({"header": ("x-team", "red")}, False),
        ({"header": ("x-other", None)}, False),
        ({"project": "web", "task": "chat"}, False),
        ({"hours": Hours(0, 60)}, True),
        ({"hours": Hours(60, 120)}, False),
    ],
)
def test_every_condition(when: dict[str, Any], holds: bool) -> None:
    assert When(**when).holds(FACTS) is holds


def test_the_first_that_holds_decides() -> None:
    rules = [Rule("no", When(task="chat")), Rule("one", When(project="web")), Rule("two")]
    assert first_match(rules, FACTS) == rules[1]
    assert first_match(rules[:1], FACTS) is None


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_are_half_open_and_go_round_midnight(start: int, end: int, minute: int) -> None:
    zone = "Europe/Berlin"
    moment = datetime(2026, 6, 1, *divmod(minute, 60), 30, tzinfo=ZoneInfo(zone)).timestamp()
    if start == end:
        expected = True
    elif start < end:
        expected = start <= minute < end
    else:
        expected = minute >= start or minute < end
    assert (moment in Hours(start, end, zone)) is expected


def test_models_go_by_any_of_their_names() -> None:
    every = {d.id: d for d in (deployment("a", "x/big"), deployment("b", "small"))}
    assert Rule("r", models=("a/*",)).meant(every) == {"a@1/x/big"}
    assert Rule("r", models=("SMALL", "b@1/*")).meant(every) == {"b@1/small"}
    assert Rule("r", models=("none",)).meant(every) == frozenset()


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        # 29 March 2026: 02:00 is skipped in Berlin, so 22:00-03:00 ends where three o'clock begins.
        ("2026-03-29T00:59:59+00:00", True),
        ("2026-03-29T01:00:00+00:00", False),
        ("2026-03-28T21:00:00+00:00", True),
        ("2026-03-28T20:59:59+00:00", False),
        # 25 October 2026: two o'clock comes twice, and both belong to the night.
        ("2026-10-25T00:30:00+00:00", True),
        ("2026-10-25T01:30:00+00:00", True),
        ("2026-10-25T01:59:59+00:00", True),
        ("2026-10-25T02:00:00+00:00", False),
    ],
)
def test_a_night_is_right_where_clocks_change(moment: str, expected: bool) -> None:
    night = Hours(22 * 60, 3 * 60, "Europe/Berlin")
    assert (datetime.fromisoformat(moment).timestamp() in night) is expected
