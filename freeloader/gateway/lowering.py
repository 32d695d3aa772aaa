"""A bound on the answer, lowered so that its hold fits: put where the client would have put it.

How low is ``core.routing``'s decision; this only writes it into what is sent.
"""

from __future__ import annotations

from freeloader.core import history
from freeloader.core.model import Deployment, Profile
from freeloader.core.routing.bounds import answer_bound, bounded
from freeloader.records import replace

_FIELDS = ("max_completion_tokens", "max_tokens")


def for_attempt(profile: Profile, deployment: Deployment, output: int | None) -> Profile:
    """The profile as one attempt sends it; ``output`` as decided for this deployment.

    Where money can flow and nobody knows the model's own bound, the owner's ceiling that
    was held for is sent too: else the answer could cost more than its hold.
    """
    profile = _readable(profile, deployment)
    if output is None and _unknown_bound(profile, deployment):
        output = answer_bound(profile, deployment)
    if output is None:
        return profile
    names = [name for name in _FIELDS if name in profile.payload] or ["max_tokens"]
    payload = {**profile.payload, **dict.fromkeys(names, output)}
    return replace(bounded(profile, output), payload=payload)


def _readable(profile: Profile, deployment: Deployment) -> Profile:
    """The conversation so far in the form that this deployment takes."""
    messages = profile.payload.get("messages")
    if not isinstance(messages, list):
        return profile
    found = history.translated(messages, deployment)
    if found is messages:
        return profile
    return replace(profile, payload={**profile.payload, "messages": found})


def _unknown_bound(profile: Profile, deployment: Deployment) -> bool:
    known = profile.bounded or deployment.model.max_output is not None
    return deployment.billable and not known
