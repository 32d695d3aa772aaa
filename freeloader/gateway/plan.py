"""What is being asked, as it stands: the policy with its levels, what was tried and what failed.

A run changes it as it goes; it decides nothing and sends nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

from freeloader.core import routing as deciding
from freeloader.core.budget import actions
from freeloader.core.budget.actions import InForce
from freeloader.core.fallback import Failed
from freeloader.core.model import Caller, Gates, Level, Policy, Profile, Resolution, Verdict
from freeloader.core.policy import combine, patient


@dataclass(slots=True)
class Plan:
    """What is being asked, as it stands after the failures so far."""

    profile: Profile
    caller: Caller
    policy: Policy
    resolution: Resolution
    project: str | None
    #: What the policy was put together from, the request's own level first.
    levels: tuple[Level, ...] = ()
    #: What a spent budget says of policy: nearer than the request itself.
    over: tuple[Level, ...] = ()
    in_force: tuple[InForce, ...] = ()
    #: Why nothing that can be billed may serve, where a budget left nobody else.
    no_paid: Verdict | None = None
    tried: frozenset[str] = frozenset()
    avoid: dict[str, Verdict] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    #: What each failure changed, in words.
    notes: list[str] = field(default_factory=list)
    spent_pico: int = 0
    #: Some of that is a safe guess: nobody knows the price of what was asked.
    unpriced: bool = False
    #: The conversation's name, and the deployment that answered it last.
    session: Hashable | None = None
    stay: str | None = None

    def outer(self) -> Policy:
        """The policy in force were the request to state no gate of its own."""
        own = [replace(level, gates=Gates()) for level in self.levels[:1]]
        return combine([*self.over, *own, *self.levels[1:]])

    def give_way(self, every: Sequence[deciding.Candidate]) -> bool:
        """True if a hard limit's action lets others serve now that nobody's hold fits it."""
        found = actions.last_resort(c.verdict for c in every)
        level = None if found is None or self.over else actions.level_of(found[0])
        if found is None or level is None:
            return False
        action, verdict = found
        self.over = (level,)
        self.policy = combine([level, *self.levels])
        self.policy = patient(self.policy) or self.policy
        self.no_paid = verdict if action == actions.LOCAL_ONLY else None
        self.in_force = (*self.in_force, actions.of_verdict(action, verdict))
        return True
