"""Sums agree with single rows whatever was charged, adjusted, trimmed and upgraded."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import NOW, hold, open_store, usage

from freeloader.money import Meters
from freeloader.store import Store, opening
from freeloader.store.charging import charges
from freeloader.store.reports import sql
from freeloader.store.reports.spans import DAY_S, date, parts
from freeloader.store.reports.sums import bucket, middle
from freeloader.store.rows import UsageRow
from freeloader.store.schema import LEDGER

DAY = NOW // DAY_S * DAY_S
WHOLE = ("provider", "model", "project", "task")


async def totals(store: Store, since: float, until: float, **only: str) -> tuple[int, ...]:
    found = await store.reports.tally(since, until, (), **only)
    tally = found.get(())
    if tally is None:
        return (0, 0, 0, 0)
    return (tally.asked, tally.attempts, tally.cost_pico, tally.premium_pico)


async def test_requests_are_counted_once_and_compared_once(store: Store) -> None:
    store.ledger.record_usage(usage("1", 10, outcome="overloaded"))
    for n in (2, 3):
        row = replace(usage(str(n), 5, premium_pico=100), request_id="r-1")
        store.ledger.record_usage(row)
    store.ledger.record_usage(usage("4", 1, premium_pico=40))
    assert await totals(store, NOW, NOW + 1) == (2, 4, 21, 140)
    assert await totals(store, DAY, DAY + DAY_S) == (2, 4, 21, 140)


async def test_an_adjustment_is_in_the_sums_of_its_day(store: Store) -> None:
    early = DAY - 3 * DAY_S + 100
    store.ledger.record_usage(usage("1", 50, at=early))
    await store.ledger.adjust("a-1", -20, "the bill said so", NOW)
    assert (await totals(store, DAY - 3 * DAY_S, DAY))[2] == 30
    assert (await totals(store, early, early + 1))[2] == 30
    assert (await totals(store, DAY, NOW + 1))[2] == 0


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5 * 24 * 4), st.integers(0, 10**7), st.integers(0, 2)),
        max_size=25,
    ),
    since=st.integers(0, 100),
    until=st.integers(101, 5 * 24),
)
@settings(max_examples=15, deadline=None)
async def test_any_stretch_is_the_sum_of_its_rows(
    rows: list[tuple[int, int, int]], since: int, until: int, empty_home: Path
) -> None:
    import shutil

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(empty_home, home)
        store = open_store(home)
        begin = DAY - 5 * DAY_S
        for n, (quarter, cost, project) in enumerate(rows):
            at, name = begin + quarter * 900, f"p{project}"
            store.ledger.record_usage(usage(str(n), cost, at=at, project=name, premium_pico=cost))
        start, stop = begin + since * 3600, begin + until * 3600
        wanted = [row for row in rows if start <= begin + row[0] * 900 < stop]
        cost = sum(row[1] for row in wanted)
        assert await totals(store, start, stop) == (len(wanted), len(wanted), cost, cost)
        for by in sql.TALLIES:
            found = await store.reports.tally(start, stop, by)
            assert sum(tally.cost_pico for tally in found.values()) == cost, by
        mine = sum(row[1] for row in wanted if row[2] == 1)
        assert (await totals(store, start, stop, project="p1"))[2] == mine
        await store.close()


async def test_days_stay_when_their_rows_go(store: Store) -> None:
    for n in range(20):
        at = DAY - 10 * DAY_S + n * DAY_S / 2 + 60
        store.ledger.record_usage(usage(str(n), 1, at=at, latency_ms=100.0))
    whole = await totals(store, DAY - 10 * DAY_S, DAY)
    await store.ledger.trim(DAY - 5 * DAY_S + 7200, pause_s=0)
    assert await totals(store, DAY - 10 * DAY_S, DAY) == whole
    # The rows of a part of a day are gone: the day is taken whole, never as nothing.
    assert (await totals(store, DAY - 8 * DAY_S + 5, DAY - 7 * DAY_S))[1] == 2
    assert (await totals(store, DAY - 5 * DAY_S, DAY - 4 * DAY_S))[1] == 2
    assert (await totals(store, DAY - 4 * DAY_S + 50_000, DAY - 3 * DAY_S))[1] == 0


async def test_hours_are_right_when_their_rows_are_gone_and_their_own_sums_too(
    store: Store,
) -> None:
    """Hours of the last days have sums; what is older comes from rows as long as they stay."""
    for n in range(0, 8 * 24, 3):
        at = NOW - n * 3600 - 60
        store.ledger.record_usage(usage(str(n), 1, at=at, latency_ms=100.0))
    before = {by: await store.reports.tally(NOW - 7 * DAY_S, NOW, by) for by in sql.TALLIES}
    assert len(before["hour",]) == 7 * 8
    await store.ledger.trim(0.0, pause_s=0)  # of hours alone
    for by, found in before.items():
        assert await store.reports.tally(NOW - 7 * DAY_S, NOW, by) == found, by
    await store.ledger.trim(NOW, pause_s=0)  # all single rows
    last = await store.reports.tally(NOW - DAY_S, NOW, ("hour",))
    assert sum(one.cost_pico for one in last.values()) == 8
    assert len(await store.reports.latencies(NOW - DAY_S, NOW, hours=True)) == 8


async def test_what_is_not_over_yet_is_what_was_until_now(store: Store) -> None:
    """Today and this hour are read from their sums where nothing later is there."""
    store.ledger.record_usage(usage("1", 10, at=NOW - 100))
    assert (await totals(store, DAY, NOW))[2] == 10
    store.ledger.record_usage(usage("2", 5, at=NOW + 600))  # a clock was ahead
    assert (await totals(store, DAY, NOW))[2] == 10
    assert (await totals(store, DAY, NOW + 601))[2] == 15


async def test_latencies_are_right_to_a_twentieth(store: Store) -> None:
    for n in range(1, 101):
        store.ledger.record_usage(usage(str(n), latency_ms=10.0 * n))
    store.ledger.record_usage(usage("bad", latency_ms=60_000.0, outcome="timeout"))
    for hours in (True, False):
        ((_, (p50, p95)),) = (await store.reports.latencies(DAY, NOW + 1, hours=hours)).items()
        assert p50 == pytest.approx(500, rel=0.06)
        assert p95 == pytest.approx(950, rel=0.06)


@given(st.floats(1.0, 10**6))
def test_a_bucket_is_near_what_is_in_it(ms: float) -> None:
    assert middle(bucket(ms)) == pytest.approx(ms, rel=0.05)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_parts_tile_the_stretch(since: int, length: int, trimmed: int) -> None:
    start, stop = since * 3600.0, (since + length) * 3600.0
    cut = parts(start, stop, 0.0)
    covered = sum(b - a for a, b in cut.rows)
    if cut.days:
        first, last = (int(d[8:]) for d in cut.days)
        if cut.days[0][:7] == cut.days[1][:7]:
            covered += (last - first) * DAY_S
            assert covered == stop - start
    widened = parts(start, stop, trimmed * 3600.0)
    for a, _ in widened.rows:
        assert a >= trimmed * 3600.0
    assert date(0.0) == "1970-01-01"


async def test_an_older_ledger_gets_its_sums_when_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "freeloader.db"
    opening.prepare(path, replace(LEDGER, migrations=LEDGER.migrations[:2]))
    conn = sqlite3.connect(path)
    columns = [row[1] for row in conn.execute("PRAGMA table_info(usage)")]
    for n, (request, day) in enumerate([("r1", 0), ("r1", 0), ("r2", 0), ("r3", 3)]):
        row = dict.fromkeys(columns, "")
        row |= {"id": n + 1, "attempt_id": f"a{n}", "request_id": request, "account": 1,
                "at": DAY - day * DAY_S + 5, "cost_pico": 10, "premium_pico": None,
                "latency_ms": 250.0, "first_ms": None, "outcome": "ok", "estimated": 0,
                "project": "p", "model": "m", "provider": "groq"}  # fmt: skip
        for meter in ("requests", "input", "cache_read", "cache_write", "output", "images",
                      "seconds", "units", "usd"):  # fmt: skip
            row[meter] = 1
        names, marks = ", ".join(columns), ", ".join(f":{c}" for c in columns)
        conn.execute(f"INSERT INTO usage({names}) VALUES ({marks})", row)
    conn.execute(
        "INSERT INTO usage_daily VALUES ('2026-01-01','groq',1,'m','','p','','','ok',"
        "4,0,4,4,0,0,4,0,0,0,0,40,0,9.0)"
    )
    conn.commit()
    conn.close()
    (tmp_path / "journal.db").unlink(missing_ok=True)
    store = open_store(tmp_path)
    assert await totals(store, DAY, DAY + DAY_S) == (2, 3, 30, 0)
    assert await totals(store, 0.0, NOW + 1) == (7, 8, 80, 0)
    assert list(await store.reports.latencies(DAY, NOW, hours=False)) == [date(DAY)]
    hours = await store.reports.tally(DAY, NOW, ("hour",))
    assert {at: tally.attempts for (at,), tally in hours.items()} == {f"{date(DAY)}T00:00:00Z": 3}
    assert list(await store.reports.latencies(DAY, NOW, hours=True)) == [f"{date(DAY)}T00:00:00Z"]
    # Again charged and settled as ever.
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("x", 9)])
    await store.ledger.settle("h-x", usage("x", meters=Meters(requests=1)), 7, "reported", NOW)
    assert (await totals(store, DAY, DAY + DAY_S))[2] == 37
    await store.close()


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 4),
            st.integers(0, 10**18),
            st.none() | st.integers(0, 10**18),
            st.booleans(),
        ),
        max_size=12,
    )
)
@settings(max_examples=25, deadline=None)
def test_charges_of_a_batch_come_to_the_same_as_one_by_one(
    rows: list[tuple[int, int, int, int | None, bool]],
) -> None:
    """Twice the same attempt, several of a request, amounts up to what a row may hold."""
    charged = [
        replace(
            usage(str(name), cost, at=NOW + 3000.0 * slot, premium_pico=premium, unpriced=unpriced),
            request_id=f"r-{slot}",
        )
        for slot, name, cost, premium, unpriced in rows
    ]

    def one_by_one(conn: sqlite3.Connection, rows: list[UsageRow]) -> None:
        for row in rows:
            charges.record(conn, row)

    assert _ledger_after(one_by_one, charged) == _ledger_after(charges.record_all, charged)


def _ledger_after(
    write: Callable[[sqlite3.Connection, list[UsageRow]], None], rows: list[UsageRow]
):
    """All rows of the tables that a charge touches, in a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        opening.prepare(path, LEDGER)
        conn = opening.connect(path, LEDGER, writable=True)
        # In pieces: a sum of a batch beyond 64 bits is written row by row by the writer.
        for start in range(0, len(rows), 4):
            write(conn, rows[start : start + 4])
        names = ("usage", "usage_daily", "usage_hourly", "budget_tracking", "budget_daily",
                 "latency_daily", "latency_hourly")  # fmt: skip
        found = {
            name: sorted(tuple(row) for row in conn.execute(f"SELECT * FROM {name}"))
            for name in names
        }
        # Parts of an amount may be carried over earlier or later.
        found["budget_daily"] = [
            (*key, micro * 10**6 + pico, count)
            for *key, micro, pico, count in found["budget_daily"]
        ]
        conn.close()
        return found
