"""An export has every request once, whole or by the ledger alone, in pieces of bounded size."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from store_kit import NOW, usage

from freeloader.manage.reports import rows
from freeloader.money import Meters
from freeloader.store import DecisionRow, Store
from freeloader.store.reports import export


async def everything(store: Store, project: str | None = None) -> list[dict[str, object]]:
    pieces = store.exporter.pieces(NOW, NOW + 1000, project)
    return [rows.flat(one) async for piece in pieces for one in piece]


def ask(store: Store, n: int, **more: object) -> None:
    meters = Meters(requests=1, input=10, cache_read=5, output=3)
    store.ledger.record_usage(
        replace(usage(f"{n}", 7, at=NOW + n, premium_pico=70, meters=meters), request_id=f"d{n}")
    )
    if n % 4:
        store.journal.decision(
            DecisionRow(
                f"d{n}", f"r{n}", NOW + n, project="p", detail={"routing": {"n": n}}, **more
            )
        )


async def test_every_request_is_there_once_whatever_the_journal_knows(
    store: Store, monkeypatch
) -> None:
    monkeypatch.setattr(export, "PIECE", 7)
    for n in range(40):
        ask(store, n)
    store.journal.decision(DecisionRow("d-refused", "r", NOW + 3, outcome="budget_exceeded"))
    await store.ledger.adjust("a-3", -2, "the bill", NOW)
    found = {row["id"]: row for row in await everything(store)}
    assert len(found) == 41 == len(await everything(store))
    assert found["d3"]["costPico"] == 5
    assert found["d3"]["routing"] == {"routing": {"n": 3}}
    assert (found["d4"]["reason"], found["d4"]["costPico"]) == ("not in the journal", 7)
    assert found["d4"]["model"] == "groq/m"
    assert (found["d5"]["tokensIn"], found["d5"]["tokensOut"]) == (15, 3)
    assert (found["d-refused"]["costPico"], found["d-refused"]["project"]) == (0, None)
    assert await store.exporter.count(NOW, NOW + 1000, None) == 40
    assert len(await everything(store, "p")) == 40
    assert await everything(store, "q") == []
    # The very same moment is not lost between two pieces.
    assert sum(row["costPico"] for row in found.values()) == 40 * 7 - 2


async def test_without_a_journal_the_money_is_still_there(store: Store) -> None:
    for n in range(9):
        ask(store, n)
    await store.ledger.spent(NOW, NOW + 900)
    store.journal._file._unusable = "journal.db is damaged"
    found = await everything(store)
    assert [row["costPico"] for row in found] == [7] * 9
    assert await store.exporter.count(NOW, NOW + 1000, None) == 9


async def test_texts_are_in_it_where_they_were_kept(store: Store) -> None:
    ask(store, 1)
    store.journal.texts("d1", NOW, lambda: ('=HYPERLINK("x")', 'line\nline, "two"'))
    found = await everything(store)
    assert found[0]["prompt"] == '=HYPERLINK("x")'
    assert [json.loads(line) for line in rows.as_jsonl(found).splitlines()] == found
    text = (rows.as_csv((), head=True) + rows.as_csv(found, head=False)).decode()
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert table[0]["prompt"] == '\'=HYPERLINK("x")'
    assert table[0]["response"] == 'line\nline, "two"'
    assert json.loads(table[0]["routing"]) == {"routing": {"n": 1}}
    assert list(table[0]) == list(rows.COLUMNS)


async def test_kept_texts_come_in_pieces_of_bounded_size(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(export, "TEXT_BYTES_MAX", 1000)
    for n in range(12):
        ask(store, 4 * n + 1)
        store.journal.texts(f"d{4 * n + 1}", NOW, lambda: ("x" * 300, "y" * 100))
    pieces = [piece async for piece in store.exporter.pieces(NOW, NOW + 1000, None)]
    assert [len(piece) for piece in pieces] == [2] * 6
    assert {len(one["decision"]["prompt"]) for piece in pieces for one in piece} == {300}
