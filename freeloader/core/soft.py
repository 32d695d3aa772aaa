"""Why somebody who may serve is put back while anybody else can: one function per reason.

A reason refuses nobody: it says that another candidate is to be taken, if one passes,
and ``Soft.only_free`` that the other must cost nothing. It is asked only of candidates
that nothing else refuses. Today there is none: pacing of free quotas and the load
monitor add theirs to ``reasons``.
"""

from __future__ import annotations

from collections.abc import Callable

from freeloader.core.model import Deployment, Policy, Profile
from freeloader.core.snapshot import Snapshot
from freeloader.core.strategies import Soft

Reason = Callable[[Deployment], Soft | None]


def reasons(profile: Profile, policy: Policy, snapshot: Snapshot, now: float) -> Reason | None:
    """The question put to each candidate that passes; None where no reason can apply."""
    found: list[Reason] = []
    if not found:
        return None

    def first(deployment: Deployment) -> Soft | None:
        return next((said for ask in found if (said := ask(deployment)) is not None), None)

    return first
