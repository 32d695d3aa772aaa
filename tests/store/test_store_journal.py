"""The journal: what was decided and tried, found again, bounded, trimmed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_kit import NOW

from freeloader.money import Meters
from freeloader.store import AttemptRow, DecisionRow, Store
from freeloader.store.journal import DETAIL_BYTES_MAX, bounded_json


def decision(n: int, **more: object) -> DecisionRow:
    return DecisionRow(f"d{n}", f"r{n}", NOW + n, **more)


def attempt(n: int, number: int, outcome: str = "ok", **more: object) -> AttemptRow:
    return AttemptRow(
        f"a{n}.{number}", f"d{n}", f"r{n}", number, NOW + n, "groq@1/m", outcome, **more
    )


async def test_a_decision_is_found_at_once_with_its_attempts_in_order(store: Store) -> None:
    store.journal.attempt(attempt(1, 2, meters=Meters(input=3), detail={"phase": "stream"}))
    store.journal.attempt(attempt(1, 1, "overloaded", status=503))
    store.journal.attempt(attempt(2, 1))
    store.journal.decision(decision(1, provider="groq", detail={"terms": [1, 2]}))
    found = await store.journal.get("d1")
    assert found is not None
    assert (found["provider"], found["detail"], found["at"]) == ("groq", {"terms": [1, 2]}, NOW + 1)
    assert [(a["number"], a["outcome"], a["status"]) for a in found["attempts"]] == [
        (1, "overloaded", 503),
        (2, "ok", None),
    ]
    assert found["attempts"][1]["meters"] == {"input": 3}
    assert await store.journal.get("d9") is None


async def test_what_is_known_later_stands(store: Store) -> None:
    store.journal.decision(decision(1))
    store.journal.attempt(attempt(1, 1, "pending"))
    store.journal.decision(decision(1, outcome="ok", attempts=1, cost_pico=7))
    store.journal.attempt(attempt(1, 1, "ok", latency_ms=12.5))
    found = await store.journal.get("d1")
    assert found is not None
    assert (found["outcome"], found["cost_pico"]) == ("ok", 7)
    assert [(a["outcome"], a["latency_ms"]) for a in found["attempts"]] == [("ok", 12.5)]


async def test_lists_are_newest_first_and_filtered(store: Store) -> None:
    for n in range(6):
        project, outcome = ("a" if n % 2 else None), ("ok" if n < 4 else "failed")
        store.journal.decision(decision(n, project=project, outcome=outcome))

    async def ids(**options: object) -> list[str]:
        return [row["id"] for row in await store.journal.decisions(**options)]

    assert await ids() == ["d5", "d4", "d3", "d2", "d1", "d0"]
    assert await ids(limit=2) == ["d5", "d4"]
    assert await ids(before=NOW + 2) == ["d1", "d0"]
    assert await ids(since=NOW + 4) == ["d5", "d4"]
    assert await ids(project="a") == ["d5", "d3", "d1"]
    assert await ids(project="a", before=NOW + 3, outcome="ok") == ["d1"]
    assert await ids(project="' OR 1=1 --") == []
    assert "detail" not in (await store.journal.decisions(limit=1))[0]


async def test_texts_are_kept_only_where_given(store: Store) -> None:
    store.journal.decision(decision(1))
    assert "prompt" not in (await store.journal.get("d1") or {})
    store.journal.texts("d1", NOW, lambda: ("hello", None))
    store.journal.texts("d1", NOW, lambda: (None, "hi"))
    found = await store.journal.get("d1")
    assert found is not None
    assert (found["prompt"], found["response"]) == ("hello", "hi")


async def test_old_and_surplus_decisions_go_with_all_that_is_theirs(store: Store) -> None:
    for n in range(10):
        store.journal.decision(decision(n))
        store.journal.attempt(attempt(n, 1))
        store.journal.texts(f"d{n}", NOW + n, lambda: ("x", None))
    assert await store.journal.trim(NOW + 3, slice_rows=2, pause_s=0) == 9
    assert [d["id"] for d in await store.journal.decisions()][-1] == "d3"
    assert await store.journal.trim(NOW, max_rows=2, slice_rows=100, pause_s=0) == 15
    assert [d["id"] for d in await store.journal.decisions()] == ["d9", "d8"]
    left = await store.journal.get("d9")
    assert left is not None
    assert (len(left["attempts"]), left["prompt"]) == (1, "x")


@given(st.dictionaries(st.text(max_size=30), st.text(max_size=6000), max_size=12))
def test_detail_is_json_and_never_larger_than_its_bound(detail: dict[str, str]) -> None:
    text = bounded_json(detail)
    kept = json.loads(text)
    assert len(text.encode()) <= DETAIL_BYTES_MAX
    if set(kept) == set(detail):
        assert kept == detail
    else:
        assert "dropped" in kept


@pytest.mark.parametrize("size", [100, 100_000])
async def test_a_large_part_goes_and_is_named(store: Store, size: int) -> None:
    store.journal.decision(decision(1, detail={"why": "x" * size, "n": 5}))
    found = await store.journal.get("d1")
    assert found is not None
    assert found["detail"]["n"] == 5
    assert found["detail"].get("dropped") == (["why"] if size > DETAIL_BYTES_MAX else None)


async def test_saved_texts_are_bounded_and_the_oldest_go(store: Store) -> None:
    store.journal.saved_bytes_max = 20_000
    for n in range(100):
        store.journal.decision(decision(n))
        store.journal.texts(f"d{n}", NOW + n, lambda: ("ä" * 250, "b" * 500))
    kept = [n for n in range(100) if "prompt" in (await store.journal.get(f"d{n}") or {})]
    assert kept == list(range(100 - len(kept), 100))
    assert 15 <= len(kept) <= 22


async def test_a_file_that_is_too_large_loses_its_oldest_rows(store: Store) -> None:
    for n in range(300):
        store.journal.decision(decision(n, detail={"why": "x" * 3000}))
    gone = await store.journal.trim(0.0, None, 400_000, slice_rows=100, pause_s=0)
    left = [d["id"] for d in await store.journal.decisions(limit=500)]
    assert len(left) == 300 - gone
    assert left[0] == "d299"
    assert 60 <= len(left) <= 130
    # Freed pages do not count: what the next runs find is the share of the tables themselves.
    for _ in range(5):
        gone = await store.journal.trim(0.0, None, 400_000, slice_rows=100, pause_s=0)
    assert gone == 0


async def test_pages_of_decisions_miss_none_that_were_made_at_once(store: Store) -> None:
    for n in range(7):
        store.journal.decision(
            DecisionRow(f"d{n}", f"r{n}", NOW, model="groq/m", key_id=f"k{n % 2}")
        )
    found: list[str] = []
    page = await store.journal.decisions(limit=3)
    while page:
        found += [row["id"] for row in page]
        page = await store.journal.decisions(limit=3, before=NOW, before_id=found[-1])
    assert found == [f"d{n}" for n in reversed(range(7))]
    assert await store.journal.when("d3") == NOW
    assert await store.journal.when("none") is None
    assert len(await store.journal.decisions(model="m", key_id="k1")) == 3
    assert len(await store.journal.decisions(model="groq/m")) == 7
    assert await store.journal.decisions(model="oq/m") == []
    assert await store.journal.decisions(until=NOW) == []
