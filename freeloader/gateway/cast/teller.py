"""What is told of a multi-cast: of every run the same, and of each member, vote and judge.

Everything is read off how it stands; nothing here changes it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from freeloader.core.cast import telling
from freeloader.errors import FreeloaderError
from freeloader.gateway.cast import answering
from freeloader.gateway.cast.member import Member
from freeloader.gateway.cast.standing import Standing
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.running.telling import Telling, counts_in_a_quota
from freeloader.gateway.tools import Tools
from freeloader.money import Meters
from freeloader.store.rows import DecisionRow


class CastTelling(Telling):
    """A run's, of several members."""

    def __init__(self, so_far: SoFar, tools: Tools, standing: Standing) -> None:
        super().__init__(so_far, tools)
        self._standing = standing

    def routing(self) -> dict[str, Any]:
        shown = self._routing()  # made anew: it depends on how the members stand
        if self._standing.members:
            shown["multiCast"] = self._told()
        if self._standing.winner is not None:
            shown["reason"] = self.reason()
        return shown

    def _told(self) -> dict[str, Any]:
        judge = answering.judge_told(self._standing.assembly, self._standing.verdict)
        vote = answering.vote_told(self._standing.vote, self._standing.members, self._standing.good)
        parts = [self._part(member) for member in self._standing.members]
        return telling.told(
            self._standing.assembly.party, self._so_far.plan.policy, parts, vote, judge
        )

    def _part(self, member: Member) -> telling.Part:
        return answering.part(
            member,
            won=member is self._standing.winner,
            good=member in self._standing.good,
            score=self._standing.verdict.scores.get(member.number),
        )

    def reason(self) -> str:
        parts = [self._part(member) for member in self._standing.members]
        return telling.reason(self._so_far.plan.policy, parts, self._told())

    def lowered(self) -> int | None:
        return self._standing.winner.candidate.output if self._standing.winner is not None else None

    def free(self) -> bool:
        return not any(member.candidate.deployment.billable for member in self._standing.members)

    def quota_used(self) -> Meters:
        """Each member by itself, and the judge: some of them may be billed, and others free."""
        if self._so_far.settled is None:
            return Meters()
        sent = self._standing.assembly.sent(self._standing.members)
        counted = [one for one in sent if counts_in_a_quota(one.candidate.deployment)]
        return sum((one.settled.used for one in counted if one.settled is not None), Meters())

    def row(self, status: str, error: FreeloaderError | None) -> DecisionRow:
        """The journal keeps who said it, never what was said."""
        row = super().row(status, error)
        routing = row.detail.get("routing", {})
        if "multiCast" not in routing:
            return row
        kept = {**routing, "multiCast": telling.kept(routing["multiCast"])}
        return replace(row, detail={**row.detail, "routing": kept})
