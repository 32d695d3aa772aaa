"""The holds of a multi-cast: all members' and the judge's, or none.

Asks ``core.cast.choosing`` whom, reserves one after the other in the books, and gives
everything back where one is refused or the client leaves meanwhile; then it asks again
without who was refused. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from freeloader.clock import Instant
from freeloader.core import explain, routing
from freeloader.core.cast import choosing, sharing, telling
from freeloader.core.cast.choosing import Party
from freeloader.core.model import Attempt, Profile, Verdict
from freeloader.core.routing import Ask, Candidate, bounds
from freeloader.core.snapshot import Snapshot
from freeloader.gateway.cast.member import Member
from freeloader.gateway.lowering import for_attempt
from freeloader.gateway.plan import Plan
from freeloader.gateway.ports import Hold
from freeloader.gateway.tools import Tools
from freeloader.gateway.waiting import Turn

#: How often the books may refuse what the decider allowed before fewer are taken (races only).
_RACES_MAX = 16


class Assembly:
    """Whom one request asks. ``party`` is as last chosen; ``judges``: the judge, if it is held."""

    def __init__(self, plan: Plan, request_id: str, decision_id: str, tools: Tools) -> None:
        self._plan, self._tools = plan, tools
        self._request_id, self._decision_id = request_id, decision_id
        self._number = 0
        self._no_judges: dict[str, Verdict] = {}
        self._others: list[dict[str, Any]] = []
        self.party = Party((), plan.policy.targets)
        self.judges: list[Member] = []

    async def hold(
        self, ask: Ask, turn: Turn, now: Instant, *, fewer: bool
    ) -> list[Member] | Candidate | None:
        """The members, everything held; None where nobody may serve right now.

        Unless ``fewer`` is fine: whom to wait for, where only what others hold keeps it out.
        """
        view = turn.view(self._tools.books)
        for _ in range(_RACES_MAX):
            found = sharing.party(ask, view, self._no_judges)
            if not found.members:
                return None
            if found.busy is not None and not fewer:
                return found.busy
            turn.taken()
            held = await self._reserve_all(found, ask, now)
            if held is None:
                turn.lost()
                ask = self._narrowed(ask)
                continue
            self.party = replace(found, members=tuple(self._scored(found.members, ask)))
            self._others = self._told_others(found, ask)
            if any(c.verdict is not None and c.verdict.code == "starting" for c in found.refused):
                self._tools.lane_wanted()
            members = [self._member(c, h) for c, h in zip(self.party.members, held, strict=False)]
            if found.judge is not None and found.judge_ask is not None:
                judge = routing.scored(found.judge, found.judge_ask, self._tools.books)
                self.judges = [self._member(judge, held[-1], found.judge_ask.profile)]
            return members
        return None

    async def another(self, ask: Ask, beside: Sequence[Member], now: Instant) -> Member | None:
        """One more, held, at none of the providers of ``beside``; None where nobody passes."""
        taken = [member.candidate.deployment for member in beside]
        for _ in range(_RACES_MAX):
            found = choosing.another(ask, self._tools.books, taken)
            if not found.members:
                return None
            held = await self._reserve_all(found, ask, now)
            if held is not None:
                member = self._member(self._scored(found.members, ask)[0], held[0])
                member.successor = True
                return member
            ask = self._narrowed(ask)
        return None

    def _narrowed(self, ask: Ask) -> Ask:
        """The same question without whom the books refused since it was put."""
        return replace(ask, avoid={**(ask.avoid or {}), **self._plan.avoid})

    def sent(self, members: Sequence[Member]) -> list[Member]:
        """Members, and the judge once it was asked, in the order of their attempts."""
        sent = [one for one in (*members, *self.judges) if one.begun]
        return sorted(sent, key=lambda member: member.number)

    def alternatives(self) -> list[dict[str, Any]]:
        """Who was refused, as ``routing.alternatives`` lists it."""
        return self._others

    async def _reserve_all(self, found: Party, ask: Ask, now: Instant) -> list[Hold] | None:
        """Every hold, the judge's last; None after a refusal, with nothing held any more."""
        wanted = [(one, ask) for one in found.members]
        if found.judge is not None and found.judge_ask is not None:
            wanted.append((found.judge, found.judge_ask))
        held: list[Hold] = []
        try:
            for at, (candidate, question) in enumerate(wanted, 1):
                got = await self._reserve(candidate, question, self._number + at, now)
                if isinstance(got, Verdict):
                    refused = self._no_judges if candidate is found.judge else self._plan.avoid
                    refused[candidate.deployment.id] = got
                    break
                held.append(got)
        except BaseException:
            self._give_back(held, now)
            raise
        if len(held) == len(wanted):
            return held
        await self._tools.tasks.start(self._released(held, now), f"release {self._decision_id}")
        self._number += len(wanted)  # an attempt's name is never used twice
        return None

    async def _reserve(
        self, candidate: Candidate, ask: Ask, number: int, now: Instant
    ) -> Hold | Verdict:
        deployment = candidate.deployment
        sent = for_attempt(ask.profile, deployment, candidate.output)
        return await self._tools.books.reserve(
            f"{self._decision_id}.{number}",
            self._decision_id,
            deployment,
            bounds.upper_meters(sent, deployment),
            self._plan.project,
            self._plan.caller.key_id,
            ask.policy,
            now,
            sent.surcharge,
        )

    def _give_back(self, held: Sequence[Hold], now: Instant) -> None:
        work = self._released(held, now)
        self._tools.tasks.start(work, f"release {self._decision_id}")

    async def _released(self, held: Sequence[Hold], now: Instant) -> None:
        for hold in held:
            await self._tools.books.release(hold, now, sent=False)

    def _member(self, candidate: Candidate, hold: Hold, profile: Profile | None = None) -> Member:
        """``profile``: another question than the request's (the judge's)."""
        plan, deployment = self._plan, candidate.deployment
        asked = profile
        if asked is None:
            racing = plan.policy.aggregation == "first" and plan.profile.stream
            asked = plan.profile if racing else replace(plan.profile, stream=False)
        self._number += 1
        attempt = Attempt(
            id=hold.attempt_id,
            request_id=self._request_id,
            number=self._number,
            deployment=deployment,
            profile=for_attempt(asked, deployment, candidate.output),
            timeouts=self._tools.rules.timeouts(deployment.provider.id),
        )
        return Member(candidate, hold, attempt, self._decision_id, self._tools)

    def _scored(self, some: Sequence[Candidate], ask: Ask) -> list[Candidate]:
        return [routing.scored(one, ask, self._tools.books) for one in some]

    def _told_others(self, found: Party, ask: Ask) -> list[dict[str, Any]]:
        return [explain.alternative(one) for one in self._scored(found.refused, ask)]


def dry_run(ask: Ask, books: Snapshot) -> dict[str, Any]:
    """Whom a request would ask, who would judge, and the whole hold; nothing is held."""
    found = sharing.party(ask, books)
    members = tuple(routing.scored(one, ask, books) for one in found.members)
    judge = found.judge
    if judge is not None and found.judge_ask is not None:
        judge = routing.scored(judge, found.judge_ask, books)
    return telling.planned(replace(found, members=members, judge=judge), ask.policy)
