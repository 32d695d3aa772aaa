"""R14: books and the real ledger against a plain model, over crashes, periods and corrections.

The model is three dictionaries and the calendar of the standard library. Whatever the
order: what the books show is what the model counts, no admitted hold passes a hard limit,
and nothing is lost or counted twice by a crash.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fake_ledger import NOON, FakeClock, deployment
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Policy, Verdict
from freeloader.money import Meters, Price, usd_from_pico
from freeloader.store import Store

#: One picodollar a token, in and out, so that tokens are money.
PAID = deployment(tier="paid", price=Price(1, 1))
FREE = deployment("f", price=Price(1, 1))
#: The clocks of the first two go back within reach of the machine's time.
ZONES = st.sampled_from(["America/Los_Angeles", "Europe/London", "Asia/Kolkata", "UTC"])
HOURS = st.sampled_from([-30, -25, -24, -1, 1, 12, 24, 25, 24 * 31])


@dataclass
class Entry:
    """One attempt in the model. ``amount``: held while ``open``, else charged."""

    amount: int
    at: float
    project: str
    open: bool
    hold: Hold | None = None


def spans(at: float, zone: str) -> tuple[str, str]:
    moment = datetime.fromtimestamp(at, ZoneInfo(zone))
    return f"{moment:%Y-%m-%d}", f"{moment:%Y-%m}"


class BooksAndLedger(RuleBasedStateMachine):
    holds = Bundle("holds")
    charged = Bundle("charged")

    @initialize(daily=st.none() | st.integers(50, 300), monthly=st.none() | st.integers(100, 900),
                project=st.none() | st.integers(20, 200), zone=ZONES)  # fmt: skip
    def begin(self, daily: int | None, monthly: int | None, project: int | None, zone: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.home = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.rules = BudgetRules(daily, monthly, allocations={"a": (project, None)}, timezone=zone)
        self.entries: dict[str, Entry] = {}
        self.count = 0
        self.open()

    def open(self) -> None:
        self.store = Store.open(self.home / "l.db", self.home / "j.db", self.clock)
        self.books = Books(self.store.ledger, self.clock, self.rules)
        self.run(self.store.ledger.boot(self.clock.wall))
        self.run(self.books.load())
        self.books.set_deployments((PAID, FREE))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
            self.loop.close()
            shutil.rmtree(self.home)

    # ── the model ────────────────────────────────────────────────────────────

    def sums(self, kind: int, project: str | None = None) -> tuple[int, int]:
        """(spent, held) of the present day (0) or month (1)."""
        zone = self.rules.timezone
        now = spans(self.clock.wall, zone)[kind]
        mine = [e for e in self.entries.values()
                if spans(e.at, zone)[kind] == now and project in (None, e.project)]  # fmt: skip
        return sum(e.amount for e in mine if not e.open), sum(e.amount for e in mine if e.open)

    def allowed(self, cost: int, project: str) -> bool:
        limits = [(0, None, self.rules.hard_daily), (1, None, self.rules.hard_monthly)]
        limits += [(0, "a", self.rules.allocations["a"][0])] if project == "a" else []
        return all(
            limit is None or sum(self.sums(kind, whose)) + cost <= limit
            for kind, whose, limit in limits
        )

    # ── what happens ─────────────────────────────────────────────────────────

    @rule(target=holds, tokens=st.integers(1, 80), project=st.sampled_from(["a", "b"]))
    def reserve(self, tokens: int, project: str) -> Any:
        self.count += 1
        name = f"t{self.count}"
        allowed = self.allowed(tokens, project)
        got = self.run(
            self.books.reserve(
                name, name, PAID, Meters(1, tokens), project, "k", Policy(), self.clock.now()
            )
        )
        assert isinstance(got, Hold) == allowed, got
        if isinstance(got, Verdict):
            assert got.code in ("budget_busy", "budget_exceeded")
            return multiple()
        self.entries[name] = Entry(tokens, self.clock.wall, project, True, got)
        return name

    @rule(tokens=st.integers(1, 10**6))
    def what_is_free_goes_on(self, tokens: int) -> None:
        self.count += 1
        name = f"f{self.count}"
        got = self.run(
            self.books.reserve(
                name, name, FREE, Meters(1, tokens), "a", "k", Policy(), self.clock.now()
            )
        )
        assert isinstance(got, Hold)
        self.run(self.books.release(got, self.clock.now()))

    @rule(target=charged, name=consumes(holds), used=st.integers(0, 120), twice=st.booleans(),
          basis=st.sampled_from(["reported", "counted", "hold"]))  # fmt: skip
    def settle(self, name: str, used: int, twice: bool, basis: str) -> Any:
        entry = self.entries[name]
        if entry.hold is None:
            return name  # a crash has charged it
        expected = {"reported": used, "counted": min(used, entry.amount), "hold": entry.amount}
        for _ in range(1 + twice):
            done = self.run(self.books.settle(entry.hold, Meters(1, used), basis, self.clock.now()))
            assert done.cost == expected[basis]
        self.entries[name] = replace(entry, amount=expected[basis], open=False, hold=None)
        return name

    @rule(name=consumes(holds), twice=st.booleans())
    def release(self, name: str, twice: bool) -> None:
        entry = self.entries[name]
        if entry.hold is None:
            return
        for _ in range(1 + twice):
            self.run(self.books.release(entry.hold, self.clock.now()))
        del self.entries[name]

    @rule(name=charged, more=st.integers(1, 40))
    def correct(self, name: str, more: int) -> None:
        """Later knowledge is an entry of its own; the books read it at the next start."""
        self.run(self.store.ledger.adjust(name, more, "a bill", self.clock.wall))
        self.entries[name].amount += more
        self.restart()

    @rule()
    def restart(self) -> None:
        """As after a kill: what was held is charged in full, what was charged stays."""
        self.run(self.store.close())
        self.open()
        for name, entry in self.entries.items():
            self.entries[name] = replace(entry, open=False, hold=None)

    @rule(hours=HOURS)
    def time_goes(self, hours: int) -> None:
        self.clock.wall = max(NOON - 40 * 86_400, self.clock.wall + hours * 3600)
        self.clock.mono += abs(hours) * 3600
        self.run(self.books.flush_dirty())

    @rule(daily=st.none() | st.integers(1, 300))
    def limits_change(self, daily: int | None) -> None:
        self.rules = replace(self.rules, hard_daily=daily)
        self.run(self.books.configure(self.rules))

    @rule(zone=ZONES)
    def the_owner_moves(self, zone: str) -> None:
        self.rules = replace(self.rules, timezone=zone)
        self.run(self.books.configure(self.rules))

    # ── what always holds ────────────────────────────────────────────────────

    @invariant()
    def books_and_model_agree(self) -> None:
        if not hasattr(self, "books"):
            return
        whole = self.books.budget_view(None, self.clock.now())
        mine = self.books.budget_view("a", self.clock.now())
        for kind, span in enumerate(("daily", "monthly")):
            for view, project in ((whole, None), (mine, "a")):
                spent, held = self.sums(kind, project)
                assert view[span]["spent"] == usd_from_pico(spent), (span, project)
                assert view[span]["held"] == usd_from_pico(held), (span, project)


TestBooksAndLedger = BooksAndLedger.TestCase
TestBooksAndLedger.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
