"""One request's life against a scripted lane: what is sent, relayed, settled and said."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import PlainSnapshot, deployment, profile

from freeloader.books.ports import Hold, Settlement
from freeloader.catalog.premium import Premium
from freeloader.clock import Instant, SystemClock
from freeloader.core.actions import Spending
from freeloader.core.bounds import upper_meters
from freeloader.core.events import Answer, Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import (
    Attempt,
    Caller,
    Deployment,
    FallbackPlan,
    Gates,
    Level,
    Resolution,
    Timeouts,
    Verdict,
)
from freeloader.core.need import Curve
from freeloader.core.privacy import Watching
from freeloader.core.rules import Rule
from freeloader.core.snapshot import Health
from freeloader.errors import (
    BudgetExceeded,
    FreeloaderError,
    InvalidRequest,
    NoModelPassesGates,
    QuotaExhausted,
    UpstreamFailed,
    UpstreamTimeout,
)
from freeloader.gateway.pipeline import Pipeline
from freeloader.gateway.ports import Keep
from freeloader.gateway.retries import RetryBudget
from freeloader.gateway.sessions import Sessions
from freeloader.gateway.tools import Tasks, Tools
from freeloader.money import Meters, Price

OWNER = Caller("k", "client")
AUTO = Resolution("auto", "auto")
AT_ONCE = Level("settings", max_wait_ms=0)
LIMITS = Timeouts()
OFF = Watching()
PAID = Price(1_000_000, 2_000_000)


def chunk(text: str = "", **more: Any) -> Delta:
    delta = {"content": text} if text else {"role": "assistant"}
    return Delta({"model": "raw", "choices": [{"index": 0, "delta": delta, **more}]}, bool(text))


def whole(text: str = "hi") -> Delta:
    message = {"role": "assistant", "content": text}
    return Delta({"model": "raw", "choices": [{"index": 0, "message": message}]}, True)


def used(input_: int = 10, output: int = 5, *, reported: bool = True) -> Usage:
    return Usage(Meters(requests=1, input=input_, output=output), reported)


def fault(status: int | None = 500, phase: str = "head", **more: Any) -> Fault:
    return Fault(Answer(status, phase=phase, **more))


GOOD = [Headers(200, {}), chunk(), chunk("hel"), chunk("lo"), used(), End()]


@dataclass
class Lane:
    """Plays one list of events per attempt, by deployment; an exhausted one hangs."""

    scripts: dict[str, list[list[Event]]]
    sent: list[Attempt] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    async def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        self.sent.append(attempt)
        try:
            for event in self.scripts[attempt.deployment.id].pop(0):
                await asyncio.sleep(0)
                yield event
            if not isinstance(event, End | Fault):
                await asyncio.Event().wait()
        finally:
            self.closed.append(attempt.deployment.id)


@dataclass
class Books(PlainSnapshot):
    """A snapshot that also notes what is reserved, settled and released."""

    refuse: dict[str, Verdict] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    facts: list[Any] = field(default_factory=list)
    ceiling: int = 8192

    async def reserve(self, attempt_id: str, *args: Any) -> Hold | Verdict:
        request_id, what, upper, project, key_id, _policy, now, *_ = args
        if what.id in self.refuse:
            return self.refuse[what.id]
        self.log.append(("hold", what.id))
        cost = what.model.price.ceiling(upper) if what.billable else 0
        return Hold(attempt_id, request_id, what, project, key_id, upper, cost, now)

    async def settle(
        self, hold: Hold, meters: Meters, basis: str, now: Instant, facts: Any
    ) -> Settlement:
        self.log.append(("settle", hold.deployment.id, basis, meters))
        self.facts.append(facts)
        price = hold.deployment.model.price
        cost = price.cost(meters) if price and hold.deployment.billable else 0
        return Settlement(hold.attempt_id, cost, hold.cost, 0, meters, basis, basis != "reported")

    async def release(self, hold: Hold, now: Instant, *, sent: bool = False) -> Settlement:
        self.log.append(("release", hold.deployment.id, sent))
        return Settlement(hold.attempt_id, 0, hold.cost, 0, Meters(), "released", False)

    def observe(self, *args: Any) -> None:
        self.log.append(("observe", *args[:1]))

    def record(self, what: Deployment, outcome: Any, *args: Any) -> None:
        self.log.append(("record", what.id, outcome.kind if outcome else "ok"))
        if outcome is not None and outcome.kind == "slow_down":
            pause = Verdict("breaker", "quota_exhausted", "its rate", outcome.until)
            self.pauses = {**self.pauses, what.id: pause}

    def paused(self, deployment: Deployment, now: float) -> Verdict | None:
        found = self.pauses.get(deployment.id)
        return found if found is None or found.until is None or found.until > now else None

    def spending(self, project: str | None, now: float) -> Spending:
        return Spending((), self.ceiling)

    def refused(self, verdict: Verdict, now: Instant) -> None:
        self.log.append(("refused", verdict.code))

    def windows_of(self, what: Deployment, now: Instant) -> list[dict[str, Any]]:
        return []

    def budget_view(self, project: str | None, now: Instant) -> dict[str, Any]:
        return {"daily": {"spent": 0.0, "remaining": None}}

    def quota_behind(
        self, what: Deployment, upper: Meters, now: float, ahead: Mapping[str, int]
    ) -> Verdict | None:
        return self.quota(what, upper, now)

    def claims(self, what: Deployment, upper: Meters, now: float) -> Mapping[str, int]:
        return {what.id: 1}

    def said(self, what: str) -> list[tuple[Any, ...]]:
        return [row[1:] for row in self.log if row[0] == what]


@dataclass
class Rules:
    resolution: Resolution = AUTO
    level: Level = AT_ONCE
    limits: Timeouts = LIMITS
    own: tuple[Rule, ...] = ()
    wish: Watching = OFF
    kept: Keep = field(default_factory=Keep)

    def names(self) -> Rules:
        return self

    def resolve(self, wanted: str, needs: frozenset[str]) -> Resolution:
        return self.resolution

    def check(self, gates: Gates) -> None:
        """Nothing is a slip here."""

    def rules(self) -> Sequence[Rule]:
        return self.own

    def levels(self, project: str | None) -> Sequence[Level]:
        return [self.level]

    def timeouts(self, provider: str | None = None) -> Timeouts:
        return self.limits

    def watching(self, project: str | None) -> Watching:
        return self.wish

    def curve(self) -> Curve:
        return Curve()

    def catalog_version(self) -> str:
        return "test"

    def policy_version(self) -> str:
        return "p1"

    def keeping(self) -> Keep:
        return self.kept

    def premium(self) -> Premium:
        return Premium("best/of-all", Price(10_000_000, 20_000_000))


@dataclass
class Journal:
    decisions: list[Any] = field(default_factory=list)
    attempts: list[Any] = field(default_factory=list)
    saved: list[Any] = field(default_factory=list)

    def texts(self, decision_id: str, at: float, make: Callable[[], Any]) -> None:
        self.saved.append(make())

    def decision(self, row: Any) -> None:
        self.decisions.append(row)

    def attempt(self, row: Any) -> None:
        self.attempts.append(row)


async def ready(_: Resolution) -> None:
    """The lane can send."""


@dataclass
class World:
    books: Books
    lane: Lane
    rules: Rules = field(default_factory=Rules)
    journal: Journal = field(default_factory=Journal)
    tasks: Tasks = field(default_factory=Tasks)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    scrub: Callable[[str], str] = str
    leave_seconds: float = 60.0
    audits: list[Any] = field(default_factory=list)

    async def audit(self, row: Any) -> None:
        self.audits.append(row)

    retries: RetryBudget = field(default_factory=RetryBudget)
    sessions: Sessions = field(default_factory=Sessions)

    def begin(self, **asked: Any) -> Any:
        return self.pipeline().begin(profile(**asked), OWNER, "r")

    def explain(self, **asked: Any) -> dict[str, Any]:
        return self.pipeline().explain(profile(**asked), OWNER)

    def pipeline(self) -> Pipeline:

        async def credentials(_: Deployment) -> Mapping[str, str]:
            return {"api_key": "hush-hush"}

        tools = Tools(
            self.books,  # type: ignore[arg-type]
            self.lane,
            self.rules,  # type: ignore[arg-type]
            self.journal,
            SystemClock(),
            self.tasks,
            credentials,
            ready,
            lambda kind: f"{kind}-{next(self.numbers)}",
            self.scrub,
            audit=self.audit,
            retries=self.retries,
            leave_seconds=self.leave_seconds,
            sessions=self.sessions,
        )
        return Pipeline(tools)


FIRST = deployment("a", "m", speed=9.0)
SECOND = deployment("b", "m", speed=2.0)


def world(scripts: dict[str, list[list[Event]]], *every: Deployment, **rules: Any) -> World:
    return World(Books.of(every or (FIRST, SECOND)), Lane(scripts), Rules(**rules))


async def collect(run: Any) -> list[Event]:
    return [event async for event in run.events()]


async def test_an_answer_is_relayed_settled_and_journalled() -> None:
    house = world({FIRST.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    events = await collect(run)
    assert [type(e) for e in events] == [Delta, Delta, Delta, Usage, End]
    assert all(e.data["model"] == "a/m" for e in events if isinstance(e, Delta))
    assert house.books.said("settle") == [(FIRST.id, "reported", Meters(1, 10, output=5))]
    assert house.books.said("record") == [(FIRST.id, "ok")]
    assert run.accounting()["tokensOut"] == 5
    assert run.accounting()["estimated"] is False
    (decision,) = house.journal.decisions
    assert (decision.outcome, decision.attempts) == ("answered", 1)
    assert house.lane.sent[0].credentials == {"api_key": "hush-hush"}
    assert "hush" not in repr(house.lane.sent[0])


async def test_an_answer_says_what_the_premium_model_would_have_cost() -> None:
    paid = deployment("gold", "m", tier="paid", price=PAID)
    house = world({paid.id: [list(GOOD)]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    assert "savings" not in run.routing(), "nobody knows yet"
    await collect(run)
    assert run.accounting()["savings"] == run.routing()["savings"]
    assert run.routing()["savings"] == {
        "premiumModel": "best/of-all",
        "wouldHaveCost": 0.0002,
        "saved": 0.00018,
        "savedPercent": 90.0,
    }


async def test_only_answers_are_compared_and_failures_are_not_charged_to_nobody() -> None:
    house = world({FIRST.id: [[Headers(200, {}), fault(None)]], SECOND.id: [list(GOOD)]})
    run = house.begin(stream=True)
    await run.first(5)
    await collect(run)
    assert [facts.premium_pico for facts in house.books.facts] == [None, 200_000_000]


@pytest.mark.parametrize(
    ("keep", "saved"),
    [
        (Keep(), []),
        (Keep(True, False), [(True, False)]),
        (Keep(False, True), [(False, True)]),
        (Keep(True, True), [(True, True)]),
    ],
)
async def test_texts_are_kept_only_where_wanted(keep: Keep, saved: list[Any]) -> None:
    payload = {"messages": [{"role": "user", "content": "my key is hush-hush"}], "top_p": 1}
    house = world({FIRST.id: [list(GOOD)]}, kept=keep)
    run = house.begin(stream=True, payload=payload)
    assert await run.first(5)
    await collect(run)
    texts = house.journal.saved
    assert [(a is not None, b is not None) for a, b in texts] == saved
    for asked, answered in texts:
        assert asked is None or ("my key is" in asked and "top_p" not in asked)
        assert answered in (None, "hello")


async def test_the_second_provider_answers_when_the_first_fails_before_content() -> None:
    house = world({FIRST.id: [[Headers(200, {}), chunk(), fault(500)]], SECOND.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert run.headers()["X-Freeloader-Attempts"] == "2"
    assert run.routing()["provider"] == "b"
    assert [a.deployment for a in house.journal.attempts] == [FIRST.id, SECOND.id]
    assert house.books.said("record") == [(FIRST.id, "their_fault"), (SECOND.id, "ok")]


async def test_after_the_first_content_there_is_no_second_provider() -> None:
    house = world({FIRST.id: [[chunk("x"), fault(None, "stream")]]})
    run = house.begin(stream=True)
    assert await run.first(5)
    events = await collect(run)
    assert isinstance(events[-1], Fault)
    assert len(house.lane.sent) == 1
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert settled[2].input == profile().upper.input
    assert settled[2].output > 0
    assert house.journal.decisions[0].outcome == "broken"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (fault(None, "connect"), ("release", False)),
        (fault(429), ("release", True)),
        (fault(500), ("release", True)),
        (fault(None, "head", timeout=True), ("settle", "hold")),
        (fault(None, "head"), ("settle", "hold")),
        (fault(None, "head", lane_fault=True), ("settle", "hold")),
    ],
)
async def test_a_hold_is_released_only_where_nothing_can_have_been_consumed(
    end: Fault, expected: tuple[str, Any]
) -> None:
    plan = Level("settings", fallback=FallbackPlan(mode="fail"), max_wait_ms=0)
    house = world({FIRST.id: [[end]]}, FIRST, level=plan)
    with pytest.raises(FreeloaderError):
        await house.begin().first(5)
    what, detail = expected
    (row,) = house.books.said(what)
    assert row[1] == detail
    assert len(house.books.said("settle") + house.books.said("release")) == 1


async def test_missing_usage_is_counted_and_marked_never_free() -> None:
    events = [chunk("some words"), End()]
    house = world({FIRST.id: [events]})
    run = house.begin(stream=True)
    await run.first(5)
    await collect(run)
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert run.accounting()["estimated"] is True
    whole_answer = world({FIRST.id: [[whole(), End()]]})
    run = whole_answer.begin()
    await run.first(5)
    await collect(run)
    assert whole_answer.books.said("settle")[0][1] == "hold"


async def test_a_client_that_leaves_ends_the_upstream_call_and_is_still_charged() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [[chunk("one"), chunk("two")]]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    run.abandon()
    assert await house.tasks.drain(5) == 0
    assert house.lane.closed == [paid.id]
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    assert house.journal.decisions[0].outcome == "abandoned"
    assert house.journal.decisions[0].cost_pico > 0
    assert house.books.said("record") == []


async def test_leaving_before_anything_came_charges_the_hold() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [[Headers(200, {})]]}, paid)
    run = house.begin(stream=True)
    assert not await run.first(0.05)
    run.abandon()
    await house.tasks.drain(5)
    assert house.books.said("settle")[0][1] == "hold"


async def test_what_the_books_refuse_is_decided_again() -> None:
    house = world({SECOND.id: [list(GOOD)]})
    house.books.refuse[FIRST.id] = Verdict("quota", "quota_exhausted", "raced", until=9e9)
    run = house.begin(stream=True)
    assert await run.first(5)
    assert run.routing()["provider"] == "b"
    assert "quota: raced" in str(run.routing()["alternatives"])


@pytest.mark.parametrize(
    ("first", "second", "error", "code"),
    [
        (fault(500), fault(503), UpstreamFailed, "upstream_failed"),
        (fault(None, timeout=True), fault(None, timeout=True), UpstreamTimeout, None),
        (fault(429), fault(429), QuotaExhausted, "quota_exhausted"),
        (fault(400, body='{"error": {"message": "odd"}}'), None, InvalidRequest, None),
    ],
)
async def test_how_failure_is_called(
    first: Fault, second: Fault | None, error: type[FreeloaderError], code: str | None
) -> None:
    scripts: dict[str, list[list[Event]]] = {FIRST.id: [[first]]}
    if second is not None:
        scripts[SECOND.id] = [[second]]
    house = world(scripts)
    with pytest.raises(error) as caught:
        await house.begin().first(5)
    assert code in (None, caught.value.code)
    assert len(caught.value.details["attempts"]) == len(scripts)
    assert caught.value.details["decisionId"]


async def test_nobody_may_serve() -> None:
    house = world({})
    with pytest.raises(NoModelPassesGates) as caught:
        await house.begin(needs=frozenset({"vision"})).first(5)
    assert caught.value.details["gates"][0]["refused"] == 2
    house.books.full = frozenset({FIRST.id, SECOND.id})
    with pytest.raises(QuotaExhausted) as busy:
        await house.begin().first(5)
    assert busy.value.retry_after is not None
    assert house.journal.decisions[-1].outcome == "quota_exhausted"


async def test_a_momentary_refusal_is_waited_out() -> None:
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=Level("settings", max_wait_ms=5_000))

    class Soon(dict[str, Verdict]):
        asked = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.asked += 1
            if self.asked > 4:
                return None
            now = SystemClock().now().wall
            return Verdict("breaker", "quota_exhausted", "soon", until=now + 0.02)

    house.books.pauses = Soon()
    run = house.begin(stream=True)
    assert await run.first(5)
    assert len(house.lane.sent) == 1


async def test_a_requests_cap_bounds_the_sum_of_its_attempts() -> None:
    one = deployment("a", "m", tier="paid", price=PAID, speed=9.0)
    two = deployment("b", "m", tier="paid", price=PAID, speed=2.0)
    hold = PAID.ceiling(profile().upper)
    lost = fault(None, "head", timeout=True)
    capped = Level("request", max_cost=hold + hold // 2)
    house = world({one.id: [[lost]], two.id: [list(GOOD)]}, one, two)
    with pytest.raises(FreeloaderError):
        await house.begin(level=capped).first(5)
    assert len(house.lane.sent) == 1
    assert house.books.said("settle") == [(one.id, "hold", profile().upper)]


async def test_explain_sends_and_holds_nothing() -> None:
    house = world({})
    shown = house.explain()
    assert shown["winner"]["deployment"] == FIRST.id
    assert [c["deployment"] for c in shown["candidates"]] == [FIRST.id, SECOND.id]
    assert house.lane.sent == []
    assert house.books.log == []


async def test_two_requests_of_one_name_share_no_hold() -> None:
    """A request id is the client's own choice: with it, one hold paid for many calls."""
    house = world({FIRST.id: [list(GOOD), list(GOOD)]})
    runs = [house.begin(stream=True), house.begin(stream=True)]
    for run in runs:
        await run.first(5)
        await collect(run)
    first, second = house.lane.sent
    assert first.request_id == second.request_id == "r"
    assert first.id != second.id
    assert len({row.id for row in house.journal.attempts}) == 2


async def test_a_bug_on_the_way_ends_the_request_at_once_and_is_still_charged() -> None:
    house = world({FIRST.id: [[Delta(7, True)]]}, FIRST)  # type: ignore[arg-type]
    run = house.begin(stream=True)
    with pytest.raises(FreeloaderError) as caught:
        await run.first(5)
    assert caught.value.code == "internal_error"
    assert house.books.said("settle")[0][1] == "hold"
    assert house.journal.decisions[0].outcome == "internal_error"


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_a_provider_that_quotes_our_key_does_not_spread_it(status: int) -> None:
    quoted = '{"error": {"message": "' + "x" * 292 + ' hush-hush is wrong", "code": "hush-hush"}}'
    house = world({FIRST.id: [[fault(status, body=quoted)]]}, FIRST)
    with pytest.raises(FreeloaderError) as caught:
        await house.begin().first(5)
    said = f"{caught.value.message} {caught.value.details} {house.journal}"
    assert "xxx" in said
    assert "hush" not in said


async def test_what_looks_like_a_secret_is_masked_before_people_see_it() -> None:
    body = '{"error": {"message": "sorry, whisper here"}}'
    house = world({FIRST.id: [[fault(500, body=body)]]}, FIRST)
    house.scrub = lambda text: text.replace("whisper", "***")
    with pytest.raises(FreeloaderError) as caught:
        await house.begin().first(5)
    said = f"{caught.value.message}{caught.value.details}{house.journal.decisions}"
    assert "***" in said
    assert "whisper" not in said


@pytest.mark.parametrize(
    ("capabilities", "thought", "all_of_it"),
    [
        (frozenset({"streaming", "reasoning"}), None, True),
        (frozenset({"streaming", "reasoning"}), "hm", False),
        (frozenset({"streaming"}), None, False),
    ],
)
async def test_what_may_have_been_thought_unseen_is_charged_too(
    capabilities: frozenset[str], thought: str | None, all_of_it: bool
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID, capabilities=capabilities)
    script: list[Event] = [chunk("one")]
    if thought:
        delta = {"reasoning_content": thought}
        script.insert(0, Delta({"choices": [{"index": 0, "delta": delta}]}, True))
    house = world({paid.id: [script]}, paid)
    run = house.begin(stream=True)
    assert await run.first(5)
    while house.lane.scripts[paid.id]:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    run.abandon()
    await house.tasks.drain(5)
    (settled,) = house.books.said("settle")
    assert settled[1] == "counted"
    upper = upper_meters(profile(), paid).output
    assert (settled[2].output == upper) is all_of_it
    assert upper > 20


@pytest.mark.parametrize(
    "data",
    [
        {"choices": "abc"},
        {"choices": {"a": 1}},
        {"choices": [None, 1]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None, {"function": "f"}]}}]},
        {"choices": [{"delta": {"content": [1], "function_call": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {"a": 1}}}]}}]},
    ],
)
async def test_a_provider_that_sends_odd_shapes_breaks_nothing(data: dict[str, Any]) -> None:
    house = world({FIRST.id: [[Delta(data, True), used(), End()]]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert house.books.said("settle")[0][1] == "reported"


async def test_a_refusal_for_its_rate_is_waited_out_and_tried_again() -> None:
    """The only model is refused for its minute: the same request gets it a moment later."""
    refused = [fault(429, body="tokens per minute (TPM): try again in 0.02s")]
    wait = Level("settings", max_wait_ms=5_000)
    house = world({FIRST.id: [refused, list(GOOD)]}, FIRST, level=wait)
    started = SystemClock().now()
    run = house.begin()
    assert await run.first(5)
    await collect(run)
    assert [attempt.deployment.id for attempt in house.lane.sent] == [FIRST.id, FIRST.id]
    assert SystemClock().now().mono - started.mono < 4


async def test_patience_is_for_all_waits_of_a_request_together() -> None:
    """Refused whenever its turn comes, it does not wait as long again for the next one."""
    refused = [fault(429, body="tokens per minute (TPM): try again in 0.3s")]
    wait = Level("settings", max_wait_ms=700)
    house = world({FIRST.id: [refused] * 4}, FIRST, level=wait)
    with pytest.raises(QuotaExhausted):
        await house.begin().first(10)
    assert len(house.lane.sent) in (2, 3)


async def test_patience_that_ends_says_how_it_is_then() -> None:
    """Held by others all the time: the refusal after the wait is of that moment."""
    wait = Level("settings", max_wait_ms=60)
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=wait)
    until = iter([0.01, 0.01, 45.0, 45.0, 45.0, 45.0, 45.0])

    def quota(what: Deployment, upper: Meters, now: float) -> Verdict:
        return Verdict("quota", "quota_exhausted", "no room", until=now + next(until, 45.0))

    house.books.quota = quota  # type: ignore[method-assign]
    with pytest.raises(QuotaExhausted) as problem:
        await house.begin().first(5)
    assert problem.value.retry_after == pytest.approx(45, abs=1)


async def test_a_refusal_for_its_rate_that_lasts_too_long_says_when() -> None:
    refused = [fault(429, body="tokens per minute (TPM): try again in 30s")]
    wait = Level("settings", max_wait_ms=5_000)
    house = world({FIRST.id: [refused]}, FIRST, level=wait)
    with pytest.raises(QuotaExhausted) as problem:
        await house.begin().first(5)
    assert problem.value.retry_after == pytest.approx(30, abs=1)


async def test_a_busy_budget_is_waited_for_as_long_as_the_request_may_wait() -> None:
    """However many looks that takes: only races against the books are counted."""
    wait = Level("settings", max_wait_ms=60_000)
    house = world({FIRST.id: [list(GOOD)]}, FIRST, level=wait)

    class Busy(dict[str, Verdict]):
        asked = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.asked += 1
            if self.asked > 80:
                return None
            now = SystemClock().now().wall
            return Verdict("budget", "quota_exhausted", "busy", until=now)

    house.books.pauses = Busy()
    run = house.begin(stream=True)
    assert await run.first(30)
    assert len(house.lane.sent) == 1


SLUGGISH = Health(samples=50, success_rate=1.0, latency_ms=30_000.0, tokens_per_second=10.0)


@pytest.mark.parametrize(
    ("kind", "own", "answered"),
    [
        ("named", None, True),  # naming a model means that model, however slow it was
        ("auto", None, True),  # a preset's haste is given up before nobody answers
        ("auto", 2_000.0, False),  # a limit that somebody stated is kept
        ("named", 2_000.0, False),
    ],
)
async def test_a_presets_latency_limit_never_leaves_a_request_unanswered(
    kind: str, own: float | None, answered: bool
) -> None:
    wanted = Resolution(kind, "a/m", frozenset({FIRST.id}) if kind == "named" else frozenset())
    house = world({FIRST.id: [list(GOOD)]}, FIRST, resolution=wanted)
    house.books.healths = {FIRST.id: SLUGGISH}
    run = house.begin(stream=True, level=Level("request", gates=Gates(max_latency=own)))
    if answered:
        assert await run.first(5)
    else:
        with pytest.raises(NoModelPassesGates):
            await run.first(5)


async def test_among_others_a_preset_still_prefers_the_quick() -> None:
    house = world({SECOND.id: [list(GOOD)]})
    house.books.healths = {FIRST.id: SLUGGISH}
    run = house.begin(stream=True)
    assert await run.first(5)
    assert run.routing()["provider"] == "b"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"max_tokens": 4000}, {"max_tokens": 1000}),
        ({"max_completion_tokens": 4000}, {"max_completion_tokens": 1000}),
        (
            {"max_tokens": 4000, "max_completion_tokens": 4000},
            {"max_tokens": 1000, "max_completion_tokens": 1000},
        ),
        ({}, {"max_tokens": 1000}),
    ],
)
async def test_a_lowered_bound_is_sent_under_the_clients_own_name_and_said(
    given: dict[str, int], sent: dict[str, int]
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({paid.id: [list(GOOD)]}, paid)
    house.books.budget_left = 2_000_000 * 1000
    output = 4000 if given else 0
    run = house.begin(
        upper=Meters(requests=1, output=output), bounded=bool(given), payload=given, stream=True
    )
    assert await run.first(5)
    await collect(run)
    (attempt,) = house.lane.sent
    assert dict(attempt.profile.payload) == sent
    assert run.headers()["X-Freeloader-Max-Tokens"] == "1000"


async def test_where_nobody_knows_a_bound_the_owners_ceiling_is_sent() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID, max_output=None)
    house = world({paid.id: [list(GOOD)]}, paid)
    house.books.ceiling = 512
    run = house.begin(bounded=False, upper=Meters(requests=1), stream=True)
    assert await run.first(5)
    await collect(run)
    assert house.lane.sent[0].profile.payload["max_tokens"] == 512
    assert run.headers()["X-Freeloader-Max-Tokens"] == "512"


async def test_a_bound_that_fits_is_left_alone() -> None:
    house = world({FIRST.id: [list(GOOD)]})
    run = house.begin(stream=True)
    assert await run.first(5)
    await collect(run)
    assert "X-Freeloader-Max-Tokens" not in run.headers()


@dataclass
class SlowLane(Lane):
    """Gives the last events of a script only once it is let go on."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, attempt: Attempt) -> AsyncIterator[Event]:
        self.sent.append(attempt)
        try:
            yield Headers(200, {})
            await self.go_on.wait()
            for event in self.scripts[attempt.deployment.id].pop(0):
                yield event
        finally:
            self.closed.append(attempt.deployment.id)


async def test_a_paid_answer_whose_client_left_is_drained_for_its_true_usage() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    lane = SlowLane({paid.id: [[whole(), used(10, 5), End()]]})
    house = World(Books.of([paid]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    run.abandon()
    assert lane.closed == []
    lane.go_on.set()
    assert await house.tasks.drain(5) == 0
    assert house.books.said("settle") == [(paid.id, "reported", Meters(1, 10, output=5))]
    (decision,) = house.journal.decisions
    assert (decision.outcome, decision.cost_pico) == (
        "abandoned",
        PAID.cost(Meters(1, 10, 0, 0, 5)),
    )


async def test_draining_is_bounded_and_then_the_hold_is_charged() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    lane = SlowLane({paid.id: [[]]})
    house = World(Books.of([paid]), lane)
    house.leave_seconds = 0.02
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    async with asyncio.timeout(5):
        while len(house.tasks):
            await asyncio.sleep(0.005)
    assert lane.closed == [paid.id]
    assert house.books.said("settle")[0][1] == "hold"


async def test_nobody_is_asked_a_second_time_for_a_client_that_left() -> None:
    first = deployment("a", "m", tier="paid", price=PAID, speed=9.0)
    second = deployment("b", "m", tier="paid", price=PAID, speed=1.0)
    lane = SlowLane({first.id: [[fault(500)]], second.id: [[whole(), used(), End()]]})
    house = World(Books.of([first, second]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    lane.go_on.set()
    await house.tasks.drain(5)
    assert [a.deployment.id for a in lane.sent] == [first.id]


async def test_what_costs_nothing_is_not_waited_for() -> None:
    lane = SlowLane({FIRST.id: [[whole(), used(), End()]]})
    house = World(Books.of([FIRST]), lane)
    run = house.begin()
    assert not await run.first(0.01)
    run.abandon()
    assert await house.tasks.drain(5) == 0
    assert lane.closed == [FIRST.id]


async def test_a_budget_that_refuses_is_told_to_the_books() -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    house = world({}, paid)
    house.books.budget_left = 0
    with pytest.raises(BudgetExceeded):
        await house.begin().first(5)
    assert house.books.said("refused") == [("budget_exceeded",)]


@pytest.mark.parametrize(
    ("said", "proven"),
    [({"cost": 0}, True), ({"cost": 0.0}, True), ({"cost": 0.01}, False), ({}, False),
     ({"cost": None}, False), ({"cost": False}, False), ({"cost": "0"}, False)],
)  # fmt: skip
async def test_only_the_providers_own_word_proves_a_call_free(
    said: dict[str, Any], proven: bool
) -> None:
    paid = deployment("a", "m", tier="paid", price=PAID)
    told = Usage(Meters(requests=1, input=10, output=5), True, said)
    house = world({paid.id: [[whole(), told, End()]]}, paid)
    run = house.begin()
    assert await run.first(5)
    await collect(run)
    assert house.books.facts[-1].proven_free is proven


async def test_pictures_are_counted_by_us_where_the_provider_counts_tokens_only() -> None:
    priced = Price(1_000_000, 2_000_000, per_image=7)
    paid = deployment("a", "m", tier="paid", price=priced)
    house = world({paid.id: [[whole(), used(10, 5), End()]]}, paid)
    run = house.begin(upper=Meters(requests=1, input=9_000, output=500, images=3))
    assert await run.first(5)
    await collect(run)
    ((_, basis, meters),) = house.books.said("settle")
    assert (basis, meters.images) == ("reported", 3)
    assert house.journal.decisions[0].cost_pico == priced.cost(Meters(1, 10, output=5)) + 3 * 7
