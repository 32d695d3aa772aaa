"""A limit that is described by another scope or for other models, or as another account's, goes
on from what is known: nothing that was used is forgotten, and trying a change out costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from money_kit import code, reserve

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.core.budget import BudgetRules
from freeloader.core.model import OWN, Deployment, Limit
from freeloader.core.rows import WindowRow

_NUMBERS = count()
MODELS = ("a:free", "b:free", "c")
_RESETS = [("1d", "calendar"), ("1d", "rolling"), ("1d", "refill"), ("once", "unknown"),
           ("month", "calendar")]  # fmt: skip


def limit(scope: str, *patterns: str, window: str = "1d", reset: str = "calendar") -> Limit:
    return Limit("requests", 10**6, window, reset, scope, applies_to=patterns)


def farm(*limits: Limit, models: tuple[str, ...] = MODELS, idx: int = 0) -> list[Deployment]:
    """One account, all of whose models have the same published limits."""
    found = [deployment(model=model, idx=idx) for model in models]
    return [replace(one, provider=replace(one.provider, limits=limits)) for one in found]


async def use(books: Books, clock: FakeClock, found: Deployment, times: int = 1) -> None:
    for _ in range(times):
        hold = await reserve(books, clock, f"attempt {next(_NUMBERS)}", found)
        assert isinstance(hold, Hold)
        await books.settle(hold, TOKENS, "reported", clock.now())


def used(books: Books, clock: FakeClock) -> dict[str | None, int]:
    rows = books.windows_view(clock.now())
    return {row["model"] or ",".join(row["appliesTo"]) or None: row["used"] for row in rows}


async def changed(
    books: Books, ledger: FakeLedger, clock: FakeClock, found: list[Deployment], stopped: bool
) -> Books:
    """The limits are described otherwise from now on: of a running daemon, or at its next start."""
    if not stopped:
        books.set_deployments(found)
        return books
    await books.flush()
    books = Books(ledger, clock, BudgetRules())
    books.set_deployments(found)
    await books.load()
    return books


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(("window", "reset"), _RESETS)
async def test_models_that_become_one_bucket_bring_along_what_each_has_used(
    window: str, reset: str, stopped: bool
) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    before = farm(limit("model", window=window, reset=reset))
    books = await opened(ledger, clock, BudgetRules(), *before)
    await use(books, clock, before[0], 3)
    await use(books, clock, before[1], 4)
    after = farm(limit("account", window=window, reset=reset))
    books = await changed(books, ledger, clock, after, stopped)
    assert used(books, clock) == {None: 7}


@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize(("window", "reset"), _RESETS)
async def test_of_one_bucket_that_becomes_each_models_every_model_may_have_used_all(
    window: str, reset: str, stopped: bool
) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    before = farm(limit("account", window=window, reset=reset))
    books = await opened(ledger, clock, BudgetRules(), *before)
    await use(books, clock, before[0], 3)
    after = farm(limit("model", window=window, reset=reset))
    books = await changed(books, ledger, clock, after, stopped)
    assert used(books, clock) == dict.fromkeys(MODELS, 3)
    await use(books, clock, after[1], 2)
    books = await changed(books, ledger, clock, before, stopped)
    assert used(books, clock) == {None: 5}, "trying it out costs nothing"


@pytest.mark.parametrize("stopped", [False, True])
async def test_another_pattern_goes_on_for_the_models_that_both_mean(stopped: bool) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    before = farm(limit("account", "*:free"))
    books = await opened(ledger, clock, BudgetRules(), *before)
    await use(books, clock, before[0], 3)
    after = farm(limit("account", "a*"), limit("account", "c"))
    books = await changed(books, ledger, clock, after, stopped)
    assert used(books, clock) == {"a*": 3, "c": 0}


@pytest.mark.parametrize("stopped", [False, True])
async def test_an_owners_limit_of_the_whole_account_has_counted_all_its_models(
    stopped: bool,
) -> None:
    """Set in the afternoon, it does not allow the whole day once more; nor set again later."""
    ledger, clock = FakeLedger(), FakeClock()
    plain = farm(limit("model"))
    mine = (Limit("requests", 9, "1d", "calendar", "account", source=OWN),)
    owned = [replace(one, account=replace(one.account, limits=mine)) for one in plain]
    books = await opened(ledger, clock, BudgetRules(), *plain)
    await use(books, clock, plain[0], 3)
    await use(books, clock, plain[1], 4)
    books = await changed(books, ledger, clock, owned, stopped)
    assert used(books, clock) == {None: 7}
    books = await changed(books, ledger, clock, plain, stopped)
    await use(books, clock, plain[2], 2)
    books = await changed(books, ledger, clock, owned, stopped)
    assert used(books, clock) == {None: 9}
    assert code(await reserve(books, clock, "more", owned[0])) == "quota_exhausted"


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_key_that_is_its_own_account_after_all_may_have_used_what_was_shared(
    stopped: bool,
) -> None:
    ledger, clock = FakeLedger(), FakeClock()
    (one,), (two,) = (farm(limit("model"), models=("m",), idx=n) for n in (1, 2))
    twin = replace(two, account=replace(two.account, same_account_as=1))
    books = await opened(ledger, clock, BudgetRules(), one, twin)
    await use(books, clock, one, 1)
    await use(books, clock, twin, 2)
    books = await changed(books, ledger, clock, [one, two], stopped)
    rows = {row["account"]: row["used"] for row in books.windows_view(clock.now())}
    assert rows == {1: 3, 2: 3}


@pytest.mark.parametrize("stopped", [False, True])
async def test_what_is_new_or_was_only_away_begins_with_what_is_its_own(stopped: bool) -> None:
    """Another account, another model, an account that was switched off and is on again; a
    model's limit beside the account's of which nothing was used yet."""
    ledger, clock = FakeLedger(), FakeClock()
    both = (limit("account"), limit("model"))
    first, second = farm(*both, models=("a", "b"), idx=1), farm(*both, models=("a",), idx=2)
    books = await opened(ledger, clock, BudgetRules(), *first)
    await use(books, clock, first[0], 3)
    books = await changed(books, ledger, clock, [*first, *second], stopped)
    await use(books, clock, second[0], 1)
    books = await changed(books, ledger, clock, second, stopped)
    books = await changed(books, ledger, clock, [*first, *second], stopped)
    rows = {(r["account"], r["model"]): r["used"] for r in books.windows_view(clock.now())}
    assert rows == {(1, None): 3, (1, "a"): 3, (1, "b"): 0, (2, None): 1, (2, "a"): 1}


async def test_a_reset_is_one_of_buckets_that_nobody_counts_in_any_more_too() -> None:
    clock, before = FakeClock(), farm(limit("account"))
    books = await opened(FakeLedger(), clock, BudgetRules(), *before)
    await use(books, clock, before[0], 3)
    books.set_deployments(farm(limit("model")))
    assert books.reset("p", 0, clock.now()) == 3
    books.set_deployments(before)
    assert used(books, clock) == {None: 0}


@pytest.mark.parametrize("state", [[], None, 3, {}, {"kind": 1, "moved": []}])
@pytest.mark.parametrize("key", ["nonsense", "p@0|requests|1d|", "|||||||", "p@0/m|requests|x|"])
async def test_nonsense_that_was_saved_keeps_no_books_from_opening(key: str, state: Any) -> None:
    """And what cannot be read is not believed to be empty."""
    ledger, clock = FakeLedger(), FakeClock()
    ledger.windows[key] = WindowRow(key, state, clock.wall, "p", None)
    books = Books(ledger, clock, BudgetRules())
    found = farm(limit("model"))
    books.set_deployments(found)
    await books.load()
    books.set_deployments(farm(limit("account")))
    books.set_deployments(found)
    for one in found:
        said = await reserve(books, clock, one.id, one)
        assert code(said) in ("held", "quota_exhausted")


async def test_what_is_under_way_counts_and_a_refusal_holds_on() -> None:
    clock, before = FakeClock(), farm(limit("model"), models=("m",))
    books = await opened(FakeLedger(), clock, BudgetRules(), *before)
    hold = await reserve(books, clock, "open", before[0])
    assert isinstance(hold, Hold)
    after = farm(limit("account"), models=("m",))
    books.set_deployments(after)
    assert used(books, clock) == {None: 1}
    await books.settle(hold, TOKENS, "reported", clock.now())
    assert used(books, clock) == {None: 1}


_SCOPES = st.sampled_from(["account", "model", "ip", "ip+model"])
_PATTERNS = st.sampled_from([(), ("*:free",), ("*",), ("a*", "c")])


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.one_of(st.tuples(_SCOPES, _PATTERNS, st.booleans()), st.sampled_from(MODELS)),
        max_size=12,
    ),
    reset=st.sampled_from(_RESETS),
)
def test_however_a_limit_is_described_nothing_used_is_forgotten(
    steps: list[object], reset: tuple[str, str]
) -> None:
    """Law: what is counted of a bucket is never less than what its deployments have used, while
    somebody's limit of that kind counted them all along."""

    async def run() -> None:
        ledger, clock = FakeLedger(), FakeClock()
        kind = {"window": reset[0], "reset": reset[1]}
        now = farm(limit("account", **kind))
        books = await opened(ledger, clock, BudgetRules(), *now)
        sent = dict.fromkeys(MODELS, 0)
        for step in steps:
            if isinstance(step, str):
                found = next(one for one in now if one.model.id == step)
                if not found.limits:
                    continue
                await use(books, clock, found)
                sent[step] += 1
            else:
                scope, patterns, stopped = step  # type: ignore[misc]
                now = farm(limit(scope, *patterns, **kind))
                books = await changed(books, ledger, clock, now, stopped)
            for one in now:
                for row in books.windows_of(one, clock.now()):
                    sharing = [
                        d.model.id for d in now
                        if row["key"] in {r["key"] for r in books.windows_of(d, clock.now())}
                    ]  # fmt: skip
                    known = sum(sent[name] for name in sharing)
                    assert row["used"] >= known, (steps, row["key"], row["used"], sent)

    asyncio.run(run())
