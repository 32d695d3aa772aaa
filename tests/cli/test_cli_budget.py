"""`xswarm budget`: limits of every kind become the settings they mean; nonsense changes nothing."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--daily", "5", "--monthly", "$100", "--per-request", "0.50"],
         {"hard": {"daily": 5.0, "monthly": 100.0, "per_request": 0.5}}),
        (["--daily", "4", "--soft"], {"soft": {"daily": 4.0}}),
        (["--daily", "1", "--project", "a.b"], {"allocations": {"a.b": {"daily": 1.0}}}),
        (["--monthly", "9", "--project", "b"], {"allocations": {"b": {"monthly": 9.0}}}),
        (["--daily", "none"], {"hard": {"daily": None}}),
        (["--daily", "0"], {"hard": {"daily": 0.0}}),
        (["--on-soft-limit", "downgrade", "--on-hard-limit", "local-only"],
         {"actions": {"on_soft_limit": "downgrade", "on_hard_limit": "local-only"}}),
        (["--alert-at", "0.5", "--timezone", "Europe/Berlin", "--spike-stops-paid"],
         {"alert_at": 0.5, "timezone": "Europe/Berlin", "spike_stops_paid": True}),
    ],
)  # fmt: skip
def test_budget_set_is_a_change_of_settings(xswarm, daemon, words, body):
    daemon.on("POST", "/v1/config", {"updated": True})
    ran = xswarm("budget", "set", *words)
    assert ran.code == 0, ran.err
    assert daemon.asked[0]["body"] == {"budget": body}
    assert "budget." in ran.out
    assert xswarm("budget", "set", *words, "--json").json == {"updated": True}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--soft"],
        ["--project", "a"],
        ["--daily", "much"],
        ["--daily", "-1"],
        ["--daily", "nan"],
        ["--per-request", "1", "--soft"],
        ["--per-request", "1", "--project", "a"],
        ["--daily", "1", "--soft", "--project", "a"],
        ["--on-hard-limit", "explode"],
        ["--alert-at", "2"],
        ["--spike-factor", "1"],
    ],
)
def test_budget_set_refuses_nonsense(xswarm, daemon, words):
    assert xswarm("budget", "set", *words).code == 2
    assert daemon.asked == []


def test_budget_set_works_with_the_daemon_stopped(xswarm, home):
    assert xswarm("init").code == 0
    assert xswarm("budget", "set", "--daily", "5", "--project", "a").code == 0
    assert xswarm("config", "get", "budget.allocations.a.daily").out.strip() == "5.0"
    assert xswarm("budget", "set", "--daily", "none", "--project", "a").code == 0
    assert "daily = 5" not in (home / "config.toml").read_text()


@pytest.mark.parametrize(("confirmed", "said"), [(True, "go on"), (False, "no spike")])
def test_budget_confirm(xswarm, daemon, confirmed, said):
    daemon.on("POST", "/v1/budget/confirm", {"confirmed": confirmed})
    assert said in xswarm("budget", "confirm").out
    assert xswarm("budget", "confirm", "--json").json == {"confirmed": confirmed}


def test_alerts_and_actions_are_shown(xswarm, daemon):
    alert = {"type": "projected", "message": "ends on the 19th", "at": "2026-11-02T00:00:00.000Z"}
    action = {"action": "downgrade", "reason": "daily soft budget: spent", "budget": "x"}
    daemon.on(
        "GET",
        "/v1/budget",
        {
            "alerts": [alert],
            "actions": [action],
            "projection": {"monthlyAtCurrentRate": 12.5, "exhaustedAt": "2026-11-19T10:00:00Z"},
        },
    )
    ran = xswarm("budget", "show")
    for text in ("ends on the 19th", "downgrade", "$12.50", "2026-11-19T10:00:00Z"):
        assert text in ran.err
    health = {"status": "healthy", "child": {}, "alerts": [alert], "budgetActions": [action]}
    daemon.on("GET", "/v1/health", health)
    out = xswarm("status").out
    assert "ends on the 19th" in out
    assert "downgrade" in out


def test_a_projects_budget_is_shown_under_its_own_name_only(xswarm, daemon):
    span = {"limit": 3.0, "spent": 1.0, "resetsAt": "2026-11-26T00:00:00Z"}
    own = {"daily": span, "monthly": span}
    daemon.on("GET", "/v1/budget", {**own, "projects": {"web": own}})
    out = xswarm("budget", "show", "--project", "web").out
    assert "web daily" in out
    assert "all daily" not in out
    assert "all daily" in xswarm("budget", "show").out
