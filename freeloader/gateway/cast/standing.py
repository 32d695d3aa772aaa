"""How a multi-cast stands: who was asked, who answered, who won, what it cost together.

The state of one run besides what every run knows; nothing here sends, holds or waits
(``run`` does), and nothing is told (``teller`` does).
"""

from __future__ import annotations

from freeloader.core.cast import progress, voting
from freeloader.gateway.cast import answering
from freeloader.gateway.cast.assembly import Assembly
from freeloader.gateway.cast.member import Member
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.settling import Settled
from freeloader.money import Meters


class Standing:
    """``good``: in the order in which their answers came; ``stopped``: the policy wants an
    error rather than a second try."""

    def __init__(self, so_far: SoFar, assembly: Assembly) -> None:
        self._so_far = so_far
        self.assembly = assembly
        self.members: list[Member] = []
        self.good: list[Member] = []
        self.winner: Member | None = None
        self.vote: voting.Vote | None = None
        self.stopped = False
        self.verdict = answering.UNJUDGED

    @property
    def racing(self) -> bool:
        """The first content decides, and is given as it comes."""
        return self._so_far.plan.policy.aggregation == "first" and self._so_far.plan.profile.stream

    def won(self, member: Member) -> None:
        """This member's answer is the request's."""
        self.winner, self._so_far.watch = member, member.watch
        self._so_far.chosen = member.candidate
        self._so_far.alternatives = self.assembly.alternatives()

    def progress(self) -> progress.Standing:
        """Who has answered and who may still."""
        pending = sum(m.pending for m in self.members)
        return progress.Standing(
            self._so_far.plan.policy.aggregation, len(self.good), pending, self.vote
        )

    def over(self, *, left: bool) -> bool:
        """True once the outcome is certain; ``left``: nobody is there any more for an answer."""
        if self.winner is not None:
            return not self.winner.pending
        if left:
            return not any(member.pending for member in self.members)
        return progress.over(self.progress())

    def account(self) -> None:
        """Everything settled so far, as one: meters and money are sums."""
        asked = self.assembly.sent(self.members)
        self._so_far.attempts = [answering.shown(member) for member in asked]
        done = [member.settled for member in asked if member.settled is not None]
        self._so_far.plan.spent_pico = sum(one.cost for one in done)
        self._so_far.plan.unpriced = any(one.unpriced for one in done)
        if not done or len(done) < len(asked):
            return
        used = sum((one.used for one in done), Meters())
        exact = all(one.basis in ("reported", "released") for one in done)
        self._so_far.settled = Settled(
            None,
            used,
            "reported" if exact else "counted",
            self._so_far.plan.spent_pico,
            {},
            answering.premium(self._so_far.plan.policy.aggregation, self.good, self.winner),
        )
