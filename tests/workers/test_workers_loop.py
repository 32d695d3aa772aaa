"""The loop over jobs: what runs, when, how often, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import pytest

from freeloader.clock import Instant
from freeloader.errors import ConfigError, Conflict, NotFound, Unavailable
from freeloader.store.rows import JobState
from freeloader.workers.jobs import Retention, by_lines, expiry, first_jobs, load_jobs, retention
from freeloader.workers.loop import BACKOFF_MAX_S, Job, Loop, Progress

NOON = 1_795_176_000.0  # 2026-11-20T12:00:00Z


@dataclass
class FakeClock:
    wall: float = NOON
    mono: float = 50.0

    def now(self) -> Instant:
        return Instant(self.wall, self.mono)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


@dataclass
class Memory:
    states: dict[str, JobState] = field(default_factory=dict)
    broken: bool = False

    async def jobs(self) -> Mapping[str, JobState]:
        if self.broken:
            raise Unavailable("the database cannot be used now", code="ledger_unavailable")
        return dict(self.states)

    async def save_job(self, state: JobState) -> None:
        if self.broken:
            raise Unavailable("the database cannot be used now", code="ledger_unavailable")
        self.states[state.name] = state


class Work:
    """A job's body that can be held open, made to fail, and counts its runs."""

    def __init__(self, clock: FakeClock) -> None:
        self.runs: list[float] = []
        self.clock = clock
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, progress: Progress) -> str:
        self.runs.append(self.clock.wall)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        progress.say("working")
        try:
            if self.gate:
                await self.gate.wait()
            if self.error:
                raise self.error
            return "did it"
        finally:
            self.at_once -= 1


def build(line: str = "0 * * * *", **options: float) -> tuple[Loop, Work, FakeClock, Memory]:
    clock, memory = FakeClock(), Memory()
    work = Work(clock)
    return Loop([Job("work", line, work, **options)], clock, memory, Random(1)), work, clock, memory


async def settle_down(loop: Loop) -> None:
    await asyncio.gather(*loop.tick())


async def test_a_job_runs_when_it_is_due_and_not_before_and_not_twice() -> None:
    loop, work, clock, memory = build()
    await settle_down(loop)
    clock.pass_(3599)
    await settle_down(loop)
    assert work.runs == []
    clock.pass_(1)
    await settle_down(loop)
    await settle_down(loop)
    assert work.runs == [NOON + 3600]
    assert memory.states["work"].last_result == "did it"
    assert memory.states["work"].next_due == NOON + 7200


async def test_a_run_missed_while_stopped_or_asleep_is_made_up_once() -> None:
    loop, work, clock, memory = build()
    memory.states["work"] = JobState("work", next_due=NOON - 5 * 3600)
    await loop.load()
    await settle_down(loop)
    assert work.runs == [NOON]
    clock.pass_(10 * 3600 + 5)
    await settle_down(loop)
    await settle_down(loop)
    assert work.runs == [NOON, NOON + 36_005]


async def test_jitter_starts_late_but_within_its_bound() -> None:
    loop, work, clock, _ = build(jitter_s=600.0)
    due = loop.listing()[0]["nextDue"]
    assert "2026-11-20T13:00:00" < due < "2026-11-20T13:10:00"
    clock.pass_(3600 + 600)
    await settle_down(loop)
    assert len(work.runs) == 1


async def test_a_clock_set_back_does_not_put_a_job_off() -> None:
    loop, work, clock, _ = build()
    clock.wall -= 30 * 86_400
    await settle_down(loop)
    clock.pass_(3600)
    await settle_down(loop)
    assert len(work.runs) == 1


async def test_never_two_runs_of_one_job_at_once() -> None:
    loop, work, clock, _ = build(timeout_s=60.0)
    work.gate = asyncio.Event()
    clock.pass_(3600)
    running = loop.tick()
    await asyncio.sleep(0)
    clock.pass_(3600)
    assert loop.tick() == []
    with pytest.raises(Conflict):
        await loop.run_now("work")
    shown = loop.listing()[0]
    assert (shown["running"], shown["progress"]) == (True, "working")
    work.gate.set()
    await asyncio.gather(*running)
    assert work.most_at_once == 1
    assert loop.listing()[0]["running"] is False


async def test_a_failing_job_backs_off_is_reported_and_recovers() -> None:
    loop, work, clock, memory = build("* * * * *")
    work.error = RuntimeError("with a secret in it")
    pauses = []
    for _ in range(9):
        clock.wall = memory.states["work"].next_due if memory.states else NOON + 60
        await settle_down(loop)
        pauses.append(memory.states["work"].next_due - clock.wall)
    assert pauses[:4] == [60, 120, 240, 480]
    assert pauses[-1] == BACKOFF_MAX_S
    shown = loop.listing()[0]
    assert (shown["failures"], shown["lastResult"]) == (9, "failed: RuntimeError")
    work.error = None
    clock.wall = memory.states["work"].next_due
    await settle_down(loop)
    assert loop.listing()[0]["failures"] == 0
    assert memory.states["work"].next_due - clock.wall <= 60


async def test_backing_off_is_remembered_and_not_undone_by_a_restart() -> None:
    loop, work, clock, memory = build("* * * * *")
    memory.states["work"] = JobState("work", next_due=NOON + 960, failures=5)
    await loop.load()
    clock.pass_(900)
    await settle_down(loop)
    assert work.runs == []


async def test_a_run_over_its_time_limit_is_ended_and_counts_as_failed() -> None:
    loop, work, _, memory = build(timeout_s=0.0)
    work.gate = asyncio.Event()
    shown = await loop.run_now("work")
    assert shown["lastResult"] == "failed: not done after 0 s"
    assert memory.states["work"].failures == 1


async def test_run_now_runs_out_of_turn_and_tells_what_came_of_it() -> None:
    loop, work, _, _ = build("0 0 1 1 *")
    work.error = Unavailable("the disk is full")
    shown = await loop.run_now("work")
    assert (len(work.runs), shown["lastResult"]) == (1, "failed: the disk is full")
    with pytest.raises(NotFound, match="there are: work"):
        await loop.run_now("wrok")


async def test_who_asked_for_a_run_may_leave_and_it_goes_on() -> None:
    loop, work, _, memory = build()
    work.gate = asyncio.Event()
    asked = asyncio.create_task(loop.run_now("work"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    work.gate.set()
    while loop.listing()[0]["running"]:
        await asyncio.sleep(0)
    assert memory.states["work"].last_result == "did it"


async def test_without_memory_jobs_still_run() -> None:
    loop, work, clock, memory = build()
    memory.broken = True
    await loop.load()
    clock.pass_(3600)
    await settle_down(loop)
    assert len(work.runs) == 1
    assert loop.listing()[0]["lastResult"] == "did it"


async def test_the_loop_runs_what_is_due_and_one_failure_does_not_end_it() -> None:
    clock, memory = FakeClock(), Memory()
    bad, good = Work(clock), Work(clock)
    bad.error = ValueError("no")
    jobs = [Job("bad", "0 * * * *", bad), Job("good", "0 * * * *", good)]
    for job in jobs:
        memory.states[job.name] = JobState(job.name, next_due=NOON - 1)
    loop = Loop(jobs, clock, memory, Random(1))
    await loop.load()
    running = asyncio.create_task(loop.run())
    while len(good.runs) < 1 or len(bad.runs) < 1 or memory.states["good"].last_run is None:
        await asyncio.sleep(0)
    await loop.run_now("good")
    assert not running.done()
    loop.stop()
    await running
    assert len(good.runs) == 2


async def test_stopping_ends_a_running_job() -> None:
    loop, work, clock, _ = build()
    work.gate = asyncio.Event()
    clock.pass_(3600)
    running = asyncio.create_task(loop.run())
    while not work.runs:
        await asyncio.sleep(0)
    loop.stop()
    await running
    assert work.at_once == 0


async def test_a_bad_line_is_refused_when_the_loop_is_built() -> None:
    with pytest.raises(ConfigError):
        build("every day")


class Books:
    """Counts what the first jobs ask of the store."""

    def __init__(self) -> None:
        self.trims: list[tuple[float, int | None, int | None]] = []
        self.now = 0.0

    async def trim(
        self, before: float, max_rows: int | None = None, max_bytes: int | None = None
    ) -> int:
        self.trims.append((before, max_rows, max_bytes))
        return 7

    async def settle_dead(self, now: float) -> list[object]:
        self.now = now
        return [object()]

    async def drop_expired_windows(self, now: float) -> int:
        return 2


async def test_retention_goes_by_the_rules_as_they_are_at_the_time() -> None:
    ledger, journal, clock = Books(), Books(), FakeClock()
    rules = [Retention(days=2.0, max_rows=10, max_bytes=99)]
    done = await retention(
        Progress(), ledger=ledger, journal=journal, clock=clock, rules=lambda: rules[0]
    )
    assert done == "7 usage rows rolled up, 7 journal rows deleted"
    rules[0] = Retention(None, None, None)
    await retention(Progress(), ledger=ledger, journal=journal, clock=clock, rules=lambda: rules[0])
    assert ledger.trims == journal.trims == [(NOON - 172_800, 10, 99), (0.0, None, None)]


async def test_expiry_says_what_it_ended() -> None:
    ledger = Books()
    done = await expiry(Progress(), ledger=ledger, clock=FakeClock())
    assert (done, ledger.now) == ("1 dead holds charged, 2 ended windows dropped", NOON)


async def test_the_first_jobs_run_in_the_loop() -> None:
    ledger, journal, clock = Books(), Books(), FakeClock()
    loop = Loop(first_jobs(ledger, journal, clock, Retention), clock, Memory(), Random(1))
    results = [(await loop.run_now(name))["failures"] for name in ("retention", "expiry")]
    assert results == [0, 0]
    assert (len(journal.trims), ledger.now) == (1, NOON)


async def test_the_load_is_looked_at_by_the_clock_without_a_request() -> None:
    looks = [{"state": "normal", "reason": None}, {"state": "warning", "reason": "queue of 12"}]
    loop = Loop(load_jobs(lambda: looks.pop(0)), FakeClock(), Memory(), Random(1))
    results = [(await loop.run_now("load"))["lastResult"] for _ in range(2)]
    assert results == ["normal", "warning: queue of 12"]


async def test_other_lines_hold_from_the_next_look_on_and_memory_stays() -> None:
    loop, work, clock, _ = build()
    await loop.run_now("work")
    other = Work(clock)
    jobs = by_lines([Job("work", "", work), Job("new", "", other)], {"work": "5 * * * *"})
    assert [job.name for job in jobs] == ["work"], "without a line a job does not run"
    loop.replace([*jobs, Job("new", "10 * * * *", other)], "UTC")
    clock.pass_(299)
    await settle_down(loop)
    assert len(work.runs) == 1
    clock.pass_(1)
    await settle_down(loop)
    clock.pass_(300)
    await settle_down(loop)
    assert (len(work.runs), len(other.runs)) == (2, 1)
    loop.replace([Job("new", "10 * * * *", other)], "UTC")
    with pytest.raises(NotFound):
        await loop.run_now("work")


async def test_a_bad_line_changes_nothing() -> None:
    loop, work, clock, _ = build()
    with pytest.raises(ConfigError):
        loop.replace([Job("work", "every day", work)], "UTC")
    clock.pass_(3600)
    await settle_down(loop)
    assert len(work.runs) == 1


async def test_another_zone_moves_what_is_due() -> None:
    loop, _, _, _ = build("0 2 * * *")
    loop.replace([Job("work", "0 2 * * *", Work(FakeClock()))], "Asia/Kolkata")
    assert loop.listing()[0]["nextDue"] == "2026-11-20T20:30:00.000Z"


async def test_a_job_that_was_dropped_while_it_ran_is_still_ended_with_the_loop() -> None:
    loop, work, clock, _ = build()
    work.gate = asyncio.Event()
    clock.pass_(3600)
    running = asyncio.create_task(loop.run())
    while not work.runs:
        await asyncio.sleep(0)
    loop.replace([], "UTC")
    loop.stop()
    await running
    assert work.at_once == 0


async def test_jobs_that_were_missed_in_a_sleep_do_not_all_start_at_once() -> None:
    clock = FakeClock()
    works = [Work(clock) for _ in range(6)]
    jobs = [Job(f"job{n}", "0 * * * *", work) for n, work in enumerate(works)]
    loop = Loop(jobs, clock, Memory(), Random(1), "UTC")
    await loop.load()
    clock.wall += 8 * 3600  # the monotonic clock stood still
    started = [len(loop.tick())]
    for _ in range(200):
        clock.pass_(1.0)
        started.append(len(loop.tick()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert max(started) == 1
    assert [len(work.runs) for work in works] == [1] * 6
