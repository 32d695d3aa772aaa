"""How a multi-cast stands: who was asked, who answered, who won, what it cost, how it is told.

The state of one run and everything that is read off it; nothing here sends, holds or
waits (``run`` does).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from freeloader.core.cast import progress, telling, voting
from freeloader.gateway.cast import answering
from freeloader.gateway.cast.assembly import Assembly
from freeloader.gateway.cast.member import Member
from freeloader.gateway.plan import Plan
from freeloader.gateway.run import Run
from freeloader.gateway.settling import Settled
from freeloader.gateway.tools import Tools
from freeloader.money import Meters
from freeloader.store.rows import DecisionRow

#: Of the request's time so much is kept for making an answer of what is there, in seconds
#: and as a share; a judge is heard within it.
_MARGIN_S, _MARGIN_SHARE = 45.0, 0.2


class Standing(Run):
    """A run with members. Subclasses drive it."""

    def __init__(self, plan: Plan, request_id: str, decision_id: str, tools: Tools) -> None:
        self._assembly = Assembly(plan, request_id, decision_id, tools)
        self._members: list[Member] = []
        self._good: list[Member] = []  # in the order in which their answers came
        self._winner: Member | None = None
        self._vote: voting.Vote | None = None
        self._stopped = False  # the policy wants an error rather than a second try
        self._verdict = answering.UNJUDGED
        super().__init__(plan, request_id, decision_id, tools)

    @property
    def _racing(self) -> bool:
        """The first content decides, and is given as it comes."""
        return self._plan.policy.aggregation == "first" and self._plan.profile.stream

    def routing(self) -> dict[str, Any]:
        shown = super().routing()
        if self._members:
            shown["multiCast"] = self._told()
        if self._winner is not None:
            shown["reason"] = self._reason()
        return shown

    def _won(self, member: Member) -> None:
        self._winner, self._watch = member, member.watch
        self._chosen = member.candidate
        self._alternatives = self._assembly.alternatives()

    def _standing(self) -> progress.Standing:
        pending = sum(m.pending for m in self._members)
        return progress.Standing(
            self._plan.policy.aggregation, len(self._good), pending, self._vote
        )

    def _over(self) -> bool:
        if self._winner is not None:
            return not self._winner.pending
        if self._left:
            return not any(member.pending for member in self._members)
        return progress.over(self._standing())

    def _time_left(self, *, final: bool = False) -> float | None:
        """Seconds until an answer has to be made of what is there; ``final``: until it is late."""
        when = self._deadline.when() if self._deadline is not None else None
        if when is None or (self._racing and self._winner is not None):
            return None
        left = when - asyncio.get_running_loop().time()
        total = self._tools.rules.timeouts().total
        margin = min(_MARGIN_S, _MARGIN_SHARE * total)
        return max(0.0, left - (margin / 10 if final else margin))

    def _account(self) -> None:
        """Everything settled so far, as one: meters and money are sums."""
        asked = self._assembly.sent(self._members)
        self._attempts = [answering.shown(member) for member in asked]
        done = [member.settled for member in asked if member.settled is not None]
        self._plan.spent_pico = sum(one.cost for one in done)
        if not done or len(done) < len(asked):
            return
        used = sum((one.used for one in done), Meters())
        exact = all(one.basis in ("reported", "released") for one in done)
        self._settled = Settled(
            None,
            used,
            "reported" if exact else "counted",
            self._plan.spent_pico,
            {},
            answering.premium(self._plan.policy.aggregation, self._good, self._winner),
        )

    def _told(self) -> dict[str, Any]:
        judge = answering.judge_told(self._assembly, self._verdict)
        vote = answering.vote_told(self._vote, self._members, self._good)
        parts = [self._part(member) for member in self._members]
        return telling.told(self._assembly.party, self._plan.policy, parts, vote, judge)

    def _part(self, member: Member) -> telling.Part:
        return answering.part(
            member,
            won=member is self._winner,
            good=member in self._good,
            score=self._verdict.scores.get(member.number),
        )

    def _reason(self) -> str:
        parts = [self._part(member) for member in self._members]
        return telling.reason(self._plan.policy, parts, self._told())

    def _lowered(self) -> int | None:
        return self._winner.candidate.output if self._winner is not None else None

    def _free(self) -> bool:
        return not any(member.candidate.deployment.billable for member in self._members)

    def _row(self, status: str, error: Any) -> DecisionRow:
        """The journal keeps who said it, never what was said."""
        row = super()._row(status, error)
        routing = row.detail.get("routing", {})
        if "multiCast" not in routing:
            return row
        kept = {**routing, "multiCast": telling.kept(routing["multiCast"])}
        return replace(row, detail={**row.detail, "routing": kept})
