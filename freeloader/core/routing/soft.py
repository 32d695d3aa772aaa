"""Why somebody who may serve is put back while anybody else can: one function per reason.

A reason says that another candidate is to be taken, if one passes, ``Soft.only_free`` that
the other must cost nothing, and ``Soft.refuses`` that nobody is better than this one, which
``judging`` follows or not. It is asked only of candidates that nothing else refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from freeloader.core.model import Deployment, Policy, Profile, Verdict
from freeloader.core.pacing import plan
from freeloader.core.policy.load import SLOW
from freeloader.core.ranking import scoring
from freeloader.core.ranking.picking import Soft
from freeloader.core.routing import kept
from freeloader.core.snapshot import Snapshot

_NEAR = Soft(Verdict("load", "overloaded", "is a local model while the load is critical"))
_KEPT = Verdict("pacing", "quota_exhausted", "kept for later")
Reason = Callable[[Deployment], Soft | None]


def reasons(profile: Profile, policy: Policy, snapshot: Snapshot, now: float) -> Reason | None:
    """The question put to each candidate that passes; None where no reason can apply."""
    found: list[Reason] = []
    if policy.above is not None:
        found.append(_no_stronger(policy.above, profile.task, snapshot))
    if policy.skip_slow:
        found.append(_slow(snapshot))
    if policy.pacing != "off" and policy.strategy not in plan.EXEMPT and policy.order is None:
        found.append(_paced(profile, policy, snapshot, now))
    if not found:
        return None
    if len(found) == 1:
        return found[0]

    def first(deployment: Deployment) -> Soft | None:
        return next((said for ask in found if (said := ask(deployment)) is not None), None)

    return first


def _no_stronger(above: float, task: str, snapshot: Snapshot) -> Reason:
    """After an answer of poor quality: whoever is stronger than who gave it goes first."""

    def ask(deployment: Deployment) -> Soft | None:
        value = scoring.intelligence(deployment, task, snapshot.health(deployment.id))
        if value is not None and value > above:
            return None
        said = "unknown" if value is None else f"{value:g}"
        reason = f"intelligence {said} is no more than the {above:g} that failed"
        return Soft(Verdict("upgrade", "no_model_passes_gates", reason))

    return ask


def _slow(snapshot: Snapshot) -> Reason:
    """While the load is critical: whoever is fast and not on this machine goes first."""

    def ask(deployment: Deployment) -> Soft | None:
        if deployment.local:
            return _NEAR
        speed = scoring.speed_blend(deployment, snapshot.health(deployment.id))
        if speed >= SLOW:
            return None
        reason = f"speed {speed:.1f} < {SLOW:g} while the load is critical"
        return Soft(Verdict("load", "overloaded", reason))

    return ask


def _paced(profile: Profile, policy: Policy, snapshot: Snapshot, now: float) -> Reason:
    """A free quota that is ahead of its plan, or is needed by others: those on plan go first."""
    need, _ = plan.need_of(policy, profile)
    expected, strain = profile.expected, snapshot.strain
    strict = policy.pacing == "strict"

    def ask(deployment: Deployment) -> Soft | None:
        found = strain(deployment, expected, need, now)
        if found is None or not (found.spares or found.left):
            return None
        refuses = found.refuses_strictly if strict else found.refuses
        if not (found.spares or refuses):
            return None
        why = partial(kept.said, found, now)
        return Soft(_KEPT, True, found.value, why, lambda: found.firm, refuses)

    return ask
