"""Quota in the books: shared buckets, all or none, restarts, headers, what is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_ledger import NOON, TOKENS, FakeClock, FakeLedger, deployment, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.books.windows.metering import metered
from freeloader.clock import iso
from freeloader.core import quota
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Limit, Policy, Profile, Resolution, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation
from freeloader.core.routing import Ask, decide, explain
from freeloader.core.rows import WindowRow
from freeloader.money import Meters, Price

RPD = Limit("requests", 3, "1d", "calendar", source="docs", confidence="high")
TPM = Limit("tokens", 5000, "1m", "rolling", scope="model")
RULES = BudgetRules()


async def send(books: Books, clock: FakeClock, attempt: str, found: Deployment) -> Hold | Verdict:
    return await books.reserve(attempt, attempt, found, TOKENS, None, "k", Policy(), clock.now())


async def spend(books: Books, clock: FakeClock, attempt: str, found: Deployment) -> Hold:
    hold = await send(books, clock, attempt, found)
    assert isinstance(hold, Hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    return hold


async def test_all_windows_or_none() -> None:
    found = deployment(limits=(RPD, TPM))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    for i in range(2):
        assert isinstance(await send(books, clock, str(i), found), Hold)
    refused = await send(books, clock, "2", found)
    assert isinstance(refused, Verdict)
    assert "tokens per 1m" in refused.reason
    held = {w["metric"]: w["held"] for w in books.windows_view(clock.now())}
    assert held == {"requests": 2, "tokens": 4000}


async def test_two_limits_of_one_bucket_count_a_call_once_and_the_smaller_holds() -> None:
    found = deployment(limits=(RPD, replace(RPD, amount=2)))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    await spend(books, clock, "a", found)
    (shown,) = books.windows_view(clock.now())
    assert (shown["used"], shown["limit"]) == (1, 2)


async def test_a_ceiling_on_running_calls_says_nothing_of_one_call() -> None:
    found = deployment(limits=(Limit("concurrency", 1, "once", per_request_ceiling=True),))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    assert isinstance(await send(books, clock, "a", found), Hold)
    assert isinstance(await send(books, clock, "b", found), Verdict)


async def test_two_keys_of_one_account_and_a_pattern_share_one_bucket() -> None:
    shared = Limit("requests", 2, "1d", "calendar", applies_to=("*:free",))
    one, twin, other = (
        deployment(idx=i, same=same, model=model, limits=(shared,))
        for i, same, model in ((0, None, "a:free"), (1, 0, "b:free"), (2, None, "a:free"))
    )
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, one, twin, other)
    await spend(books, clock, "1", one)
    await spend(books, clock, "2", twin)
    assert isinstance(await send(books, clock, "3", one), Verdict)
    assert isinstance(await send(books, clock, "4", other), Hold)


async def test_a_day_is_not_spent_twice_after_an_unclean_stop() -> None:
    found, ledger, clock = deployment(limits=(RPD,)), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    await spend(books, clock, "1", found)
    assert isinstance(await send(books, clock, "2", found), Hold)  # in flight as it dies
    assert ledger.durable_saves == 2
    clock.go(5)
    books = await opened(ledger, clock, RULES, found)
    assert isinstance(await send(books, clock, "3", found), Hold)
    refused = await send(books, clock, "4", found)
    assert isinstance(refused, Verdict)
    assert refused.until == NOON + 12 * 3600


async def test_large_windows_are_written_behind() -> None:
    found = deployment(limits=(replace(RPD, amount=100), TPM))
    ledger, clock = FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    await spend(books, clock, "1", found)
    assert (ledger.durable_saves, len(ledger.windows)) == (0, 0)
    assert await books.flush_dirty() == 2
    assert await books.flush_dirty() == 0
    books = await opened(ledger, clock, RULES, found)
    used = {w["metric"]: w["used"] for w in books.windows_view(clock.now())}
    assert used == {"requests": 1, "tokens": 2000}


async def test_a_clean_stop_counts_nothing_twice() -> None:
    found, ledger, clock = deployment(limits=(RPD,)), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    await spend(books, clock, "1", found)
    await books.flush()
    books = await opened(ledger, clock, RULES, found)
    assert books.windows_view(clock.now())[0]["used"] == 1


async def test_what_could_not_be_saved_is_saved_later() -> None:
    found, ledger, clock = deployment(limits=(RPD,)), FakeLedger(broken=False), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    ledger.broken = True
    await spend(books, clock, "1", found)
    assert await books.flush_dirty() == 0
    with pytest.raises(Exception, match="disk full"):
        await books.flush()
    ledger.broken = False
    await books.flush()
    assert [key for key in ledger.windows if not key.startswith("learnt|")] == ["p@0|requests|1d|"]


@pytest.mark.parametrize("state", [{}, {"kind": "calendar"}, {"kind": "calendar", "counter": 3}])
async def test_a_damaged_window_is_not_an_empty_one(state: dict[str, object]) -> None:
    found, ledger, clock = deployment(limits=(RPD,)), FakeLedger(), FakeClock()
    key = "p@0|requests|1d|"
    ledger.windows[key] = WindowRow(key, state, NOON)
    books = await opened(ledger, clock, RULES, found)
    assert isinstance(await send(books, clock, "1", found), Verdict)


async def test_a_changed_limit_keeps_the_count() -> None:
    found, clock = deployment(limits=(RPD,)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    for i in range(3):
        await spend(books, clock, str(i), found)
    for amount, reset, fits in ((4, "calendar", True), (3, "rolling", False), (5, "rolling", True)):
        changed = deployment(limits=(replace(RPD, amount=amount, reset=reset),))
        books.set_deployments([changed])
        verdict = books.quota(changed, TOKENS, clock.wall)
        assert (verdict is None) is fits
        assert books.windows_view(clock.now())[0]["used"] == 3


async def test_a_refusal_exhausts_the_window_it_names_for_every_deployment_in_it() -> None:
    one, other = deployment(limits=(RPD,)), deployment(model="n", limits=(RPD,))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, one, other)
    outcome = Outcome("spent", "day", window="1d", metric="requests", scope="model")
    books.record(one, outcome, 10, None, 0, clock.now())
    for found in (one, other):
        verdict = books.quota(found, TOKENS, clock.wall)
        assert verdict is not None
        assert verdict.until == NOON + 12 * 3600
    assert books.windows_view(clock.now())[0]["remaining"] == 0
    books.reset("p", 0, clock.now())
    assert books.quota(one, TOKENS, clock.wall) is None
    assert books.paused(one, clock.wall) is None


async def test_headers_correct_the_count_for_the_attempt_they_came_with() -> None:
    found, clock = deployment(limits=(replace(RPD, amount=100),)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    hold = await spend(books, clock, "1", found)
    seen = (Observation("requests", "1d", "remaining", 40),)
    books.observe(found, seen, clock.now())
    assert books.windows_view(clock.now())[0]["used"] == 60
    fewer = (Observation("requests", "24h", "remaining", 95),)
    for whose in (None, hold):  # of nobody's call, or of one that is older than what was said
        books.observe(found, fewer, clock.now(), whose)
        assert books.windows_view(clock.now())[0]["used"] == 60
    clock.go(1)
    hold = await spend(books, clock, "2", found)
    books.observe(found, fewer, clock.now(), hold)
    assert books.windows_view(clock.now())[0]["used"] == 5


async def test_a_limit_of_nothing_in_a_header_is_the_refusals_to_judge() -> None:
    """What is not on a plan is tried again one day; no number may stand in the way for ever."""
    found, clock, ledger = deployment(limits=(RPD,)), FakeClock(), FakeLedger()
    books = await opened(ledger, clock, RULES, found)
    hold = await send(books, clock, "1", found)
    assert isinstance(hold, Hold)
    books.observe(found, (Observation("requests", "1d", "limit", 0),), clock.now(), hold)
    await books.release(hold, clock.now(), sent=True)
    assert books.windows_view(clock.now())[0]["limit"] == 3
    assert isinstance(await send(books, clock, "2", found), Hold)


async def test_headers_tell_the_real_limit() -> None:
    found, clock = deployment(limits=(RPD,)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    seen = (
        Observation("requests", "1d", "remaining", 999),
        Observation("requests", "1d", "limit", 1000),
    )
    books.observe(found, seen, clock.now())
    view = books.windows_view(clock.now())[0]
    assert (view["limit"], view["used"], view["learned"]) == (1000, 1, True)
    mine = replace(found, account=replace(found.account, limits=(RPD,)))
    books.set_deployments([mine])
    assert books.windows_view(clock.now())[0]["limit"] == 3
    books.observe(mine, seen, clock.now())
    assert books.windows_view(clock.now())[0]["limit"] == 3


async def test_nothing_remaining_until_the_header_says() -> None:
    found, clock = deployment(limits=(replace(RPD, reset="unknown"),)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    seen = (
        Observation("requests", "1d", "remaining", 0),
        Observation("requests", "1d", "reset", NOON + 600.0),
    )
    books.observe(found, seen, clock.now())
    verdict = books.quota(found, TOKENS, clock.wall)
    assert verdict is not None
    assert verdict.until is not None
    assert verdict.until >= NOON + 600


async def test_unknown_is_shown_as_unknown_and_never_as_unlimited() -> None:
    known, unknown = deployment(limits=(RPD,)), deployment("q")
    local = deployment("l", kind="local")
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, known, unknown, local)
    await spend(books, clock, "1", known)
    rows = {row["provider"]: row for row in books.windows_view(clock.now())}
    shown = {
        "provider": "p",
        "account": 0,
        "model": None,
        "metric": "requests",
        "window": "1d",
        "reset": "calendar",
        "limit": 3,
        "used": 1,
        "held": 0,
        "remaining": 2,
        "resetsAt": "2026-11-21T00:00:00.000Z",
        "refusedUntil": None,
        "expiresAt": None,
        "learned": False,
        "confidence": "high",
        "source": "docs",
        "verifiedDate": None,
    }
    assert {name: rows["p"][name] for name in shown} == shown
    assert (rows["q"]["reset"], rows["q"]["limit"], rows["q"]["remaining"]) == (
        "unknown",
        None,
        None,
    )
    assert rows["l"]["reset"] == "none"


@pytest.mark.parametrize(("ceiling", "usd"), [(True, 3 * 10**9), (False, 25 * 10**8)])
def test_meters_that_follow_from_others(ceiling: bool, usd: int) -> None:
    """A hold takes the dearest rate for all input; what was used goes by what it was."""
    found = deployment(price=Price(1_000_000, 2_000_000, cache_read=500_000))
    found = replace(found, model=replace(found.model, neurons=(4625, 46_000)))
    window = quota.window_for(Limit("units", 10_000, "1d", "calendar"), "k", NOON)
    meters = Meters(1, cache_read=1000, output=1000)
    got = metered(found, meters, [window], ceiling=ceiling)
    assert (got.usd, got.units) == (usd, 51)
    plain = quota.window_for(RPD, "k", NOON)
    assert metered(found, meters, [plain], ceiling=ceiling) is meters


async def test_a_providers_own_units_are_counted() -> None:
    neurons = Limit("units", 100, "1d", "calendar")
    found = deployment(limits=(neurons,))
    found = replace(found, model=replace(found.model, neurons=(4625, 46_000)))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    await spend(books, clock, "1", found)
    assert books.windows_view(clock.now())[0]["used"] == 51
    assert isinstance(await send(books, clock, "2", found), Verdict)


async def test_credits_in_dollars() -> None:
    credit = Limit("usd", 7 * 10**9, "once", "unknown", expires_days=30)
    found, clock = deployment(limits=(credit,)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    for attempt in ("1", "2"):
        await spend(books, clock, attempt, found)
    view = books.windows_view(clock.now())[0]
    assert (view["limit"], view["used"], view["remaining"]) == (0.007, 0.006, 0.001)
    refused = await send(books, clock, "3", found)
    assert isinstance(refused, Verdict)
    assert refused.until is None
    assert view["expiresAt"] == iso(NOON + 30 * 86400)
    clock.go(31 * 86400)
    refused = await send(books, clock, "4", found)
    assert isinstance(refused, Verdict)
    assert "expired" in refused.reason
    view = books.windows_view(clock.now())[0]
    assert (view["remaining"], view["expiresAt"]) == (0, iso(NOON + 30 * 86400))


steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "settle", "refused", "unsent", "crash", "stop", "hours"]),
        st.integers(0, 9),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps, st.sampled_from(["accepted", "sent"]), st.sampled_from(["calendar", "rolling"]))
def test_no_day_is_ever_spent_twice(
    plan: list[tuple[str, int]], charged_on: str, reset: str
) -> None:
    """Sends, refusals, crashes and clean stops: never more in a day than the provider gives."""
    asyncio.run(_random_days(plan, charged_on, reset))


async def _random_days(plan: list[tuple[str, int]], charged_on: str, reset: str) -> None:
    limit = Limit("requests", 5, "1d", reset, charged_on=charged_on)
    found, ledger, clock = deployment(limits=(limit,)), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    charged: list[float] = []  # the provider's own count
    holds: list[tuple[Hold, bool]] = []
    for i, (what, number) in enumerate(plan):
        if what == "send":
            got = await send(books, clock, str(i), found)
            if isinstance(got, Hold):
                holds.append((got, True))
        elif what == "settle" and holds:
            hold, _ = holds.pop(number % len(holds))
            charged.append(clock.wall)
            await books.settle(hold, TOKENS, "reported", clock.now())
        elif what in ("refused", "unsent") and holds:
            hold, _ = holds.pop(number % len(holds))
            if what == "refused" and charged_on == "sent":
                charged.append(clock.wall)
            await books.release(hold, clock.now(), sent=what == "refused")
        elif what in ("crash", "stop"):
            if what == "stop":
                await books.flush()
            charged.extend(clock.wall for _ in holds)
            holds.clear()
            books = await opened(ledger, clock, RULES, found)
        elif what == "hours":
            clock.go(3600 * (1 + number))
        if reset == "calendar":
            today = [at for at in charged if at // 86400 == clock.wall // 86400]
        else:
            today = [at for at in charged if at + 86400 > clock.wall]
        assert len(today) + len(holds) <= 5


@pytest.mark.parametrize(
    ("output", "bounded", "served"),
    [(4_000, True, True), (6_000, True, False), (6_000, False, True)],
)
async def test_a_bound_beyond_a_ceiling_is_not_sent_to_be_refused(
    output: int, bounded: bool, served: bool
) -> None:
    found = deployment(limits=(replace(TPM, per_request_ceiling=True),))
    clock = FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    upper = Meters(requests=1, input=100, output=output if bounded else 0)
    expected = Meters(requests=1, input=50, output=400)
    asked = Profile("chat", "auto", frozenset(), upper, expected, bounded=bounded)
    ask = Ask(asked, Policy(), Resolution("auto", "auto"), clock.wall)
    assert (decide(ask, books).winner is not None) is served
    await spend(books, clock, "1", found)
    codes = {candidate.verdict and candidate.verdict.code for candidate in explain(ask, books)}
    assert ("no_model_passes_gates" in codes) is not served, "waiting would not help either"
