"""What a paid account gets for nothing: it ranks as free while it lasts, money is held all the
same, nothing is refused when it is gone, and nobody believes in more of it than there is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_ledger import FakeClock, FakeLedger
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core import explain, routing
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Gates, Level, Limit, Policy, Resolution, Verdict
from freeloader.core.outcome.headers import Observation
from freeloader.core.policy import combine
from freeloader.money import Meters, Price

PRICE, CHEAP = Price(1_000_000, 2_000_000), Price(500_000, 1_000_000)
DAY = Limit("requests", 3, "1d", "calendar", allowance=True)
WALL = Limit("requests", 5, "1d", "calendar")
AUTO = Resolution("auto", "auto")
UPPER = profile().upper


def gifted(*limits: Limit, tier: str = "paid", **fields: object) -> Deployment:
    one = deployment("gift", "m", tier=tier, price=PRICE, intelligence=5.0, **fields)  # type: ignore[arg-type]
    return replace(one, account=replace(one.account, limits=limits or (DAY,)))


async def house(
    *some: Deployment, ledger: FakeLedger | None = None, clock: FakeClock | None = None
) -> tuple[Books, FakeClock]:
    clock = clock or FakeClock()
    books = Books(ledger or FakeLedger(), clock, BudgetRules())
    books.set_deployments(some)
    await books.load()
    return books, clock


def asked(books: Books, clock: FakeClock, policy: Policy) -> routing.Ask:
    return routing.Ask(profile(), policy, AUTO, clock.wall)


async def hold(books: Books, clock: FakeClock, what: Deployment, name: str) -> Hold | Verdict:
    return await books.reserve(name, name, what, UPPER, None, "k", combine([]), clock.now())


async def call(books: Books, clock: FakeClock, what: Deployment, name: str) -> None:
    held = await hold(books, clock, what, name)
    assert isinstance(held, Hold)
    await books.settle(held, Meters(requests=1, input=10, output=10), "reported", clock.now())


@pytest.mark.parametrize("strategy", ["balanced", "cost-first", "speed-first"])
async def test_it_goes_before_what_costs_less_and_holds_money_all_the_same(strategy: str) -> None:
    gift, cheap = gifted(), deployment("cheap", "m", tier="paid", price=CHEAP)
    books, clock = await house(cheap, gift)
    policy = combine([Level("request", strategy=strategy)])
    served = []
    for n in range(5):
        ask = asked(books, clock, policy)
        decided = routing.decide(ask, books).winner
        assert decided is not None
        assert routing.explain(ask, books)[0].deployment is decided.deployment
        held = await hold(books, clock, decided.deployment, f"a{n}")
        assert isinstance(held, Hold)
        price = decided.deployment.model.price
        assert price is not None
        assert held.cost == price.ceiling(UPPER) > 0
        said = explain.reason(routing.scored(decided, ask, books), policy, AUTO, 1)
        assert ("free allowance" in said) is decided.covered
        done = await books.settle(held, Meters(requests=1, input=9, output=9), "reported",
                                  clock.now())  # fmt: skip
        assert done.cost > 0, "settled at list price: nothing proved that it was free"
        served.append(decided.deployment.provider.id)
    assert served == ["gift"] * 3 + ["cheap"] * 2


async def test_what_needs_no_money_held_goes_first_of_two_that_are_alike() -> None:
    gift = gifted(priority=1)
    free = deployment("nought", "m", tier="free")
    free = replace(free, account=replace(free.account, limits=(replace(DAY, amount=1_000),)))
    books, clock = await house(gift, free)
    for strategy in ("balanced", "cost-first"):
        ask = asked(books, clock, combine([Level("request", strategy=strategy)]))
        assert routing.decide(ask, books).winner.deployment is free  # type: ignore[union-attr]


async def test_it_is_no_free_account() -> None:
    gift = gifted()
    books, clock = await house(gift)
    strict = combine([Level("request", gates=Gates(free_only=True))])
    assert routing.decide(asked(books, clock, strict), books).winner is None
    paid = combine([Level("request", gates=Gates(paid_only=True))])
    assert routing.decide(asked(books, clock, paid), books).winner is not None


async def test_nothing_is_refused_when_it_is_gone_but_by_a_limit() -> None:
    books, clock = await house(gifted(DAY, WALL))
    what = books.deployments["gift@1/m"]
    for n in range(5):
        await call(books, clock, what, f"a{n}")
    refused = await hold(books, clock, what, "a5")
    assert isinstance(refused, Verdict)
    assert refused.code == "quota_exhausted"
    rows = {row["limit"]: row for row in books.windows_view(clock.now())}
    assert (rows[3]["used"], rows[3]["allowance"]) == (3, True)
    assert (rows[5]["used"], rows[5]["allowance"]) == (5, False)
    kinds = [(a["type"], "cost money" in a["message"]) for a in books.quota_alerts(clock.now())]
    assert sorted(kinds) == [("quota_spent", False), ("quota_spent", True)]


async def test_on_a_free_account_the_same_words_are_a_limit() -> None:
    books, clock = await house(gifted(tier="free"))
    what = books.deployments["gift@1/m"]
    for n in range(3):
        await call(books, clock, what, f"a{n}")
    assert isinstance(await hold(books, clock, what, "a3"), Verdict)


async def test_it_is_free_again_when_the_day_is_new() -> None:
    gift, cheap = gifted(), deployment("cheap", "m", tier="paid", price=CHEAP)
    books, clock = await house(cheap, gift)

    def first() -> str:
        ask = asked(books, clock, combine([Level("request", strategy="cost-first")]))
        winner = routing.decide(ask, books).winner
        assert winner is not None
        return winner.deployment.provider.id

    for n in range(3):
        assert first() == "gift"
        await call(books, clock, gift, f"a{n}")
    assert first() == "cheap"
    clock.go(86_400)
    await books.flush_dirty()
    assert first() == "gift"
    books.set_deployments([cheap, replace(gift, account=replace(gift.account, limits=()))])
    assert first() == "cheap"


async def test_a_restart_and_a_change_of_tier_give_nothing_back() -> None:
    ledger, clock = FakeLedger(), FakeClock()
    free = gifted(tier="free")
    books, _ = await house(free, ledger=ledger, clock=clock)
    for n in range(2):
        await call(books, clock, free, f"a{n}")
    paid = gifted()
    books.set_deployments([paid])  # the owner pays from now on
    await call(books, clock, paid, "a2")
    await books.flush()
    again, _ = await house(paid, ledger=ledger, clock=clock)
    assert not again.health(paid.id).covered
    (row,) = again.windows_view(clock.now())
    assert (row["used"], row["remaining"]) == (3, 0)
    # Words that only became an allowance today have counted before.
    plain = gifted(replace(DAY, allowance=False))
    books, _ = await house(plain, clock=clock)
    await call(books, clock, plain, "b0")
    books.set_deployments([paid])
    assert books.windows_view(clock.now())[0]["used"] == 1


async def test_a_headers_word_is_of_the_limits_and_never_of_the_gift() -> None:
    books, clock = await house(gifted(DAY, WALL))
    what = books.deployments["gift@1/m"]
    for n in range(3):
        await call(books, clock, what, f"a{n}")
    seen = [Observation("requests", "1d", "limit", 100), Observation("requests", "1d", "remaining",
                                                                     100)]  # fmt: skip
    books.observe(what, seen, clock.now())
    assert not books.health(what.id).covered
    rows = {row["allowance"]: row for row in books.windows_view(clock.now())}
    assert (rows[True]["limit"], rows[True]["remaining"]) == (3, 0)
    assert (rows[False]["limit"], rows[False]["remaining"]) == (5, 2)


TOKENS = Limit("tokens", 1_000, "1h", "refill", allowance=True)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["calendar", "rolling", "refill"]),
    st.lists(st.tuples(st.integers(1, 600), st.floats(0, 4_000)), max_size=30),
)
async def test_it_is_never_believed_to_be_more_than_it_is(
    reset: str, calls: list[tuple[int, float]]
) -> None:
    """Against a provider that takes from what is free first, and bills the rest."""
    what = gifted(replace(TOKENS, reset=reset))
    books, clock = await house(what)
    free, at, log = 1_000.0, clock.wall, []
    for n, (tokens, pause) in enumerate(calls):
        clock.go(pause)
        await books.flush_dirty()
        now = clock.wall
        if reset == "refill":
            free = min(1_000.0, free + (now - at) * 1_000 / 3600)
        elif reset == "calendar":
            free = 1_000.0 if now // 3600 != at // 3600 else free
        else:
            log = [(t, took) for t, took in log if t > now - 3600]
            free = 1_000.0 - sum(took for _, took in log)
        at = now
        row = books.windows_view(clock.now())[0]
        assert row["remaining"] <= free + 1
        if books.health(what.id).covered:
            assert free >= 1
        held = await hold(books, clock, what, f"a{n}")
        assert isinstance(held, Hold), "money goes on"
        took = min(float(tokens), free)
        free -= took
        log.append((now, took))
        await books.settle(held, Meters(requests=1, input=tokens), "reported", clock.now())
