"""What one attempt at a deployment can consume at most, and what has to be held for it.

Meters and picodollars follow from the request's bound, or the model's where it has none.
No quota and no budget is asked here (``core.routing`` does, with these).
"""

from __future__ import annotations

from dataclasses import replace

from freeloader.core.model import Deployment, Profile
from freeloader.money import Meters

#: Where a budget leaves room for less than was asked for, no answer is cut below this many
#: tokens (or the client's own bound, where that is smaller): less is no answer.
LEAST_OUTPUT = 256
#: Output that an unbounded request claims of a free quota. Nine in ten answers are
#: shorter; claiming the model's own bound would let one request fill a minute's window,
#: and the worst that too small a claim can cause on a free account is a refusal.
UNBOUNDED_QUOTA_OUTPUT = 2_048
#: Nor more than this part of what is there for hours or days: the last of it, smaller than a
#: claim, would never be used.
_PART = 20


def upper_meters(profile: Profile, deployment: Deployment) -> Meters:
    """What one attempt at this deployment can consume: the profile's bound, or the model's.

    Where money can flow an unbounded answer is held at all the model may write.
    """
    if profile.bounded:
        return profile.upper
    bound = answer_bound(profile, deployment)
    if not deployment.billable:
        bound = min(bound, _claim(deployment))
    return profile.upper.with_output(bound * profile.choices)


def _claim(deployment: Deployment) -> int:
    """What an unbounded answer claims of a free quota."""
    claim = UNBOUNDED_QUOTA_OUTPUT
    for limit in deployment.limits:
        if (
            limit.amount < _PART * claim
            and limit.metric in ("tokens", "output")
            and limit.window[-1] not in "sm"  # 1h, 1d, month, once: not the seconds and minutes
        ):
            claim = max(LEAST_OUTPUT, limit.amount // _PART)
    return claim


def answer_bound(profile: Profile, deployment: Deployment) -> int:
    """Tokens that one answer can have: by the client, else the model, else the owner's ceiling."""
    if profile.bounded:
        return profile.upper.output // profile.choices
    model = deployment.model
    bound = model.max_output or profile.output_ceiling
    if model.context is not None:
        bound = min(bound, max(1, model.context - profile.expected.input))
    return bound


def bounded(profile: Profile, output: int) -> Profile:
    """The same request with ``output`` as the bound on each answer's tokens."""
    upper = profile.upper.with_output(output * profile.choices)
    return replace(profile, upper=upper, bounded=True)


def hold_for(profile: Profile, deployment: Deployment) -> int | None:
    """Picodollars to hold before sending; 0 where nothing can be billed, None: price unknown."""
    if not deployment.billable:
        return 0
    price = deployment.model.price
    upper = upper_meters(profile, deployment)
    return None if price is None else profile.surcharge.on(price.ceiling(upper))
