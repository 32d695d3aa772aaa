"""Periods as people name them, and the JSON that is made of sums."""

from __future__ import annotations

import pytest

from freeloader.errors import InvalidRequest
from freeloader.manage.reports import figures, periods
from freeloader.store.reports.analytics import Tally

NOW = 1_795_176_000.0 + 1_800  # 2026-11-20T12:30:00Z
TODAY = 1_795_132_800.0


@pytest.mark.parametrize(
    ("name", "since", "until", "hours", "steps"),
    [
        ("24h", NOW - 86_400, NOW, True, 25),
        ("day", NOW - 86_400, NOW, True, 25),
        ("1H", NOW - 3_600, NOW, True, 2),
        ("today", TODAY, NOW, True, 13),
        ("yesterday", TODAY - 86_400, TODAY, True, 24),
        ("1d", TODAY, NOW, False, 1),
        ("7d", TODAY - 6 * 86_400, NOW, False, 7),
        ("week", TODAY - 6 * 86_400, NOW, False, 7),
        ("30d", TODAY - 29 * 86_400, NOW, False, 30),
        (" Month ", TODAY - 29 * 86_400, NOW, False, 30),
        ("2w", TODAY - 13 * 86_400, NOW, False, 14),
        ("72h", TODAY - 2 * 86_400, NOW, False, 3),
    ],
)
def test_what_a_period_means(
    name: str, since: float, until: float, hours: bool, steps: int
) -> None:
    span = periods.span_of(name, NOW)
    assert (span.since, span.until, span.hours) == (since, until, hours)
    assert len(periods.steps(span)) == steps


@pytest.mark.parametrize("name", ["", "soon", "0d", "-1d", "7", "1e3d", "٣d"])
def test_an_unknown_period_names_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidRequest, match="24h, 7d"):
        periods.span_of(name, NOW)


@pytest.mark.parametrize(
    ("text", "end", "wall"),
    [
        ("2026-11-20", False, TODAY),
        ("2026-11-20", True, TODAY + 86_400),
        ("2026-11-20T12:30:00Z", True, NOW),
        ("2026-11-20T13:30:00+01:00", False, NOW),
        ("2026-11-20T13:30:00 01:00", False, NOW),
        ("2026-11-20 12:30", False, NOW),
        (repr(NOW), False, NOW),
    ],
)
def test_moments(text: str, end: bool, wall: float) -> None:
    assert periods.moment(text, "from", end=end) == wall


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "9" * 30, "nan", "0001-01-01", "9999-12-31", "1" * 11]
)
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(InvalidRequest, match="from must be a date"):
        periods.moment(text, "from")


def test_groups_join_and_put_the_dearest_first() -> None:
    tallies = {
        ("groq", "a"): Tally(asked=1, cost_pico=10**12, premium_pico=3 * 10**12),
        ("groq", "b"): Tally(asked=2, cost_pico=10**12),
        ("free", "c"): Tally(asked=9),
        ("", "d"): Tally(asked=1),
    }
    found = figures.grouped(tallies, "(none)", (0,))
    assert list(found) == ["groq", "free", "(none)"]
    assert (found["groq"]["requests"], found["groq"]["cost"], found["groq"]["saved"]) == (3, 2, 1)
    assert next(iter(figures.grouped(tallies, "", (0, 1)))) == "groq/b"


def test_savings_are_the_difference_and_may_be_none_or_negative() -> None:
    assert figures.savings(None, 5, 5)["saved"] is None
    shown = figures.savings("openai/best", 4 * 10**12, 10**12)
    assert (shown["wouldHaveCost"], shown["saved"], shown["savedPercent"]) == (4, 3, 75)
    assert figures.savings("m", 10**12, 2 * 10**12)["savedPercent"] == -100
    assert figures.savings("m", 0, 0)["savedPercent"] == 0


@pytest.mark.parametrize(
    ("limit", "soft", "rate", "will"),
    [(None, None, 9.0, False), (10, None, 9.0, False), (8, None, 9.0, True), (10, 8, 9.0, True)],
)
def test_a_projection_is_held_against_the_month(
    limit: float | None, soft: float | None, rate: float, will: bool
) -> None:
    budget = {
        "monthly": {"limit": limit, "softLimit": soft},
        "projection": {"monthlyAtCurrentRate": rate},
    }
    assert figures.projection(budget)["willExceedBudget"] is will
