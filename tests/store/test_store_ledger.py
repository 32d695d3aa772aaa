"""Holds, charges and sums: made once, kept, and right."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from store_kit import NOW, hold, open_store, usage

from freeloader.core.rows import AlertRow
from freeloader.errors import Conflict, NotFound
from freeloader.money import Meters
from freeloader.store import Settled, Store, WindowRow
from freeloader.store.rows import MAX_PICO

HOUR = (NOW - 3600, NOW + 3600)


async def test_a_hold_survives_and_knows_all_it_was_given(store: Store, home: Path) -> None:
    row = hold("1", 77, meters=Meters(requests=1, input=5, output=9), task="coding", family="f")
    await store.ledger.hold([row])
    await store.close()
    again = open_store(home)
    held = await again.ledger.open_holds()
    assert [(h.hold_id, h.amount_pico, h.meters, h.task, h.state) for h in held] == [
        ("h-1", 77, row.meters, "coding", "held")
    ]
    await again.close()


async def test_settling_charges_the_amount_given_and_frees_the_rest(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000)])
    done = await store.ledger.settle("h-1", usage("1", 5), 640, "reported", NOW)
    assert done == Settled("settled", 640)
    assert await store.ledger.spent(*HOUR) == 640
    assert await store.ledger.open_holds() == []
    (row,) = await store.ledger.usage_of("r-1")
    assert (row.cost_pico, row.basis, row.estimated) == (640, "reported", False)


async def test_settling_again_changes_nothing_whatever_it_says(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000)])
    await store.ledger.settle("h-1", usage("1"), 640, "counted", NOW)
    assert await store.ledger.settle("h-1", usage("1"), 900, "hold", NOW) == Settled("already", 640)
    assert await store.ledger.release("h-1", NOW) == Settled("already", 640)
    assert await store.ledger.spent(*HOUR) == 640
    assert (await store.ledger.usage_of("r-1"))[0].estimated is True


async def test_releasing_restores_all_and_only_once(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000)])
    assert await store.ledger.release("h-1", NOW) == Settled("released", 0)
    assert (await store.ledger.release("h-1", NOW)).charged_pico == 0
    assert await store.ledger.open_holds() == []
    assert await store.ledger.spent(*HOUR) == 0


async def test_a_charge_that_comes_after_a_release_is_not_lost(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000)])
    await store.ledger.release("h-1", NOW)
    assert await store.ledger.settle("h-1", usage("1"), 30, "reported", NOW) == Settled("late", 30)
    assert await store.ledger.spent(*HOUR) == 30


async def test_a_settlement_may_pass_its_hold(store: Store) -> None:
    await store.ledger.hold([hold("1", 10)])
    assert (await store.ledger.settle("h-1", usage("1"), 25, "reported", NOW)).charged_pico == 25
    assert await store.ledger.spent(*HOUR) == 25


async def test_a_settlement_without_a_hold_is_recorded_once(store: Store) -> None:
    assert (await store.ledger.settle("h-9", usage("9"), 4, "reported", NOW)).state == "recorded"
    assert (await store.ledger.settle("h-9", usage("9"), 4, "reported", NOW)).state == "already"
    assert await store.ledger.spent(*HOUR) == 4


async def test_several_holds_are_placed_together_or_not_at_all(store: Store) -> None:
    await store.ledger.hold([hold("1")])
    with pytest.raises(Conflict):
        await store.ledger.hold([hold("2"), hold("1"), hold("3")])
    assert [h.hold_id for h in await store.ledger.open_holds()] == ["h-1"]


async def test_boot_charges_in_full_what_the_dead_left_and_shows_it(
    store: Store, home: Path
) -> None:
    await store.ledger.hold([hold("1", 1000), hold("2", 50), hold("3", 7)])
    await store.ledger.settle("h-2", usage("2"), 20, "reported", NOW)
    await store.ledger.release("h-3", NOW)
    first = store.ledger.epoch
    await store.close()
    again = open_store(home)
    assert await again.ledger.boot(NOW + 60) == first + 1
    assert await again.ledger.open_holds() == []
    assert await again.ledger.spent(*HOUR) == 1020
    (lost,) = await again.ledger.expired()
    assert (lost.hold_id, lost.state, lost.charged_pico, lost.epoch) == (
        "h-1",
        "expired",
        1000,
        first,
    )
    (row,) = await again.ledger.usage_of("r-1")
    assert (row.basis, row.outcome, row.estimated, row.at) == ("hold", "lost", True, NOW)
    await again.close()


async def test_a_live_hold_never_expires(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000)])
    assert await store.ledger.settle_dead(NOW + 10 * 86_400) == []
    assert len(await store.ledger.open_holds()) == 1


async def test_what_was_charged_after_a_crash_is_raised_but_never_lowered(store: Store) -> None:
    await store.ledger.hold([hold("1", 1000), hold("2", 1000)])
    await store.ledger.boot(NOW)
    low = await store.ledger.settle("h-1", usage("1"), 300, "reported", NOW)
    high = await store.ledger.settle("h-2", usage("2"), 1300, "reported", NOW)
    again = await store.ledger.settle("h-2", usage("2"), 1300, "reported", NOW)
    assert (low, high, again) == (
        Settled("expired", 1000),
        Settled("expired", 1300),
        Settled("expired", 1300),
    )
    assert await store.ledger.spent(*HOUR) == 2300


async def test_a_request_of_many_attempts_is_counted_once(store: Store) -> None:
    """Whether they are charged together or one by one."""
    rows = [replace(usage(name, 100), request_id="r-1") for name in ("1", "2", "3")]
    store.ledger.record_usage(rows[0])
    store.ledger.record_usage(rows[1])
    await store.ledger.hold([hold("3", 100)])
    await store.ledger.settle("h-3", rows[2], 100, "reported", NOW)
    store.ledger.record_usage(usage("4", 100))
    assert await store.ledger.spent(*HOUR) == 400
    assert await store.ledger.requests_since(*HOUR) == 2
    assert sum(n for _, n in (await store.ledger.sums(NOW, NOW + 86_400)).values()) == 2


async def test_an_adjustment_counts_in_the_period_of_its_charge(store: Store) -> None:
    store.ledger.record_usage(usage("1", 100))
    await store.ledger.adjust("a-1", 40, "the provider's bill", NOW + 86_400)
    await store.ledger.adjust("a-1", -15, "a refund", NOW + 86_400)
    assert await store.ledger.spent(*HOUR) == 125
    assert await store.ledger.spent(NOW + 3600, NOW + 2 * 86_400) == 0
    assert await store.ledger.requests_since(*HOUR) == 1
    with pytest.raises(ValueError, match="does not fit"):
        await store.ledger.adjust("a-1", -126, "too much", NOW)
    with pytest.raises(NotFound):
        await store.ledger.adjust("a-2", 1, "who?", NOW)


async def test_sums_by_period_project_and_key(store: Store) -> None:
    rows = [
        usage("1", 1, at=NOW - 1, project="a", key_id="x"),
        usage("2", 10, at=NOW, project="a", key_id="y"),
        usage("3", 100, at=NOW + 899, project=None, key_id="x"),
        usage("4", 1000, at=NOW + 900, project="b", key_id="x"),
    ]
    for row in rows:
        assert store.ledger.record_usage(row)
    ledger = store.ledger
    assert await ledger.spent(NOW, NOW + 900) == 110
    assert await ledger.spent(NOW - 900, NOW + 1800) == 1111
    assert await ledger.spent(NOW, NOW + 1800, project="a") == 10
    assert await ledger.spent(NOW, NOW + 1800, project="") == 100
    assert await ledger.spent(NOW, NOW + 1800, key="x") == 1100
    assert await ledger.requests_since(NOW, NOW + 900) == 2
    assert await ledger.spent_by_project(NOW - 900, NOW + 1800) == {"a": 11, "": 100, "b": 1000}
    # A bound inside a quarter of an hour is taken outward: never less than was spent.
    assert await ledger.spent(NOW + 450, NOW + 451) == 110
    assert await ledger.sums(NOW, NOW + 1800) == {
        ("a", "y"): (10, 1), ("", "x"): (100, 1), ("b", "x"): (1000, 1),
    }  # fmt: skip


async def test_sums_of_days_are_those_of_quarter_hours(store: Store) -> None:
    """A month in any time zone: whole UTC days and what is left over on either side."""
    quarters = range(0, 40 * 96, 13)
    for n in quarters:
        store.ledger.record_usage(usage(str(n), n + 1, at=NOW + n * 900.0, project=f"p{n % 3}"))
    await store.ledger.adjust("a-13", -5, "less", NOW)
    for since, until in [(0, 40), (0.25, 31.3), (3, 3.5), (7.7, 8.2), (2, 2), (1.99, 39.01)]:
        begin, end = NOW + since * 86_400, NOW + until * 86_400
        found = await store.ledger.sums(begin, end)
        assert sum(spent for spent, _ in found.values()) == await store.ledger.spent(begin, end)
        count = await store.ledger.requests_since(begin, end)
        assert sum(requests for _, requests in found.values()) == count
        p1 = await store.ledger.spent(begin, end, project="p1")
        assert sum(spent for (name, _), (spent, _) in found.items() if name == "p1") == p1


async def test_sums_do_not_overflow_where_rows_do_not(store: Store) -> None:
    for n in range(12):
        store.ledger.record_usage(usage(str(n), MAX_PICO - 1, at=NOW + n * 900))
    assert await store.ledger.spent(NOW, NOW + 86_400) == 12 * (MAX_PICO - 1)
    sums = await store.ledger.sums(NOW, NOW + 86_400)
    assert [spent for spent, _ in sums.values()] == [12 * (MAX_PICO - 1)]


@pytest.mark.parametrize("amount", [-1, MAX_PICO + 1, 1.5, True])
async def test_amounts_out_of_bounds_are_refused(store: Store, amount: int) -> None:
    with pytest.raises(ValueError, match="picodollars"):
        hold("1", amount)
    with pytest.raises(ValueError, match="picodollars"):
        usage("1", amount)
    with pytest.raises(ValueError, match="picodollars"):
        await store.ledger.settle("h-1", usage("1"), amount, "reported", NOW)
    with pytest.raises(ValueError, match="meter input"):
        usage("1", meters=Meters(input=-1))


async def test_usage_recorded_twice_counts_once(store: Store) -> None:
    store.ledger.record_usage(usage("1", 5))
    store.ledger.record_usage(usage("1", 5))
    assert await store.ledger.spent(*HOUR) == 5
    assert await store.ledger.requests_since(*HOUR) == 1


async def test_a_hold_needs_a_boot(home: Path) -> None:
    unbooted = open_store(home)
    with pytest.raises(RuntimeError, match="not booted"):
        await unbooted.ledger.hold([hold("1")])
    await unbooted.close()


async def test_windows_are_written_over_loaded_and_dropped(store: Store) -> None:
    ledger = store.ledger
    first = WindowRow("groq@1|tokens|1d", {"used": 5}, NOW, provider="groq")
    key = WindowRow("key:k|requests|1m", {"used": 1}, NOW, expires_at=NOW + 60)
    await ledger.save_windows([first, key], durable=True)
    second = WindowRow(first.key, {"used": 9, "resetsAt": None}, NOW + 1, provider="groq")
    await ledger.save_windows([second])
    assert await ledger.load_windows() == [second, key]
    assert await ledger.drop_expired_windows(NOW + 59) == 0
    assert await ledger.drop_expired_windows(NOW + 60) == 1
    assert await ledger.load_windows() == [second]


async def test_windows_that_are_saved_behind_wait_no_longer_for_others(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.ledger._file.writer, "_linger_s", 3600.0)
    await store.ledger.save_windows([WindowRow("groq@1|tokens|1d", {"used": 5}, NOW)])
    with closing(sqlite3.connect(home / "freeloader.db")) as seen:
        async with asyncio.timeout(10):
            while not seen.execute("SELECT 1 FROM quota_windows").fetchall():
                await asyncio.sleep(0.001)


async def test_what_a_crash_left_is_in_the_audit(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("1", 10**12), hold("2", 10**12)])
    await store.ledger.release("h-2", NOW)
    await store.close()
    store = open_store(home)
    await store.ledger.boot(NOW + 5)
    (line,) = await store.ledger.audits()
    assert (line.who, line.what, line.at) == ("daemon", "ledger.recover", NOW + 5)
    assert line.detail == {"holds": 1, "chargedUsd": 1.0, "decisions": ["r-1"]}
    await store.ledger.boot(NOW + 9)
    assert len(await store.ledger.audits()) == 1, "nothing was open"
    await store.close()


async def test_alerts_are_kept_once_and_spending_is_read_by_quarter_hours(store: Store) -> None:
    ledger = store.ledger
    row = AlertRow(NOW, "near_limit", "global", "daily x", "80 %", {"until": NOW + 9, "limit": 5})
    assert ledger.note_alert(row)
    await ledger.put_alert(replace(row, at=NOW + 60, message="again"))
    await ledger.put_alert(replace(row, at=NOW + 60, period="daily y"))
    kept = await ledger.load_alerts(NOW)
    assert [(a.at, a.period, a.message) for a in kept] == [
        (NOW, "daily x", "80 %"),
        (NOW + 60, "daily y", "80 %"),
    ]
    assert kept[0] == row
    assert await ledger.load_alerts(NOW + 1) == kept[1:]
    ledger.record_usage(usage("1", 7, at=NOW))
    ledger.record_usage(usage("2", 5, at=NOW + 899))
    ledger.record_usage(usage("3", 3, at=NOW + 900, project="other"))
    await ledger.put_alert(replace(row, period="z"))  # after what waits
    slot = int(NOW // 900)
    assert await ledger.spent_by_slot(NOW, NOW + 1800) == {slot: 12, slot + 1: 3}
