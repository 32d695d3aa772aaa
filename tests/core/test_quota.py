"""Windows over meters: their keys, verdicts, settlements and refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest
from quota_shapes import NOW, deployment, fill, window

from freeloader.core import quota
from freeloader.core.model import Limit
from freeloader.core.model.limits import OWN
from freeloader.money import Meters

# ── keys and needs ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("account", "p@2|requests|1d|"),
        ("model", "p@2/m|requests|1d|"),
        ("ip", "ip:p|requests|1d|"),
        ("ip+model", "ip:p/m|requests|1d|"),
    ],
)
def test_scopes(scope: str, key: str) -> None:
    assert quota.key_of(Limit("requests", 1, "1d", scope=scope), deployment(idx=2)) == key


def test_two_keys_of_one_account_share_every_bucket() -> None:
    for scope in ("account", "model", "ip", "ip+model"):
        limit = Limit("requests", 1, "1d", scope=scope)
        assert quota.key_of(limit, deployment(idx=1, same=0)) == quota.key_of(limit, deployment())


def test_a_pattern_is_a_bucket_of_its_own() -> None:
    shared = Limit("requests", 50, "1d", applies_to=("*:free",))
    one, other = deployment(model="a:free"), deployment(model="b:free")
    assert quota.key_of(shared, one) == quota.key_of(shared, other)
    assert quota.key_of(shared, one) != quota.key_of(replace(shared, applies_to=()), one)


@pytest.mark.parametrize(
    ("limit", "need"),
    [
        (Limit("requests", 9, "1m"), 1),
        (Limit("tokens", 9, "1m"), 100),
        (Limit("tokens", 9, "1m", excludes=("cacheRead",)), 60),
        (Limit("input", 9, "1m"), 30),
        (Limit("output", 9, "1m"), 25),
        (Limit("concurrency", 9, "1m"), 1),
    ],
)
def test_need(limit: Limit, need: int) -> None:
    meters = Meters(input=30, cache_read=40, cache_write=5, output=25)
    assert quota.need(limit, meters) == need


# ── verdicts ─────────────────────────────────────────────────────────────────


def test_amount_zero_is_not_on_the_plan_and_no_wait() -> None:
    verdict = quota.verdict(window(0), Meters(requests=1), NOW)
    assert verdict is not None
    assert (verdict.gate, verdict.until) == ("tier", None)


def test_an_own_limit_of_zero_is_the_owners_and_not_the_plans() -> None:
    own = quota.window_for(Limit("requests", 0, "1d", "calendar", source=OWN), "k", NOW)
    verdict = quota.verdict(own, Meters(requests=1), NOW)
    assert verdict is not None
    assert (verdict.gate, verdict.until) == ("ownLimit", None)
    assert "switched off by its own limit" in verdict.reason


def test_a_ceiling_refuses_what_can_never_pass() -> None:
    limit = Limit("tokens", 8000, "1m", "refill", per_request_ceiling=True)
    minute = quota.window_for(limit, "k", NOW)
    large = quota.verdict(minute, Meters(input=8001), NOW)
    assert large is not None
    assert (large.until, large.relax) == (None, 8000)
    assert "too large" in large.reason
    assert quota.verdict(minute, Meters(input=8000), NOW) is None


def test_an_output_bound_above_the_window_takes_the_whole_window() -> None:
    """No client bound means the model's maximum: that must not rule a free tier out."""
    limit = Limit("tokens", 8000, "1m", "refill", per_request_ceiling=True)
    minute = quota.window_for(limit, "k", NOW)
    meters = Meters(input=100, output=65_536)
    assert quota.verdict(minute, meters, NOW) is None
    quota.reserve(minute, quota.claim(minute, meters), NOW)
    assert quota.verdict(minute, Meters(input=1), NOW) is not None


def test_the_words_have_the_numbers() -> None:
    day = window(20, "1d", "calendar", timezone="America/Los_Angeles")
    fill(day, 20)
    verdict = quota.verdict(day, Meters(requests=1), NOW)
    assert verdict is not None
    assert verdict.code == "quota_exhausted"
    assert "20 of 20 used" in verdict.reason
    assert "2026-11-21T08:00:00Z" in verdict.reason


# ── settling ─────────────────────────────────────────────────────────────────


def test_a_settlement_replaces_the_hold() -> None:
    limit = Limit("tokens", 1000, "1m", "rolling")
    minute = quota.window_for(limit, "k", NOW)
    held = quota.reserve(minute, 900, NOW)
    assert quota.fits(minute, 200, NOW) == NOW + quota.RECHECK
    quota.settle(minute, held, 50, NOW + 1)
    assert (minute.held, minute.counter.used(NOW + 1)) == (0, 50)


@pytest.mark.parametrize(
    ("charged_on", "sent", "used"),
    [("accepted", True, 0), ("accepted", False, 0), ("sent", True, 1), ("sent", False, 0)],
)
def test_a_refused_call_counts_where_what_is_sent_counts(
    charged_on: str, sent: bool, used: int
) -> None:
    day = window(50, "1d", "calendar", charged_on=charged_on)
    quota.release(day, quota.reserve(day, 1, NOW), NOW, sent=sent)
    assert (day.held, day.counter.used(NOW)) == (0, used)


def test_what_spans_a_reset_counts_on_both_sides() -> None:
    day = window(2, "1d", "calendar")
    midnight = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    held = quota.reserve(day, 1, midnight - 1)
    assert quota.fits(day, 2, midnight) is not None
    quota.settle(day, held, 1, midnight + 1)
    assert day.counter.used(midnight + 1) == 1


# ── refusals ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reset", "span", "until", "end"),
    [
        ("rolling", "1m", NOW + 7, NOW + 7),
        ("rolling", "1m", NOW + 86400, NOW + 60),
        ("refill", "1d", NOW + 578, NOW + 578),
        ("refill", "1d", None, NOW + 864),
        ("unknown", "1d", None, NOW + 86400),
        ("calendar", "1d", None, datetime(2026, 11, 21, tzinfo=UTC).timestamp()),
        ("calendar", "1d", NOW + 10**6, datetime(2026, 11, 21, tzinfo=UTC).timestamp()),
    ],
)
def test_a_refusal_never_lasts_longer_than_its_window(
    reset: str, span: str, until: float | None, end: float
) -> None:
    spent = window(100, span, reset)
    assert quota.exhaust(spent, until, NOW) == pytest.approx(end)
    blocked = quota.fits(spent, 1, NOW)
    assert blocked is not None
    assert quota.fits(spent, 1, end - 1) is not None
    assert quota.fits(spent, 1, end) is None


def test_spent_credits_stay_spent() -> None:
    once = window(5, "once", "unknown")
    assert quota.exhaust(once, NOW + 10, NOW) is None
    assert quota.fits(once, 1, NOW + 10**7) == inf


def test_reset_makes_it_fresh_but_for_open_holds() -> None:
    day = window(2, "1d", "calendar")
    fill(day, 1)
    quota.reserve(day, 1, NOW)
    quota.exhaust(day, None, NOW)
    quota.reset(day, NOW)
    assert quota.fits(day, 1, NOW) is None
    assert quota.fits(day, 2, NOW) is not None


@pytest.mark.parametrize("kind", ["calendar", "refill", "rolling"])
def test_reset_forgets_that_it_was_said_to_be_smaller(kind: str) -> None:
    day = window(20, "1d", kind)
    quota.learn_amount(day, 5, NOW, pinned=False)
    fill(day, 5)
    quota.reset(day, NOW)
    assert day.amount == 20
    assert quota.fits(day, 20, NOW) is None
    quota.learn_amount(day, 50, NOW, pinned=False)
    quota.reset(day, NOW)
    assert day.amount == 50, "more was said since, and holds"


def test_what_a_client_asks_for_beyond_a_ceiling_is_refused_and_a_guess_is_not() -> None:
    limit = Limit("tokens", 8_000, "1m", "refill", per_request_ceiling=True)
    window = quota.window_for(limit, "w", 0.0)
    verdict = quota.ceiling(window, Meters(requests=1, input=100, output=8_000))
    assert verdict is not None
    assert (verdict.gate, verdict.code) == ("quota", "no_model_passes_gates")
    assert "8,100" in verdict.reason
    assert "8,000 in all" in verdict.reason
    assert quota.ceiling(window, Meters(requests=1, input=100, output=7_900)) is None
    plain = quota.window_for(Limit("tokens", 8_000, "1m", "refill"), "w", 0.0)
    assert quota.ceiling(plain, Meters(requests=1, input=100, output=9_000)) is None
