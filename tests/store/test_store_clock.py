"""Sums go by the moment of a charge: whatever the clock does, no period is new twice or skipped."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import NOW, open_store, usage

from freeloader.core.periods import period

#: Half-hour daylight saving, quarter-hour offsets, skipped and doubled midnights.
ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Chatham", "America/Santiago", "Asia/Beirut", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
#: Where clocks change, leap days, month ends: as good a place to charge as any.
EDGES = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    for text in (
        "2026-03-08T07:00", "2026-03-29T01:00", "2026-04-04T15:00", "2026-10-25T01:00",
        "2026-11-01T06:00", "2028-02-29T00:00", "2028-03-01T00:00", "2026-12-31T23:59",
        "2026-09-06T04:00", "2026-03-28T22:00",
    )
)  # fmt: skip

moments = st.one_of(
    st.builds(lambda edge, off: edge + off, st.sampled_from(EDGES), st.integers(-90_000, 90_000)),
    st.floats(NOW - 400 * 86_400, NOW + 400 * 86_400),
)


@given(
    charges=st.lists(st.tuples(moments, st.integers(1, 1000)), min_size=1, max_size=12),
    walk=st.lists(moments, min_size=1, max_size=12),
    zone=st.sampled_from(ZONES),
)
@settings(max_examples=20, deadline=None)
async def test_every_period_has_its_own_charges_wherever_the_clock_walks(
    charges: list[tuple[float, int]], walk: list[float], zone: str, empty_home: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        shutil.copytree(empty_home, home)
        store = open_store(home)
        for n, (at, cost) in enumerate(charges):
            store.ledger.record_usage(usage(str(n), cost, at=at))
        # Back and forth, over days and months: the same question has the same answer.
        for now in (*walk, *reversed(walk), *(at for at, _ in charges)):
            for window in ("1d", "month"):
                span = period(window, zone, now)
                assert span.start % 900 == span.end % 900 == 0
                wanted = sum(cost for at, cost in charges if span.start <= at < span.end)
                assert await store.ledger.spent(span.start, span.end) == wanted
        await store.close()


@pytest.mark.parametrize("zone", ZONES)
def test_periods_are_whole_slots_all_year(zone: str) -> None:
    at = NOW - 400 * 86_400
    while at < NOW + 400 * 86_400:
        span = period("1d", zone, at)
        assert span.start % 900 == 0
        assert at < span.end
        at = span.end
