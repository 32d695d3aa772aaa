"""R13 over HTTP, and what is told of spending over time: spikes, and the end of the month's budget.

The daemon's clock is the test's: it jumps, goes back, and crosses daylight saving.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bank_kit import Hands, Town, town

SMALL = {"model": "alpha/m", "max_tokens": 100, "maxWait": 0}


async def pay(found: Town, **more: Any) -> int:
    status, _, body = await found.live.post({**SMALL, **more})
    assert status in (200, 402), body
    await found.day()
    return status


async def spent(found: Town, span: str = "daily") -> float:
    return float((await found.admin("GET", "/v1/budget"))[span]["spent"])


#: A zone, moments of the clock in order, and how many calls each one's day has by then.
WALKS: dict[str, tuple[str, list[tuple[str, int, int]]]] = {
    "midnight, and back over it, and on": ("UTC", [
        ("2026-11-20T23:59:00+00:00", 1, 1), ("2026-11-21T00:01:00+00:00", 1, 2),
        ("2026-11-20T23:58:00+00:00", 2, 3), ("2026-11-21T00:02:00+00:00", 2, 4)]),
    "an hour that comes twice": ("Europe/Berlin", [
        ("2026-10-25T02:30:00+02:00", 1, 1), ("2026-10-25T02:30:00+01:00", 2, 2),
        ("2026-10-25T23:59:00+01:00", 3, 3), ("2026-10-26T00:00:30+01:00", 1, 4)]),
    "an hour that is left out": ("Europe/Berlin", [
        ("2026-03-29T01:59:00+01:00", 1, 1), ("2026-03-29T03:01:00+02:00", 2, 2),
        ("2026-03-29T23:59:00+02:00", 3, 3), ("2026-03-30T00:00:30+02:00", 1, 4)]),
    "the month's end, in a zone far from UTC": ("Pacific/Chatham", [
        ("2028-02-29T23:59:00+13:45", 1, 1), ("2028-03-01T00:01:00+13:45", 1, 1),
        ("2028-02-29T23:58:00+13:45", 2, 2), ("2028-03-31T23:00:00+13:45", 1, 2)]),
    "years ahead and back": ("UTC", [
        ("2026-11-20T12:00:00+00:00", 1, 1), ("2027-12-31T23:59:00+00:00", 1, 1),
        ("2026-11-20T12:01:00+00:00", 2, 2)]),
}  # fmt: skip


#: Walks that are gone again with a new daemon at each step.
RESTARTED = ("midnight, and back over it, and on", "an hour that comes twice")


@pytest.mark.parametrize("walk", WALKS)
async def test_r13_no_budget_is_new_twice_or_skipped_wherever_the_clock_goes(
    tmp_path: Path, walk: str
) -> None:
    zone, steps = WALKS[walk]
    clock = Hands(steps[0][0])
    budget = f'[budget]\ntimezone = "{zone}"\n[budget.hard]\ndaily = 1\nmonthly = 20'
    one: float | None = None
    async with town(tmp_path / "whole", budget, clock) as found:
        for at, day, month in steps:
            clock.set(at)
            assert await pay(found) == 200
            one = one or await spent(found)
            assert await spent(found) == pytest.approx(day * one), at
            assert await spent(found, "monthly") == pytest.approx(month * one), at
    if walk not in RESTARTED:
        return
    for at, day, month in steps:
        clock.set(at)
        async with town(tmp_path / "again", budget, clock) as found:
            assert await pay(found) == 200
            assert one is not None
            assert await spent(found) == pytest.approx(day * one), at
            assert await spent(found, "monthly") == pytest.approx(month * one), at


async def test_r13_another_time_zone_at_run_time_is_another_day_and_no_new_one(
    tmp_path: Path,
) -> None:
    """What was spent at 22:30 UTC is of the 20th in UTC and of the 21st in Berlin."""
    clock = Hands("2026-11-20T22:30:00+00:00")
    async with town(tmp_path, "[budget.hard]\ndaily = 1\nmonthly = 20", clock) as found:
        assert await pay(found) == 200
        one = await spent(found)
        clock.set("2026-11-20T23:30:00+00:00")
        assert await pay(found) == 200
        for zone, calls in (("Europe/Berlin", 1), ("UTC", 2), ("America/New_York", 2),
                            ("Europe/Berlin", 1)):  # fmt: skip
            await found.admin("POST", "/v1/config", {"budget": {"timezone": zone}})
            assert await spent(found) == pytest.approx(calls * one), zone
            assert await spent(found, "monthly") == pytest.approx(2 * one)
        await found.admin("POST", "/v1/config", {"budget": {"hard": {"daily": one * 1.5}}})
        assert await pay(found, max_tokens=1) == 200
        await found.admin("POST", "/v1/config", {"budget": {"timezone": "UTC"}})
        assert await pay(found, max_tokens=1) == 402, "in UTC the day's budget is spent"


@pytest.mark.parametrize("stops", [False, True])
async def test_a_spike_is_told_once_and_stops_what_is_paid_where_so_set(
    tmp_path: Path, stops: bool
) -> None:
    clock = Hands("2026-11-20T08:01:00+00:00")
    settings = f"[budget]\nspike_factor = 3\nspike_stops_paid = {str(stops).lower()}"
    async with town(tmp_path, settings, clock) as found:
        for _ in range(6):
            assert await pay(found) == 200
            clock.go(3600)
        assert (await found.admin("GET", "/v1/budget"))["alerts"] == []
        statuses = [await pay(found) for _ in range(5)]
        told = (await found.admin("GET", "/v1/budget"))["alerts"]
        assert [a["type"] for a in told] == ["spike"]
        assert "in ten minutes, usually $" in told[0]["message"]
        health = await found.admin("GET", "/v1/health")
        assert [a["type"] for a in health["alerts"]] == ["spike"], "`xswarm status` shows these"
        if not stops:
            assert set(statuses) == {200}
            return
        assert statuses[-1] == 402
        _, _, body = await found.live.post(SMALL)
        assert "xswarm budget confirm" in body["error"]["message"]
        assert body["error"]["details"]["budget"]["budget"] == "spike"
    async with town(tmp_path, settings, clock) as found:
        assert await pay(found) == 402, "also after a restart"
        assert await found.admin("POST", "/v1/budget/confirm") == {"confirmed": True}
        assert await pay(found) == 200
        assert await found.admin("POST", "/v1/budget/confirm") == {"confirmed": False}


async def test_the_end_of_the_months_budget_is_foretold_once(tmp_path: Path) -> None:
    """Four days of five calls each, and a limit of 40: at this rate it ends on the 9th."""
    clock = Hands("2026-11-02T12:00:00+00:00")
    async with town(tmp_path, "[budget]", clock) as found:
        for day in range(2, 6):
            clock.set(f"2026-11-0{day}T12:00:00+00:00")
            for _ in range(5):
                assert await pay(found) == 200
        one = await spent(found) / 5
        await found.admin("POST", "/v1/config", {"budget": {"hard": {"monthly": 38 * one}}})
        clock.set("2026-11-06T00:00:30+00:00")
    for _ in range(2):
        async with town(tmp_path, "", clock) as found:
            shown = await found.admin("GET", "/v1/budget")
            (alert,) = [a for a in shown["alerts"] if a["type"] == "projected"]
            assert "ends on the 9th" in alert["message"]
            assert shown["projection"]["exhaustedAt"].startswith("2026-11-09")
