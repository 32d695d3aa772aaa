"""A night with the lid closed gives back what a night gives back; a clock that is set, nothing."""

from __future__ import annotations

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment
from money_kit import code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.clock import asleep
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Limit

HOUR = 3600.0
RESETS = ("rolling", "refill", "calendar")


class Machine(FakeClock):
    """Sleeps, and has its clock set."""

    slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.wall, self.slept = self.wall + seconds, self.slept + seconds

    def asleep(self) -> float:
        return self.slept


async def spent(machine: Machine, ledger: FakeLedger, reset: str, span: str = "4h") -> Books:
    """Books in which nothing is left of the window of the deployment ``p@0/m``."""
    books = Books(ledger, machine, BudgetRules(), machine.asleep)
    await books.load()
    found = deployment(limits=(Limit("requests", 2, span, reset),))
    books.set_deployments([found])
    for name in ("a", "b"):
        hold = await reserve(books, machine, name, found)
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", machine.now())
    assert code(await reserve(books, machine, "c", found)) == "quota_exhausted"
    return books


@pytest.mark.parametrize("noticed", ["by the call", "by the look"])
@pytest.mark.parametrize("reset", RESETS)
async def test_what_came_back_while_the_machine_slept_is_there(reset: str, noticed: str) -> None:
    machine = Machine()
    books = await spent(machine, FakeLedger(), reset)
    machine.sleep(5 * HOUR)
    if noticed == "by the look":
        await books.flush_dirty()
    found = books.deployments["p@0/m"]
    assert code(await reserve(books, machine, "d", found)) == "held"


@pytest.mark.parametrize("noticed", ["by the call", "by the look", "by a decision"])
@pytest.mark.parametrize("slept", [0.0, HOUR])
@pytest.mark.parametrize("step", [5 * HOUR, 400 * 24 * HOUR])
@pytest.mark.parametrize("reset", RESETS)
async def test_what_a_clock_set_forward_and_back_would_give_back_is_not(
    reset: str, step: float, slept: float, noticed: str
) -> None:
    """Also where it was set while the machine slept, and across the restart after it."""
    machine, ledger = Machine(), FakeLedger()
    books = await spent(machine, ledger, reset, "1d")
    found = books.deployments["p@0/m"]
    for much in (step, -step):
        machine.sleep(slept / 20)
        machine.wall += much
        if noticed == "by a decision":
            books.quota(found, TOKENS, machine.wall)
        elif noticed == "by the look":
            await books.flush_dirty()
        assert code(await reserve(books, machine, f"d{much}", found)) == "quota_exhausted"
        await books.flush()
        books = Books(ledger, machine, BudgetRules(), machine.asleep)
        books.set_deployments([found])
        await books.load()
        assert code(await reserve(books, machine, f"e{much}", found)) == "quota_exhausted"


async def test_what_an_earlier_run_saved_is_as_old_after_the_clock_was_set() -> None:
    """Also where nobody had looked at it yet when it was."""
    machine, ledger = Machine(), FakeLedger()
    books = await spent(machine, ledger, "rolling")
    found = books.deployments["p@0/m"]
    await books.flush()
    books = Books(ledger, machine, BudgetRules(), machine.asleep)
    await books.load()
    machine.wall += 5 * HOUR
    await books.flush_dirty()
    books.set_deployments([found])
    assert code(await reserve(books, machine, "d", found)) == "quota_exhausted"
    machine.go(5 * HOUR)
    assert code(await reserve(books, machine, "e", found)) == "held"


def test_this_machine_knows_how_long_it_slept() -> None:
    assert asleep() >= -0.01
