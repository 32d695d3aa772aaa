"""The way of a request between surface and lane: policy, decision, attempts.

``begin`` puts the policy together and starts a ``Run``; ``explain`` answers
what would be decided, sending and spending nothing. The steps themselves are
in ``run``; this module holds what happens before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from freeloader.clock import Instant
from freeloader.core import explain, history, routing
from freeloader.core.model import Caller, Policy, Profile
from freeloader.core.policy import patient, tighten
from freeloader.core.routing import bounds, relax
from freeloader.errors import Forbidden, InvalidRequest, Unavailable
from freeloader.gateway import guarding, refusal
from freeloader.gateway.cast.assembly import dry_run
from freeloader.gateway.cast.run import CastRun
from freeloader.gateway.classifying import Classifier
from freeloader.gateway.owners_rules import OwnersRules
from freeloader.gateway.plan import Plan
from freeloader.gateway.policies import of_name
from freeloader.gateway.ports import BooksPort
from freeloader.gateway.reading import Reader
from freeloader.gateway.run import Run
from freeloader.gateway.sessions import conversation
from freeloader.gateway.tools import Tools

#: Requests in the house at once; more are shed at the door with 503 and a wait.
IN_FLIGHT_MAX = 1024
#: Who is shed is told to come back within so many seconds, each at a time of its own.
_BACK_WITHIN_S = 3


class Pipeline:
    """One per daemon."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._rules = OwnersRules()
        self._reader = Reader(tools.rules.watching, tools.rules.curve)
        self._classifier: Classifier | None = None

    def classify_by(self, classifier: Classifier) -> None:
        """Who is asked what a request is about, where the owner wants that."""
        self._classifier = classifier

    async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile:
        """What takes a while and decides nothing: the request is read. Then ``begin`` it.

        Private data is looked for first; a classifier is asked only if ``spend``, and never
        about what is to be blocked.
        """
        project = _project(profile, caller)
        read = await self._reader.read(profile, project)
        classifier = self._classifier
        if classifier is None or not classifier.wanted(read) or guarding.blocked(read):
            return read
        return await classifier.refine(read, self._bound(read, caller, project), caller, ask=spend)

    def _bound(self, profile: Profile, caller: Caller, project: str | None) -> Profile:
        """The profile with what the owner's rule demands of it, for questions on its behalf.

        Raises Forbidden where a rule rejects it.
        """
        tools = self._tools
        now = tools.clock.now().wall
        rule = self._rules.match(tools.rules.rules(), profile, caller, project, now)
        gates = tighten((profile.level, *(() if rule is None else (rule.level,))))
        return replace(profile, level=replace(profile.level, gates=gates), project=project)

    def admit(self, waiting: int = 0) -> None:
        """Whether one more may begin, behind ``waiting`` in line. Raises Unavailable."""
        tools = self._tools
        flying = tools.load.in_flight + waiting
        if flying >= IN_FLIGHT_MAX or len(tools.tasks) >= 2 * IN_FLIGHT_MAX:
            raise Unavailable(
                f"{IN_FLIGHT_MAX} requests are in flight. Try again in a moment.",
                code="overloaded",
                retry_after=1 + int(_BACK_WITHIN_S * tools.roll()),
            )

    def begin(self, profile: Profile, caller: Caller, request_id: str) -> Run:
        """Starts answering. Raises FreeloaderError for what no candidate could change."""
        tools = self._tools
        self.admit()  # others may have begun while this one's body came
        now = tools.clock.now()
        plan = self._plan(profile, caller, now)
        decision_id = tools.new_id("dec")
        private = plan.profile.private
        if private is not None and private.counts:
            guarding.note(plan.profile, plan.project, caller, decision_id, tools)
            guarding.refuse(plan.profile, plan.project, caller, request_id, decision_id, tools)
        tools.retries.request(now.mono)
        kind = CastRun if plan.policy.strategy == "multi-cast" else Run
        return kind(plan, request_id, decision_id, tools)

    def explain(self, profile: Profile, caller: Caller) -> dict[str, Any]:
        """The decision that this request would get now: every candidate, terms, refusals, hold."""
        tools = self._tools
        now = tools.clock.now()
        plan = self._plan(profile, caller, now)
        ask, every = self._judged(plan, now)
        listed = [routing.scored(c, ask, tools.books) for c in every[: explain.MAX_CANDIDATES]]
        winner = listed[0] if listed and listed[0].verdict is None else None
        out: dict[str, Any] = {
            "requested": plan.resolution.requested,
            "resolvedAs": plan.resolution.kind,
            "rule": plan.resolution.rule,
            "task": plan.profile.task,
            "taskBy": plan.profile.task_by,
            "taskConfidence": round(plan.profile.confidence, 3),
            "complexity": round(plan.profile.complexity, 3),
            "need": plan.profile.need,
            "project": plan.project,
            "policy": explain.policy_shown(plan.policy),
            "versions": {
                "catalog": tools.rules.catalog_version(),
                "policy": tools.rules.policy_version(),
            },
            "estimate": {
                "upper": profile.upper.as_dict(),
                "expected": profile.expected.as_dict(),
            },
            "candidates": [_shown(c, tools.books) for c in listed],
            "candidatesTotal": len(every),
            "winner": None,
        }
        private = plan.profile.private
        if private is not None and private.counts:
            out["privacy"] = private.as_dict()
        if plan.in_force:
            out["budgetActions"] = [one.shown() for one in plan.in_force]
        if winner is not None:
            out["winner"] = explain.shown(winner)
            out["reason"] = explain.reason(winner, plan.policy, plan.resolution, 1)
            upper = bounds.upper_meters(plan.profile, winner.deployment)
            out["quota"] = {
                "claims": upper.as_dict(),
                "windows": tools.books.windows_of(winner.deployment, now),
            }
            if plan.policy.strategy == "multi-cast":
                out["multiCast"] = dry_run(ask, tools.books)
                out["reason"] = out["multiCast"].pop("reason")
                out["winner"] = next(iter(out["multiCast"]["members"]), out["winner"])
        else:
            found = relax.report(ask, tools.books, plan.outer()) if every else None
            problem = refusal.refused(every, plan.resolution.requested, now.wall, found)
            out["error"] = {"code": problem.code, "message": problem.message, **problem.details}
        return out

    def _judged(self, plan: Plan, now: Instant) -> tuple[routing.Ask, Sequence[routing.Candidate]]:
        """The question and every candidate, the winner first. As a run would, ``plan`` gives way
        before nobody answers: to a budget's action, then a preset's haste is given up."""
        tools = self._tools
        ask = routing.Ask(
            replace(plan.profile, project=plan.project),
            plan.policy,
            plan.resolution,
            now.wall,
            avoid=tools.lane_out(),
            key_id=plan.caller.key_id,
            after=tools.sessions.after,
            stay=plan.stay,
        )
        every = routing.explain(ask, tools.books)
        if not any(c.verdict is None for c in every[:1]) and plan.give_way(every):
            ask = replace(ask, policy=plan.policy, no_paid=plan.no_paid)
            every = routing.explain(ask, tools.books)
        calmer = patient(plan.policy)
        if calmer is not None and not any(c.verdict is None for c in every[:1]):
            plan.policy, ask = calmer, replace(ask, policy=calmer)
            every = routing.explain(ask, tools.books)
        return ask, every

    def _plan(self, profile: Profile, caller: Caller, now: Instant) -> Plan:
        project = _project(profile, caller)
        names = self._tools.rules.names()
        resolution = names.resolve(profile.model, profile.needs)
        names.check(profile.level.gates)
        profile = self._reader.read_now(profile, project)
        known = profile
        rules, books, wall = self._tools.rules, self._tools.books, now.wall
        rule = self._rules.match(rules.rules(), known, caller, project, wall)
        if rule is not None:
            resolution = self._rules.narrowed(rule, resolution, books.deployments, books.version)
        named = of_name(resolution.strategy)
        own = (profile.level, named) if rule is None else (profile.level, named, rule.level)
        levels = (*own, caller.level, *rules.levels(project), *guarding.levels(profile))
        spending = books.spending(project, wall)
        if spending.output_ceiling != known.output_ceiling:
            known = replace(known, output_ceiling=spending.output_ceiling)
        # A named model means that one: it gets what it can read.
        if resolution.kind != "named" and (signers := self._signers(known)):
            known = replace(known, signers=signers)
        over = () if spending.level is None else (spending.level,)
        monitor, by_name = self._tools.load, resolution.kind == "named"
        policy = self._tools.policies.of(
            (*over, *levels), monitor.state.level, monitor.rules, named=by_name
        )
        _comparable(policy, profile)
        plan = Plan(known, caller, policy, resolution, project, levels, over, spending.found)
        plan.session, further = conversation(known, caller, project, policy, resolution)
        plan.stay = self._tools.sessions.find(plan.session, further, now.mono)
        return plan

    def _signers(self, profile: Profile) -> frozenset[str]:
        """Whose signatures bind the request: those that any deployment here can read at all."""
        messages = profile.payload.get("messages")
        found = history.signers(messages) if isinstance(messages, list) else frozenset()
        every = self._tools.books.deployments.values() if found else ()
        return frozenset(s for s in found if any(history.reads(d, s) for d in every))


def _shown(candidate: routing.Candidate, books: BooksPort) -> dict[str, Any]:
    """A candidate as explained, with what was measured of it."""
    health = books.health(candidate.deployment.id)
    return {**explain.shown(candidate), "measured": explain.measured(candidate.deployment, health)}


def _comparable(policy: Policy, profile: Profile) -> None:
    """A vote or a judge compares one answer of each model."""
    compares = policy.strategy == "multi-cast" and policy.aggregation in ("consensus", "best")
    if compares and profile.choices > 1:
        raise InvalidRequest(
            f"n must be 1 with aggregation {policy.aggregation}: one answer of each model is "
            "compared. Leave n out, or use aggregation all or first.",
            param="n",
        )


def _project(profile: Profile, caller: Caller) -> str | None:
    """The request's project; a key bound to one cannot name another."""
    if caller.project is None:
        return profile.project
    if profile.project not in (None, caller.project):
        raise Forbidden(
            f"This key belongs to project '{caller.project}' and cannot act for "
            f"'{profile.project}'. Leave the project out, or use another key."
        )
    return caller.project
