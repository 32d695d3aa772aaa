"""What tests of money ask with: a paid, a free and a local deployment, and a hold in one line."""

from __future__ import annotations

from fake_ledger import TOKENS, FakeClock, deployment

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.model import Deployment, Policy, Verdict
from freeloader.money import Meters

PAID = deployment(tier="paid")
FREE = deployment("f")
LOCAL = deployment("l", kind="local", tier="paid")


async def reserve(
    books: Books,
    clock: FakeClock,
    attempt: str,
    found: Deployment = PAID,
    *,
    request: str | None = None,
    project: str | None = None,
    key: str = "k",
    upper: Meters = TOKENS,
    max_cost: int | None = None,
) -> Hold | Verdict:
    return await books.reserve(
        attempt,
        request or attempt,
        found,
        upper,
        project,
        key,
        Policy(max_cost=max_cost),
        clock.now(),
    )


def code(got: Hold | Verdict) -> str:
    return got.code if isinstance(got, Verdict) else "held"
