"""Laws over random orders of holding, settling, hearing and refusing."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st
from quota_shapes import NOW

from freeloader.core import quota
from freeloader.core.model import Limit

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
