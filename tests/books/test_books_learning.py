"""Limits nobody publishes, keys used elsewhere, and what a provider's own report changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_ledger import TOKENS, FakeClock, FakeLedger, deployment, opened
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.books.books import Books
from freeloader.books.ports import Hold
from freeloader.books.windows.learner import Learner
from freeloader.core.budget import BudgetRules
from freeloader.core.model import Deployment, Limit, Policy, QuotaReport
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.headers import Observation, reported
from freeloader.core.quota.rolling import Rolling
from freeloader.money import Meters
from freeloader.workers.loop import Progress
from freeloader.workers.quotas import quota_reports

RULES = BudgetRules()
HOURLY = Outcome("spent", "429 slow", window="1h", metric="requests", scope="account")
RPD = Limit("requests", 50, "1d", "calendar", charged_on="sent")


async def reserve(books: Books, clock: FakeClock, found: Deployment) -> Hold:
    hold = await books.reserve(
        f"a{clock.mono}.{len(books.open_holds)}", "r", found, TOKENS, None, "k", Policy(),
        clock.now(),
    )  # fmt: skip
    assert isinstance(hold, Hold), hold
    return hold


async def answered(books: Books, clock: FakeClock, found: Deployment) -> None:
    hold = await reserve(books, clock, found)
    await books.settle(hold, TOKENS, "reported", clock.now())
    books.record(found, None, 5.0, 1.0, 10, clock.now())
    clock.go(1)


async def refused(books: Books, clock: FakeClock, found: Deployment) -> None:
    hold = await reserve(books, clock, found)
    await books.release(hold, clock.now(), sent=True)
    outcome = replace(HOURLY, until=clock.now().wall + 3600)
    books.record(found, outcome, 5.0, None, 0, clock.now())
    clock.go(3700)


async def test_an_unpublished_limit_is_learnt_kept_to_shown_and_remembered() -> None:
    found, ledger, clock = deployment(limits=()), FakeLedger(), FakeClock()
    books = await opened(ledger, clock, RULES, found)
    for _ in range(2):
        for _ in range(12):
            await answered(books, clock, found)
        await refused(books, clock, found)
    for _ in range(12):
        await answered(books, clock, found)
    verdict = books.quota(found, TOKENS, clock.wall)
    assert verdict is not None
    assert "requests per 1h" in verdict.reason
    assert verdict.until is not None
    row = next(r for r in books.windows_view(clock.now()) if r["window"] == "1h")
    assert (row["limit"], row["used"], row["confidence"]) == (12, 12, "medium")
    assert row["source"].startswith("learnt from 2 refusals")
    await books.flush()
    again = await opened(ledger, clock, RULES, found)
    assert again.quota(found, TOKENS, clock.wall) is not None
    clock.wall = verdict.until
    assert again.quota(found, TOKENS, clock.wall) is None


async def test_what_passed_is_shown_as_a_lower_bound() -> None:
    found, clock = deployment(limits=()), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    for _ in range(5):
        await answered(books, clock, found)
    row = books.windows_view(clock.now())[0]
    assert row["limit"] is None
    learnt = {(x["metric"], x["window"]): x for x in row["learnt"]}
    assert learnt["requests", "1h"]["atLeast"] == 5
    assert learnt["requests", "1h"]["atMost"] is None
    assert learnt["requests", "1h"]["confidence"] == "low"


async def test_published_and_own_limits_are_not_learnt_over() -> None:
    found, clock = deployment(limits=(replace(RPD, window="1h", reset="rolling"),)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    for _ in range(3):
        await answered(books, clock, found)
        await refused(books, clock, found)
    hourly = [r for r in books.windows_view(clock.now()) if r["window"] == "1h"]
    assert [r["limit"] for r in hourly] == [50]


def said(means: str, value: int) -> Observation:
    return Observation("requests", "1d", means, value)


async def heard(books: Books, clock: FakeClock, found: Deployment, used: int) -> None:
    hold = await reserve(books, clock, found)
    books.observe(found, [said("used", used)], clock.now(), hold)
    await books.settle(hold, TOKENS, "reported", clock.now())
    clock.go(1)


async def test_a_key_used_elsewhere_is_noticed_but_not_what_was_used_before_we_came() -> None:
    found, clock = deployment(limits=(RPD,)), FakeClock()
    ledger = FakeLedger()
    books = await opened(ledger, clock, RULES, found)
    await heard(books, clock, found, 11)  # ten were used before
    row = books.windows_view(clock.now())[0]
    assert (row["used"], row["usedElsewhere"]) == (11, 0)
    await heard(books, clock, found, 12)
    await heard(books, clock, found, 18)  # five that are not ours
    row = books.windows_view(clock.now())[0]
    assert (row["used"], row["usedElsewhere"]) == (18, 5)
    assert [a["type"] for a in books.quota_alerts(clock.now())] == ["key_used_elsewhere"]
    await books.flush_dirty()
    assert [row.type for row in ledger.alerts.values()] == ["key_used_elsewhere"]
    await heard(books, clock, found, 40)
    await books.flush_dirty()
    kinds = {row.type for row in ledger.alerts.values()}
    assert kinds == {"key_used_elsewhere", "quota_near"}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["open", "answer", "refuse"]), min_size=4, max_size=30),
       st.booleans())  # fmt: skip
async def test_our_own_calls_and_refusals_are_never_somebody_elses(
    steps: list[str], counts_refused: bool
) -> None:
    """The provider counts as it admits; answers come in any order; refused calls may count."""
    limit = replace(RPD, amount=10_000, charged_on="sent" if counts_refused else "accepted")
    found, clock = deployment(limits=(limit,)), FakeClock()
    books = await opened(FakeLedger(), clock, RULES, found)
    used, flying = 0, []
    for step in steps:
        clock.go(0.1)
        if step == "open":
            used += 1
            flying.append((await reserve(books, clock, found), used))
        elif flying and step == "answer":
            hold, told = flying.pop(len(flying) // 2)
            books.observe(found, [said("used", told)], clock.now(), hold)
            await books.settle(hold, TOKENS, "reported", clock.now())
        elif flying:
            hold, _ = flying.pop()
            used -= 0 if counts_refused else 1
            await books.release(hold, clock.now(), sent=True)
    assert books.quota_alerts(clock.now()) == []
    assert books.windows_view(clock.now())[0]["used"] + len(flying) >= used


REPORT = (
    QuotaReport("data.free.limit", "requests", "1d", "limit"),
    QuotaReport("data.free.used", "requests", "1d", "used"),
)


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"data": None}, {"data": {"free": {"used": True, "limit": -1}}},
               {"data": {"free": {"used": float("nan")}}}],
)  # fmt: skip
def test_an_answer_of_another_shape_says_nothing(answer: object) -> None:
    assert reported(answer, REPORT) == ()


async def test_a_report_raises_at_once_and_lowers_only_what_was_long_idle() -> None:
    found, clock = deployment(limits=(RPD,)), FakeClock()
    found = replace(found, provider=replace(found.provider, quota_path="/key", quota_report=REPORT))
    books = await opened(FakeLedger(), clock, RULES, found)
    told = {"used": 20, "limit": 1000}

    async def ask(_: Deployment) -> object:
        return {"data": {"free": dict(told)}}

    async def read() -> tuple[int, int]:
        said = await quota_reports(Progress(), books=books, ask=ask, clock=clock)
        assert said == "1 of 1 accounts told what is left"
        row = books.windows_view(clock.now())[0]
        return row["limit"], row["used"]

    assert await read() == (1000, 20)
    await answered(books, clock, found)
    assert await read() == (1000, 21)  # what it says is older than our last call
    clock.go(300)
    told["used"] = 5
    assert await read() == (1000, 5)
    hold = await reserve(books, clock, found)
    clock.go(300)
    told["used"] = 0
    assert await read() == (1000, 5)  # one is still on its way
    await books.release(hold, clock.now(), sent=False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.4, 0.6, 1.0, 7.3, 61.0, 4000.0, -0.2, -5.0]),
            st.integers(1, 900),
            st.booleans(),
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_what_passes_in_one_second_is_counted_as_each_call_would_be(
    calls: list[tuple[float, int, bool]],
) -> None:
    found, learner, now = deployment(limits=()), Learner(), 1_000_000.5
    each = {"requests": (Rolling(60.0), []), "tokens": (Rolling(60.0), [])}
    for later, tokens, looked_at in calls:
        now += later
        assert not learner.passed(found, Meters(requests=1, input=tokens), now)
        for metric, amount in (("requests", 1), ("tokens", tokens)):
            count, seen = each[metric]
            count.add(float(amount), now, now)
            seen.append(int(count.used(now)))
        if looked_at:
            learner.shown(found)
    told = {(row["metric"], row["window"]): row["atLeast"] for row in learner.shown(found)}
    for metric, (_, seen) in each.items():
        assert told.get((metric, "1m"), 0) == max(seen, default=0)


async def test_an_alert_is_shown_while_it_holds_and_with_the_amounts_of_now() -> None:
    clock, day = FakeClock(), Limit("requests", 10, "1d", "calendar")
    found = deployment(limits=(day,))
    books = await opened(FakeLedger(), clock, RULES, found)
    for _ in range(8):
        await answered(books, clock, found)

    def shown_with(amount: int) -> list[str]:
        own = replace(found.account, limits=(replace(day, amount=amount),))
        books.set_deployments([replace(found, account=own)])
        books.windows_view(clock.now())
        return [f"{a['type']}: {a['message']}" for a in books.quota_alerts(clock.now())]

    assert len(shown_with(10)) == 1
    assert shown_with(20) == []
    assert ["8 of 9 used" in one for one in shown_with(9)] == [True]


async def test_an_alert_that_holds_is_shown_after_a_restart_too_and_is_no_news_there() -> None:
    ledger, clock, day = FakeLedger(), FakeClock(), Limit("requests", 10, "1d", "calendar")
    found = deployment(limits=(day,))
    books = await opened(ledger, clock, RULES, found)
    for _ in range(8):
        await answered(books, clock, found)
    await books.flush()
    await books.flush_dirty()
    (shown,) = books.quota_alerts(clock.now())
    clock.go(60)
    again = await opened(ledger, clock, RULES, found)
    assert again.quota_alerts(clock.now()) == [shown]
    before = dict(ledger.alerts)
    await again.flush_dirty()
    assert ledger.alerts == before
    late = await opened(ledger, clock, RULES)
    assert late.quota_alerts(clock.now()) == []
    late.set_deployments([found])
    assert late.quota_alerts(clock.now()) == [shown]


async def test_an_alert_goes_with_the_limit_it_was_about() -> None:
    clock, hour = FakeClock(), Limit("tokens", 6_000, "1h", "rolling")
    found, other = deployment(limits=(hour,)), deployment(model="n", limits=(hour,))
    books = await opened(FakeLedger(), clock, RULES, found, other)
    for _ in range(3):
        await answered(books, clock, found)
    assert [a["type"] for a in books.quota_alerts(clock.now())] == ["quota_spent"]
    books.set_deployments([other])  # another model of the account counts in the same window
    assert [a["type"] for a in books.quota_alerts(clock.now())] == ["quota_spent"]
    books.set_deployments([replace(found, model=replace(found.model, limits=()))])
    assert books.quota_alerts(clock.now()) == []


class Outside:
    """A provider of several models: so many calls in an hour, of each model or of all."""

    def __init__(self, most: int, shared: bool) -> None:
        self._most, self._shared = most, shared
        self._passed: list[tuple[float, str]] = []
        self.refused = 0

    def call(self, model: str, now: float) -> float | None:
        """None: it passed. Else when there is room again."""
        inside = [(at, who) for at, who in self._passed if at + 3600 > now]
        mine = [at for at, who in inside if self._shared or who == model]
        if len(mine) < self._most:
            self._passed = [*inside, (now, model)]
            return None
        self.refused += 1
        return mine[0] + 3600


async def hours(outside: Outside, seconds: int, span: int) -> tuple[int, int]:
    """(served, refused) of three models in turn, a call each ``span`` seconds."""
    found = [deployment(model=model) for model in "abc"]
    clock, served = FakeClock(), 0
    books = await opened(FakeLedger(), clock, RULES, *found)
    for turn in range(seconds // span):
        for one in found[turn % 3 :] + found[: turn % 3]:
            if resting(books, one, clock.wall):
                continue
            hold = await reserve(books, clock, one)
            until = outside.call(one.model.id, clock.wall)
            if until is None:
                await books.settle(hold, TOKENS, "reported", clock.now())
                books.record(one, None, 5.0, 1.0, 10, clock.now())
                served += 1
                break
            await books.release(hold, clock.now())
            judged = replace(HOURLY, scope="model", guessed=True, until=until)
            books.record(one, judged, 5.0, None, 0, clock.now())
        clock.go(span)
    return served, outside.refused


def resting(books: Books, found: Deployment, now: float) -> bool:
    if books.quota(found, TOKENS, now) is not None:
        return True
    return books.paused(found, now) is not None


async def test_a_limit_of_the_whole_account_is_learnt_though_nobody_says_so() -> None:
    """Twelve an hour for three models together: six for the first hour's lesson, few after it."""
    served, refused = await hours(Outside(12, shared=True), 24 * 3600, 120)
    assert served >= 0.9 * 24 * 12
    assert refused <= 24


async def test_limits_of_each_model_are_not_taken_for_the_accounts() -> None:
    served, refused = await hours(Outside(8, shared=False), 24 * 3600, 120)
    assert served >= 0.9 * 24 * 24
    assert refused <= 30
