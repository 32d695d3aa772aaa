"""Benchmarks as they are run: planned, asked one by one, kept at once, resumed after a crash.

Every answer is a request of the project ``benchmarks`` through the pipeline, so budgets,
quotas and the journal hold for it, and what it measured of speed and success is known
like any traffic's. What a round has already (``rounds``) is not asked again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from freeloader.benchmarks import checks, plan, results
from freeloader.benchmarks.plan import Rules, Step, Subject, Window
from freeloader.benchmarks.ports import Ask, BooksView, Kept, Reply, Row, Says, Spent, Wishes
from freeloader.benchmarks.results import Answered, Rating
from freeloader.benchmarks.rounds import Rounds
from freeloader.benchmarks.suite import Prompt, Suite
from freeloader.clock import Clock, iso
from freeloader.core.model import Deployment
from freeloader.errors import FreeloaderError, NotFound

PROJECT = "benchmarks"
OUTPUT_MAX = 600
ANSWER_S = 120.0
#: After so many failures in a row a deployment is left alone until the next run.
FAILURES_MAX = 3
#: A window counts as a day's where it is at least so long (seconds); shorter ones refill soon.
_DAY_S = 20 * 3600.0

#: The provider's own failures. Whatever else comes back (a budget, a quota, a gate said no) says
#: nothing of the model: it is not kept, and the rest of its prompts waits for the next run.
_ITS_OWN = frozenset({"upstream_failed", "upstream_timeout"})


class Benchmarks:
    """One per daemon. ``used`` says whether a deployment has answered a request, ``busy``
    whether somebody's request is under way; ``changed`` is told of new results."""

    def __init__(
        self,
        suite: Suite,
        kept: Kept,
        books: BooksView,
        ask: Ask,
        spent: Spent,
        wishes: Callable[[], Wishes],
        used: Callable[[Deployment], bool],
        busy: Callable[[], bool],
        clock: Clock,
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._suite, self._books = suite, books
        self._rounds = Rounds(kept, clock, suite.version)
        self._ask, self._spent, self._wishes = ask, spent, wishes
        self._used, self._busy = used, busy
        self._clock, self._changed = clock, changed
        self._turn = asyncio.Lock()

    async def run(
        self, progress: Says, models: Collection[str] = (), *, asked: bool = False
    ) -> str:
        """One run; a sentence on what it did. What it could not ask now waits for the next."""
        async with self._turn:
            planned = await self._plan(models, asked)
            answered, failing = 0, defaultdict[str, int](int)
            stopped: dict[str, str] = {}
            for number, step in enumerate(planned.steps, 1):
                if self._busy() and not asked:
                    break  # the owner's own requests come first; the next run goes on
                deployment = self._books.deployments.get(step.deployment)
                if deployment is None or step.deployment in stopped:
                    continue
                why = await self._refused(deployment, asked)
                if why:
                    stopped[step.deployment] = why
                    continue
                progress.say(f"{step.deployment}: {step.prompt.id} ({number}/{len(planned.steps)})")
                problem = await self._one(step, deployment)
                failing[step.deployment] = failing[step.deployment] + 1 if problem else 0
                if problem and problem not in _ITS_OWN:
                    stopped[step.deployment] = problem
                elif failing[step.deployment] >= FAILURES_MAX:
                    stopped[step.deployment] = f"{FAILURES_MAX} failures in a row: {problem}"
                answered += not problem
        if answered:
            await self._changed()
        if not planned.steps:
            return _nobody(planned)
        told = "".join(f"; {name} waits: {why}" for name, why in sorted(stopped.items()))
        count = len(planned.left_out)
        return f"{answered} of {len(planned.steps)} answers, {count} models not asked{told}"

    async def dry_run(self, models: Collection[str] = (), *, asked: bool = True) -> Row:
        """What a run would ask now, and why not more. Asks nothing."""
        planned = await self._plan(models, asked)
        counts: dict[str, int] = defaultdict(int)
        for step in planned.steps:
            counts[step.deployment] += 1
        return {
            "dryRun": True,
            "prompts": len(self._suite.prompts),
            "requests": len(planned.steps),
            "models": [{"deployment": name, "requests": n} for name, n in sorted(counts.items())],
            "leftOut": [
                {"deployment": name, "reason": why}
                for name, why in sorted(planned.left_out.items())
            ],
        }

    async def ratings(self) -> dict[tuple[str, str], Rating]:
        """What was shown lately, by provider and model."""
        groups = await self._rounds.answers()
        return {key: results.rate(answers) for key, (answers, _) in groups.items()}

    async def shown(self) -> list[Row]:
        """The ratings as lists show them, best first."""
        groups = await self._rounds.answers()
        rows = [
            {"provider": provider, "model": model, "at": iso(at), **results.rate(rows).shown()}
            for (provider, model), (rows, at) in groups.items()
        ]
        return sorted(rows, key=lambda r: (-(r["quality"]["overall"] or 0), r["provider"]))

    # ── inside ───────────────────────────────────────────────────────────────

    async def _plan(self, models: Collection[str], asked: bool) -> plan.Plan:
        for name in models:
            if not any(plan.named(id_, (name,)) for id_ in self._books.deployments):
                raise NotFound(f"Nothing here is called {name[:100]!r}; `xswarm models` lists all.")
        rules = await self._rules(asked)
        done = await self._rounds.done()
        subjects = [
            self._subject(deployment, done)
            for deployment in self._books.deployments.values()
            if plan.named(deployment.id, models) and deployment.provider.kind != "simulated"
        ]
        return plan.plan(subjects, self._suite.prompts, rules)

    async def _rules(self, asked: bool) -> Rules:
        wishes = self._wishes()
        left = max(0, wishes.monthly_pico - await self._spent()) if wishes.monthly_pico else 0
        here = datetime.fromtimestamp(self._clock.now().wall, ZoneInfo(wishes.timezone))
        quiet = plan.within(wishes.hours, here.hour, here.minute)
        return Rules(wishes.share, left, quiet, asked)

    def _subject(
        self, deployment: Deployment, done: Mapping[str, frozenset[tuple[str, int]]]
    ) -> Subject:
        return Subject(
            id=deployment.id,
            local=deployment.local,
            billable=deployment.billable,
            used=self._used(deployment),
            windows=tuple(self._windows(deployment)),
            done=done.get(deployment.id, frozenset()),
        )

    def _windows(self, deployment: Deployment) -> list[Window]:
        """Its windows of requests over a day or longer, with what benchmarks took of them."""
        now = self._clock.now()
        found = []
        for row in self._books.windows_of(deployment, now):
            if row.get("metric") != "requests" or _seconds(str(row.get("window"))) < _DAY_S:
                continue
            amount, left = row.get("limit"), row.get("remaining")
            if amount is not None and left is not None:
                # A window of one model counts that model's; any other all of the account's.
                whose = deployment.id if row.get("model") else deployment.account.name
                probed = self._rounds.probed(whose)
                found.append(Window(int(amount), int(left), probed))
        return found

    async def _refused(self, deployment: Deployment, asked: bool) -> str | None:
        """Looked at again before each request: others spend quota and money meanwhile."""
        rules = await self._rules(asked)
        subject = self._subject(deployment, {})
        allowed = plan.allowance(subject, rules)
        spent = plan.SPENT if allowed is not None and allowed <= 0 else None
        return plan.refusal(subject, rules) or spent

    async def _one(self, step: Step, deployment: Deployment) -> str:
        """Asks once and keeps what came, at once; '' where an answer came, else what was wrong."""
        body: Row = {
            "model": deployment.id,
            "messages": [{"role": "user", "content": step.prompt.text}],
            "max_tokens": OUTPUT_MAX,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "freeloader": {"project": PROJECT, "fallback": "error", "maxWait": 65_000},
        }
        if deployment.billable:
            left = (await self._rules(True)).budget_pico
            body["freeloader"]["max_cost"] = left / 10**12
        try:
            reply = await self._ask(body)
        except FreeloaderError as problem:
            if problem.code not in _ITS_OWN:
                return problem.code
            answered = Answered(step.prompt.id, step.prompt.task, None, problem=problem.code)
        else:
            answered = _judged(step.prompt, reply)
        await self._rounds.keep(step, deployment, answered)
        return answered.problem


def _judged(prompt: Prompt, reply: Reply) -> Answered:
    digest = hashlib.sha256(" ".join(reply.text.split()).casefold().encode()).hexdigest()[:16]
    return Answered(
        prompt.id,
        prompt.task,
        checks.score(reply.text, prompt.checks),
        ms=reply.ms,
        first_ms=reply.first_ms,
        output=int(reply.usage.get("tokensOut") or 0),
        text=digest,
    )


def _seconds(window: str) -> float:
    """How long a window is; a month, and credits, are long."""
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}.get(window[-1:])
    return float(window[:-1]) * unit if unit and window[:-1].isdigit() else 31 * 86_400.0


def _nobody(planned: plan.Plan) -> str:
    """Why a run asked nobody: the reason that most of those left out share."""
    reasons = Counter(planned.left_out.values())
    if not reasons:
        return "nobody was asked: no account has a model to rate"
    (why, count), *others = reasons.most_common()
    more = f"; {sum(n for _, n in others)} for other reasons" if others else ""
    return f"nobody was asked: {count} models left out ({why}){more}"
