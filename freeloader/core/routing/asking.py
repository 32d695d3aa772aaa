"""The question put to the decider, a candidate as judged, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from freeloader.core.model import (
    Deployment,
    Policy,
    Profile,
    Resolution,
    Term,
    Verdict,
)
from freeloader.core.ranking.picking import Soft
from freeloader.records import record

#: How many runners-up a decision keeps (contract: ``alternatives[]``).
ALTERNATIVES = 3


@record(frozen=True, slots=True)
class Ask:
    """One question to the decider. ``now`` is wall seconds; ``tried`` are deployment ids.

    ``after``: the provider that had the last turn, where a strategy takes turns. ``stay``:
    the deployment that answered the conversation so far.
    """

    profile: Profile
    policy: Policy
    resolution: Resolution
    now: float
    tried: frozenset[str] = frozenset()
    avoid: Mapping[str, Verdict] | None = None
    #: Whose budget of its own is asked as well.
    key_id: str | None = None
    after: str | None = None
    stay: str | None = None
    #: Whose earlier attempts count against a limit per request (see ``Snapshot.budget``).
    request_id: str | None = None
    #: Why nothing that can be billed may serve, where that is so.
    no_paid: Verdict | None = None


class Candidate(NamedTuple):
    """One deployment as judged: ``verdict`` None means it may serve; ``soft``: only if nobody else.

    ``terms`` and their sum are filled by ``scored``, not while deciding. (A tuple:
    it is made ten thousand times per ``explain``, a third faster than a dataclass.)
    """

    deployment: Deployment
    verdict: Verdict | None
    terms: tuple[Term, ...] = ()
    score: float = 0.0
    hold: int | None = None
    soft: Soft | None = None
    #: The bound on one answer's tokens that lets its hold fit, where it had to be lowered.
    output: int | None = None
    #: It answered the conversation so far, and goes on.
    stays: bool = False
    #: Its place in the strategy's order, in words.
    standing: str = ""
    #: Whom the conversation left for it, and why.
    left: str = ""
    #: It can be billed, and its account's free allowance covered it when it was chosen.
    covered: bool = False

    @property
    def free(self) -> bool:
        """It costs nothing, as far as is known."""
        return self.covered or not self.deployment.billable


#: Makes one of all its parts: ``explain`` makes ten thousand, in half of the time.
candidate_of = partial(tuple.__new__, Candidate)


@record(frozen=True, slots=True)
class Decision:
    """The winner (None: nobody may serve), runners-up, and who was refused why.

    ``refused`` holds the most telling refusals, ``counts`` all refusals by gate.
    """

    winner: Candidate | None
    alternatives: tuple[Candidate, ...] = ()
    refused: tuple[Candidate, ...] = ()
    counts: Mapping[str, int] | None = None
