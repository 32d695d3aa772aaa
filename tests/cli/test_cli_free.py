"""`xswarm free` and `xswarm account set`: what is left, until when, and the owner's own limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from freeloader.clock import SystemClock, iso


def window(**fields):
    row = {
        "key": "groq@1/m|requests|1d|", "provider": "groq", "account": 1, "model": "m",
        "appliesTo": [], "scope": "model", "metric": "requests", "window": "1d", "reset": "refill",
        "limit": 1000, "used": 800, "held": 1, "remaining": 199, "resetsAt": None,
        "refusedUntil": None, "perHour": 0, "lastsUntil": None, "learnt": [], "confidence": "high",
        "source": "Groq docs rate-limits snapshots, with a long name that goes on and on",
        "verifiedDate": "2026-10-06",
    }  # fmt: skip
    return row | fields


def show(xswarm, daemon, *rows, **more):
    answer = {"windows": list(rows), "alerts": [], "warnings": [], **more}
    daemon.on("GET", "/v1/free-tiers", answer)
    return xswarm("free")


def test_a_window_has_a_bar_what_is_left_its_reset_and_its_source(xswarm, daemon):
    now = SystemClock().now().wall
    ran = show(xswarm, daemon, window(resetsAt=iso(now + 3 * 3600 + 90), perHour=40))
    assert ran.code == 0
    assert "████████░░" in ran.out
    assert "800 of 1,000" in ran.out
    assert "199" in ran.out
    assert "3 h 1 min" in ran.out
    assert "high" in ran.out
    assert "(2026-10-06)" in ran.out
    assert xswarm("free", "--json").json["windows"][0]["limit"] == 1000


def test_credits_say_when_they_end(xswarm, daemon):
    now, credit = SystemClock().now().wall, {"metric": "usd", "window": "once", "used": 0}
    until = {"soon": iso(now + 2 * 86400 + 90), "gone": iso(now - 90), "never": None}
    rows = [window(**credit, model=name, expiresAt=at) for name, at in until.items()]
    said = {line.split()[1]: line for line in show(xswarm, daemon, *rows).out.splitlines()}
    assert "expires in 2 d" in said["soon"]
    assert "expired" in said["gone"]
    assert "expire" not in said["never"]


@pytest.mark.parametrize("running", [{"metric": "concurrency", "window": "once"}, {}])
def test_what_running_calls_hold_is_not_full(xswarm, daemon, running):
    held = show(xswarm, daemon, window(**running, limit=2, used=0, held=2, remaining=0)).out
    assert "full" not in held
    free = show(xswarm, daemon, window(limit=2, used=0, held=0, remaining=2)).out
    assert "full" in free


@pytest.mark.parametrize("width", [40, 60, 80])
def test_in_a_narrow_terminal_nothing_is_cut_and_all_is_said(xswarm, daemon, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    now = SystemClock().now().wall
    gift = window(account=2, allowance=True, limit=5, used=1, remaining=4, held=0,
                  resetsAt=iso(now + 3 * 3600 + 90))  # fmt: skip
    nothing = window(account=3, limit=0, used=0, remaining=0)
    unknown = window(account=4, limit=None, window=None, reset="unknown")
    ran = show(xswarm, daemon, window(perHour=9), gift, nothing, unknown)
    assert all(len(line) <= width for line in ran.out.splitlines())
    said = " ".join(ran.out.split())
    for words in ("groq@1 m", "800 of 1,000 used, 199 left, 1 held", "at this rate it lasts",
                  "(allowance)", "1 of 5 used, 4 left; resets in 3 h 1 min", "not on this plan",
                  "limits unknown", "high confidence", "(2026-10-06)"):  # fmt: skip
        assert words in said, words
    monkeypatch.setenv("COLUMNS", "300")
    assert "ACCOUNT" in show(xswarm, daemon, gift).out


def test_of_credits_nothing_comes_back(xswarm, daemon):
    ran = show(xswarm, daemon, window(window="once", limit=5, used=2, remaining=3, reset="unknown"))
    assert "never" in ran.out
    assert "full" not in ran.out


def test_it_says_until_when_it_lasts_at_this_rate(xswarm, daemon):
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    soon = noon.replace(hour=16, minute=40)
    ran = show(xswarm, daemon, window(lastsUntil=soon.astimezone(UTC).isoformat(), perHour=99))
    assert "lasts until 16:40" in ran.out
    later = soon + timedelta(days=3)
    ran = show(xswarm, daemon, window(lastsUntil=later.astimezone(UTC).isoformat(), perHour=9))
    assert f"lasts until {later:%Y-%m-%d} 16:40" in ran.out


def test_what_nobody_publishes_is_unknown_with_what_was_learnt(xswarm, daemon):
    learnt = {"metric": "requests", "window": "1h", "scope": "account", "atLeast": 40,
              "atMost": 52, "refusals": 1, "confidence": "low"}  # fmt: skip
    ran = show(xswarm, daemon, window(limit=None, window=None, reset="unknown", learnt=[learnt]))
    assert "unknown" in ran.out
    assert "at least 40, refused at 52" in ran.out
    assert "unlimited" not in ran.out
    of_model = {**learnt, "scope": "model", "model": "tiny", "refusals": 0, "atLeast": 17}
    assert "at least 17" not in show(xswarm, daemon, window(limit=None, learnt=[of_model])).out
    at_once = {**learnt, "metric": "concurrency", "window": "once", "atLeast": 1, "atMost": 2}
    ran = show(xswarm, daemon, window(limit=None, learnt=[at_once]))
    assert "running calls" in ran.out
    assert "at least 1, refused at 2" in ran.out


def test_alerts_and_second_accounts_are_said(xswarm, daemon):
    alert = {"type": "key_used_elsewhere", "message": "five requests did not come from here"}
    ran = show(
        xswarm, daemon, window(), alerts=[alert], warnings=["Groq has 2 accounts. Source: x"]
    )
    assert "key_used_elsewhere: five requests" in ran.err
    assert "Source: x" in ran.err


def test_one_providers_windows(xswarm, daemon):
    show(xswarm, daemon, window())
    assert xswarm("free", "--provider", "groq").code == 0
    assert daemon.asked[-1]["query"] == "provider=groq"


def test_a_provider_without_an_account_is_named_as_that(xswarm, daemon):
    daemon.on("GET", "/v1/accounts", {"accounts": [{"provider": "groq", "idx": 1}]})
    show(xswarm, daemon)
    ran = xswarm("free", "--provider", "nosuch")
    assert (ran.code, ran.out) == (1, "")
    assert "There is no account nosuch" in ran.err
    assert xswarm("free", "--provider", "groq").code == 0


def test_what_the_owner_switched_off_is_not_the_plans_doing(xswarm, daemon):
    assert "switched off" in show(xswarm, daemon, window(limit=0, source="own")).out
    assert "not on this plan" in show(xswarm, daemon, window(limit=0)).out


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--tier", "paid", "--priority", "3"], {"tier": "paid", "priority": 3}),
        (["--limit", "requests=20/1d,reset=calendar,timezone=America/Los_Angeles,scope=model"],
         {"limits": [{"metric": "requests", "amount": 20, "window": "1d", "reset": "calendar",
                      "timezone": "America/Los_Angeles", "scope": "model"}]}),
        (["--limit", "tokens=100/1m", "--limit", "usd=0.5/month"],
         {"limits": [{"metric": "tokens", "amount": 100, "window": "1m"},
                     {"metric": "usd", "amount": 0.5, "window": "month"}]}),
        (["--limit", "requests=9/1d,allowance", "--limit", "concurrency=2"],
         {"limits": [{"metric": "requests", "amount": 9, "window": "1d", "allowance": True},
                     {"metric": "concurrency", "amount": 2, "window": "once"}]}),
        (["--no-limits"], {"limits": None}),
        (["--same-account-as", "1"], {"sameAccountAs": 1}),
        (["--own-account"], {"sameAccountAs": None}),
    ],
)  # fmt: skip
def test_an_account_is_changed(xswarm, daemon, words, body):
    daemon.on("PATCH", "/v1/accounts/groq/2", {"provider": "groq", "idx": 2})
    ran = xswarm("account", "set", "groq@2", *words)
    assert (ran.code, ran.out) == (0, "groq@2 is changed\n")
    assert daemon.asked[-1]["body"] == body


def test_a_limit_of_nothing_is_said_aloud(xswarm, daemon):
    daemon.on("PATCH", "/v1/accounts/groq/2", {"provider": "groq", "idx": 2})
    ran = xswarm("account", "set", "groq@2", "--limit", "requests=0/1d")
    assert ran.code == 0
    assert "nothing is sent there" in ran.err


@pytest.mark.parametrize(
    "words", [[], ["--limit", "20 a day"], ["--limit", "requests=20"],
              ["--no-limits", "--limit", "requests=1/1d"],
              ["--own-account", "--same-account-as", "1"]],
)  # fmt: skip
def test_what_says_nothing_or_two_things_is_refused(xswarm, daemon, words):
    assert xswarm("account", "set", "groq@2", *words).code == 2
    assert daemon.asked == []


def test_what_is_spent_is_empty_at_any_rate(xswarm, daemon):
    ran = show(xswarm, daemon, window(used=30, remaining=0, perHour=0, lastsUntil=None))
    assert "empty" in ran.out
