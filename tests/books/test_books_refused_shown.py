"""While a refusal lasts it is shown beside the windows, also where no window tells of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened

from freeloader.books.books import Books
from freeloader.cli.windows import show
from freeloader.clock import iso
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Limit
from freeloader.core.outcome import Outcome

RULES = BudgetRules()
ONE = Limit("concurrency", 1, "once", "unknown", "account")
MINUTE = Limit("requests", 5, "1m", "rolling", "model")
SESSION = Outcome("spent", "429", window="5h", metric="units", scope="account")
FULL = Outcome("slow_down", "429", window="1m", metric="requests")


def left(books: Books, clock: FakeClock) -> list[tuple[object, ...]]:
    rows = books.windows_view(clock.now())
    return [(row["window"], row["remaining"], row["refusedUntil"]) for row in rows]


@pytest.mark.parametrize(
    ("limits", "outcome", "before", "meanwhile"),
    [
        ((ONE,), SESSION, [("once", 1)], [(None, 0), ("once", 1)]),
        ((), SESSION, [(None, None)], [(None, 0)]),
        ((MINUTE,), FULL, [("1m", 5)], [("1m", 0)]),
        ((MINUTE,), replace(FULL, metric="tokens"), [("1m", 5)], [(None, 0), ("1m", 5)]),
    ],
)
async def test_what_is_refused_is_not_shown_as_left(
    limits: tuple[Limit, ...],
    outcome: Outcome,
    before: list[tuple[object, object]],
    meanwhile: list[tuple[object, object]],
) -> None:
    found, clock = deployment(limits=limits), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    books.record(found, replace(outcome, until=clock.wall + 40), 5.0, None, 0, clock.now(), TOKENS)
    until = iso(clock.wall + 40)
    assert left(books, clock) == [(w, n, None if n else until) for w, n in meanwhile]
    clock.go(41)
    assert left(books, clock) == [(w, n, None) for w, n in before]


def test_a_refusal_without_a_window_is_shown_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"provider": "p", "account": 1, "limit": None, "reset": "unknown", "remaining": 0,
           "refusedUntil": iso(7200.0), "confidence": "high", "source": "its refusal"}  # fmt: skip
    show([row], 0.0)
    shown = capsys.readouterr().out
    for words in ("limits unknown", "all", "2 h", "empty", "its refusal"):
        assert words in shown
