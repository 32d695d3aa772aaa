"""`xswarm analytics` and `audit`: tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from freeloader.cli.commands.analytics import sparkline

LINE = {"requests": 3, "tokensIn": 30, "tokensOut": 12, "cost": 0.002, "saved": 0.4}
ANSWER = {
    "period": "7d", "totalCost": 0.002, "totalRequests": 3, "avgCostPerRequest": 0.000667,
    "savings": {"premiumModel": "openai/best", "wouldHaveCost": 0.402, "saved": 0.4,
                "savedPercent": 99.5},
    "byProvider": {"groq": LINE}, "byModel": {f"groq/m{n}": LINE for n in range(12)},
    "byProject": {"(none)": LINE}, "byTask": {},
    "series": [
        {"t": "2026-11-19T00:00:00Z", "requests": 0, "cost": 0.0, "saved": 0, "p50": None,
         "p95": None},
        {"t": "2026-11-20T00:00:00Z", "requests": 3, "cost": 0.002, "saved": 0.4, "p50": 80,
         "p95": 300},
    ],
    "costProjection": {"monthlyAtCurrentRate": 0.01, "willExceedBudget": True},
}  # fmt: skip


def test_analytics_in_tables_and_lines(daemon: Any, xswarm: Callable[..., Any]) -> None:
    daemon.on("GET", "/v1/analytics", ANSWER)
    done = xswarm("analytics", "--period", "7d", "--project", "a")
    assert done.code == 0
    assert "99.5 % of $0.402 at openai/best" in done.out
    assert "over the month's budget" in done.out
    assert " █" in done.out
    for title in ("PROVIDER", "MODEL", "PROJECT"):
        assert title in done.out
    assert "TASK" not in done.out
    assert "and 2 more" in done.err
    assert xswarm("analytics", "--json").json == ANSWER


def test_nothing_asked_is_said(daemon: Any, xswarm: Callable[..., Any]) -> None:
    daemon.on("GET", "/v1/analytics", {**ANSWER, "series": [], "byProvider": {}, "byModel": {},
                                       "byProject": {}})  # fmt: skip
    assert "nothing was asked" in xswarm("analytics").err


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], "  "),
        ([1], "█"),
        ([0, 1, 2, 4, 8], " ▂▃▅█"),
        ([1.0] * 120, "█" * 60),
    ],
)
def test_sparklines(values: list[float], line: str) -> None:
    assert sparkline(values) == line


def test_the_audit_in_lines(daemon: Any, xswarm: Callable[..., Any]) -> None:
    rows = [
        {"at": "2026-11-20T12:00:00.000Z", "who": "key_1", "what": "request", "subject": "groq/m",
         "detail": {"outcome": "answered", "costUsd": 0, "reason": "free"}, "id": "dec_1"},
        {"at": "2026-11-20T11:00:00.000Z", "who": "key_2", "what": "config.set", "subject": "3",
         "detail": {"changed": {"budget.hard.daily": {"from": None, "to": 5}}}, "id": 4},
    ]  # fmt: skip
    daemon.on("GET", "/v1/audit", {"audit": rows, "before": None})
    done = xswarm("audit", "--tail", "2", "--what", "config")
    assert done.code == 0
    assert "answered, $0: free" in done.out
    assert '"to": 5' in done.out
    assert xswarm("audit", "--json").json["audit"] == rows
