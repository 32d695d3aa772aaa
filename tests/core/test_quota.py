"""Windows over meters: every reset kind, every transition, and the laws over random orders."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import quota
from freeloader.core.model import Account, Deployment, Limit, Model, Provider
from freeloader.core.quota import Window
from freeloader.money import Meters

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()


def window(amount: int = 10, span: str = "1m", reset: str = "rolling", **more: object) -> Window:
    limit = Limit("requests", amount, span, reset, **more)  # type: ignore[arg-type]
    return quota.window_for(limit, "k", NOW)


def fill(target: Window, count: int, now: float = NOW) -> None:
    for _ in range(count):
        quota.settle(target, quota.reserve(target, 1, now), 1, now)


def deployment(
    *, idx: int = 0, same: int | None = None, model: str = "m", provider: str = "p"
) -> Deployment:
    return Deployment(
        f"{provider}@{idx}/{model}",
        Provider(provider, provider, "cloud", "active", provider, "openai", None),
        Account(provider, idx, same_account_as=same),
        Model(model, provider, model, free=True),
        "e",
        None,
    )


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


# ── each reset kind ──────────────────────────────────────────────────────────


def test_a_bucket_refills_all_the_time() -> None:
    """Groq's own arithmetic: (97050 + 3619 - 100000) / (100000 / 86400) s = 9m38.016s."""
    limit = Limit("tokens", 100_000, "1d", "refill")
    day = quota.window_for(limit, "k", NOW)
    quota.settle(day, quota.reserve(day, 97_050, NOW), 97_050, NOW)
    until = quota.fits(day, 3619, NOW)
    assert until is not None
    assert until - NOW == pytest.approx(578.016, abs=1e-3)
    assert quota.fits(day, 3619, until) is None
    assert quota.fits(day, 3619, until - 1) is not None
    assert quota.full_at(day, NOW) == pytest.approx(NOW + 97_050 / 100_000 * 86400)


def test_a_sliding_window_gives_back_what_is_old_and_no_sooner() -> None:
    minute = window(2, "1m", "rolling")
    fill(minute, 1, NOW)
    fill(minute, 1, NOW + 30)
    until = quota.fits(minute, 1, NOW + 31)
    assert until is not None
    assert NOW + 60 <= until <= NOW + 62
    assert quota.fits(minute, 1, NOW + 59.9) is not None
    assert quota.fits(minute, 1, until) is None
    assert quota.fits(minute, 2, until) is not None


@pytest.mark.parametrize(
    ("zone", "reset"),
    [
        ("America/Los_Angeles", "2026-11-21T08:00:00"),
        ("Europe/London", "2026-11-21T00:00:00"),
        ("Asia/Kolkata", "2026-11-20T18:30:00"),
    ],
)
def test_a_calendar_day_ends_at_its_own_midnight(zone: str, reset: str) -> None:
    day = window(20, "1d", "calendar", timezone=zone)
    fill(day, 20)
    end = datetime.fromisoformat(reset).replace(tzinfo=UTC).timestamp()
    assert quota.fits(day, 1, NOW) == end
    assert quota.fits(day, 1, end - 1) == end
    assert quota.fits(day, 1, end) is None
    assert quota.full_at(day, NOW) == end


@pytest.mark.parametrize(
    ("before", "hours"), [("2026-03-07T20:00", 24 + 23), ("2026-10-31T20:00", 24 + 25)]
)
def test_a_day_is_as_long_as_daylight_saving_makes_it(before: str, hours: int) -> None:
    """Spent in the first minute of the day before and of the day with the change."""
    day = window(1, "1d", "calendar", timezone="America/Los_Angeles")
    start = datetime.fromisoformat(before).replace(tzinfo=UTC).timestamp()
    fill(day, 1, start)
    first = quota.fits(day, 1, start)
    assert first is not None
    fill(day, 1, first)
    second = quota.fits(day, 1, first)
    assert second is not None
    assert second - first == (hours - 24) * 3600


def test_a_month_ends_with_the_month() -> None:
    month = window(1, "month", "calendar")
    fill(month, 1)
    assert quota.fits(month, 1, NOW) == datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def test_credits_never_come_back_and_expire() -> None:
    once = window(10, "once", "unknown", expires_days=30)
    assert quota.fits(once, 10, NOW) is None
    fill(once, 10)
    assert quota.fits(once, 1, NOW + 10 * 86400) == inf
    rest = window(10, "once", "unknown", expires_days=30)
    assert quota.fits(rest, 1, NOW + 29.9 * 86400) is None
    assert quota.fits(rest, 1, NOW + 30 * 86400) == inf


def test_concurrency_counts_what_runs() -> None:
    limit = Limit("concurrency", 2, "1s")
    running = quota.window_for(limit, "k", NOW)
    holds = [quota.reserve(running, 1, NOW) for _ in range(2)]
    assert quota.fits(running, 1, NOW) == NOW + quota.RECHECK
    quota.settle(running, holds[0], 1, NOW + 5)
    assert quota.fits(running, 1, NOW + 5) is None
    quota.release(running, holds[1], NOW + 5, sent=True)
    assert running.held == 0


def test_an_unknown_reset_slides_and_is_marked() -> None:
    unknown = window(1, "1d", "unknown")
    assert not unknown.known
    assert window(1, "1d", "rolling").known
    fill(unknown, 1)
    until = quota.fits(unknown, 1, NOW)
    assert until is not None
    assert until >= NOW + 86400


# ── verdicts ─────────────────────────────────────────────────────────────────


def test_amount_zero_is_not_on_the_plan_and_no_wait() -> None:
    verdict = quota.verdict(window(0), Meters(requests=1), NOW)
    assert verdict is not None
    assert (verdict.gate, verdict.until) == ("tier", None)


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


# ── headers ──────────────────────────────────────────────────────────────────


def test_a_header_raises_the_count_at_any_time() -> None:
    day = window(100, "1d", "calendar")
    held = quota.reserve(day, 1, NOW)
    quota.observe(day, 60, NOW, None, counted=True)
    assert day.counter.used(NOW) == 60
    quota.settle(day, held, 1, NOW)
    quota.observe(day, 61, NOW, held, counted=True)
    assert day.counter.used(NOW) == 61


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
def test_a_refused_call_that_is_not_counted_is_not_taken_off(reset: str) -> None:
    day = window(100, "1d", reset)
    held = quota.reserve(day, 1, NOW)
    quota.release(day, held, NOW, sent=True)
    quota.observe(day, 100, NOW, held, counted=False)
    assert quota.fits(day, 1, NOW) is not None


def test_a_sliding_window_tells_our_own_calls_from_those_of_others() -> None:
    day = window(100, "1d", "rolling")
    fill(day, 10, NOW - 7200)
    for used in (11, 15, 17):  # three and then one more call by somebody else
        held = quota.reserve(day, 1, NOW)
        quota.settle(day, held, 1, NOW)
        quota.observe(day, used, NOW, held, counted=True)
        assert day.counter.used(NOW) >= used
    assert day.counter.used(NOW) <= 17 + 2  # calls of this very slice may count twice for a while


def test_a_header_lowers_the_count_only_if_nothing_was_sent_since() -> None:
    day = window(100, "1d", "calendar")
    fill(day, 50)
    first = quota.reserve(day, 1, NOW)
    second = quota.reserve(day, 1, NOW)
    quota.settle(day, first, 1, NOW)
    quota.observe(day, 10, NOW, first, counted=True)
    assert day.counter.used(NOW) == 51
    quota.observe(day, 10, NOW, None, counted=True)
    assert day.counter.used(NOW) == 51
    quota.settle(day, second, 1, NOW)
    quota.observe(day, 11, NOW, second, counted=True)
    assert day.counter.used(NOW) == 12  # 11 with the second; the first may have come after it


def test_the_providers_own_limit_counts_but_never_above_the_owners() -> None:
    day = window(100, "1d", "calendar")
    assert quota.learn_amount(day, 1000, NOW, pinned=False)
    assert day.amount == 1000
    mine = window(100, "1d", "calendar")
    assert not quota.learn_amount(mine, 1000, NOW, pinned=True)
    assert quota.learn_amount(mine, 50, NOW, pinned=True)
    assert mine.amount == 50


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


# ── clocks and restarts ──────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
@pytest.mark.parametrize("back", [1.0, 3600.0, 86400.0 * 30])
def test_a_clock_set_back_gives_nothing_and_sticks_nowhere(reset: str, back: float) -> None:
    day = window(4, "1d", reset)
    fill(day, 4)
    assert quota.fits(day, 1, NOW - back) is not None
    assert quota.fits(day, 1, NOW - back + 2 * 86400 + 3600) is None


def test_a_clock_set_forward_and_back_resets_no_calendar_day_twice() -> None:
    day = window(4, "1d", "calendar")
    fill(day, 4)
    later = NOW + 30 * 86400
    fill(day, 1, later)
    assert quota.fits(day, 1, NOW) is not None
    assert quota.fits(day, 4, NOW + 86400) is None
    assert quota.fits(day, 4, later) is not None


@pytest.mark.parametrize("reset", ["refill", "rolling", "calendar", "unknown"])
def test_what_was_in_flight_counts_as_used_after_a_restart(reset: str) -> None:
    day = window(10, "1d", reset)
    fill(day, 3)
    for _ in range(2):
        quota.reserve(day, 1, NOW)
    quota.learn_amount(day, 9, NOW, pinned=False)
    fresh = window(10, "1d", reset)
    quota.restore(fresh, json.loads(json.dumps(quota.dump(day))), NOW + 1)
    assert fresh.amount == 9
    assert fresh.counter.used(NOW + 1) == pytest.approx(5, abs=1e-3)


def test_a_refusal_survives_a_restart() -> None:
    day = window(10, "1d", "rolling")
    quota.exhaust(day, NOW + 100, NOW)
    fresh = window(10, "1d", "rolling")
    quota.restore(fresh, json.loads(json.dumps(quota.dump(day))), NOW + 1)
    assert quota.fits(fresh, 1, NOW + 1) == NOW + 100


def test_a_state_of_another_kind_is_not_taken_for_empty() -> None:
    fresh = window(10, "1d", "calendar")
    quota.restore(fresh, quota.dump(window(10, "1d", "rolling")), NOW)
    assert quota.fits(fresh, 1, NOW) is not None


# ── laws ─────────────────────────────────────────────────────────────────────

KINDS = ["refill", "rolling", "calendar", "unknown", "once"]
steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "header", "restart"]),
        st.integers(0, 40),
        st.floats(0, 50_000, allow_nan=False),
    ),
    max_size=40,
)


class Bucket:
    """The provider's side of a window, by its published rule; it admits at any moment
    between send and settle, chosen against us: as late as it can be."""

    def __init__(self, kind: str, amount: int) -> None:
        self.kind, self.amount = kind, amount
        self.events: list[tuple[float, float]] = []

    def charge(self, amount: float, at: float) -> None:
        self.events.append((at, amount))

    def used(self, now: float) -> float:
        if self.kind == "once":
            return sum(amount for _, amount in self.events)
        if self.kind == "calendar":
            return sum(amount for at, amount in self.events if at // 86400 == now // 86400)
        if self.kind != "refill":
            return sum(amount for at, amount in self.events if at + 86400 > now)
        level, last = 0.0, 0.0
        for at, amount in self.events:
            level = max(0.0, level - (at - last) * self.amount / 86400) + amount
            last = at
        return max(0.0, level - (now - last) * self.amount / 86400)


@given(st.sampled_from(KINDS), st.integers(1, 100), steps, st.booleans())
def test_we_never_believe_in_quota_that_is_not_there(
    kind: str, amount: int, plan: list[tuple[str, int, float]], late: bool
) -> None:
    """Random orders of send, header, settle, release, restart: used + held >= the provider's."""
    span = "once" if kind == "once" else "1d"
    limit = Limit("requests", amount, span, "unknown" if kind == "once" else kind)
    ours = quota.window_for(limit, "k", NOW)
    theirs = Bucket(kind, amount)
    now = NOW
    open_: list[tuple[quota.Reservation, float, float]] = []
    for what, number, wait in plan:
        now += wait
        if what == "reserve":
            open_.append((quota.reserve(ours, 1, now), now, theirs.used(now)))
            if not late:
                theirs.charge(1, now)
        elif what == "settle" and open_:
            held, _, _ = open_.pop(number % len(open_))
            if late:
                theirs.charge(1, now)
            quota.settle(ours, held, 1, now)
            if number % 2:  # its headers, read after settling: used as they see it now
                quota.observe(ours, int(-(-theirs.used(now) // 1)), now, held, counted=True)
        elif what == "release" and open_ and late:
            held, _, _ = open_.pop(number % len(open_))
            quota.release(ours, held, now, sent=True)
            if number % 2:  # the refusal's headers
                seen = int(-(-theirs.used(now) // 1))
                quota.observe(ours, seen, now, held, counted=False)
        elif what == "header":  # somebody else used the same key
            theirs.charge(number % 3, now)
            quota.observe(ours, int(-(-theirs.used(now) // 1)), now, None, counted=True)
        elif what == "restart":
            open_ = []
            fresh = quota.window_for(limit, "k", NOW)
            quota.restore(fresh, json.loads(json.dumps(quota.dump(ours))), now)
            ours = fresh
        believed = ours.counter.used(now) + ours.held
        assert believed >= theirs.used(now) - 1e-6


@given(
    st.sampled_from(KINDS),
    st.lists(st.tuples(st.floats(0, 90_000), st.integers(1, 5)), max_size=20),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(1, 20),
)
def test_more_remaining_never_turns_yes_into_no(
    kind: str, history: list[tuple[float, int]], more: int, larger: int, need: int
) -> None:
    span = "once" if kind == "once" else "1d"
    limit = Limit("requests", 20, span, "unknown" if kind == "once" else kind)
    little = quota.window_for(limit, "k", NOW)
    much = quota.window_for(replace(limit, amount=20 + larger), "k", NOW)
    now = NOW
    for wait, amount in history:
        now += wait
        quota.settle(little, quota.reserve(little, amount, now), amount, now)
        quota.settle(much, quota.reserve(much, amount, now), amount, now)
    quota.reserve(little, more, now)
    if quota.fits(little, need, now) is None:
        assert quota.fits(much, need, now) is None


@given(
    st.sampled_from(["refill", "rolling", "calendar", "unknown"]),
    st.lists(st.tuples(st.floats(0, 30_000), st.integers(1, 9)), max_size=20),
    st.integers(0, 9),
    st.integers(1, 20),
)
def test_the_promised_moment_is_true(
    kind: str, history: list[tuple[float, int]], held: int, need: int
) -> None:
    """With nothing held, at ``until`` it fits, and half a second before it does not."""
    ours = quota.window_for(Limit("requests", 20, "1d", kind), "k", NOW)
    now = NOW
    for wait, amount in history:
        now += wait
        quota.settle(ours, quota.reserve(ours, amount, now), amount, now)
    quota.release(ours, quota.reserve(ours, held, now), now, sent=False)
    until = quota.fits(ours, need, now)
    if until is None:
        return
    assert now < until < inf
    assert quota.fits(ours, need, until + 1e-3) is None
    if until - 0.5 > now:
        assert quota.fits(ours, need, until - 0.5) is not None


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 30), max_size=20))
def test_released_holds_restore_the_window(kind: str, amounts: list[int]) -> None:
    span = "once" if kind == "once" else "1d"
    ours = quota.window_for(
        Limit("requests", 30, span, "unknown" if kind == "once" else kind), "k", NOW
    )
    quota.settle(ours, quota.reserve(ours, 3, NOW), 3, NOW)
    before = quota.dump(ours)
    for held in [quota.reserve(ours, amount, NOW) for amount in amounts]:
        quota.release(ours, held, NOW, sent=False)
    assert quota.dump(ours) == before


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
