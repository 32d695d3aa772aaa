"""A candidate that can be billed: does its hold fit the request's limit and all budgets?

Where it never would, the bound on the answer is lowered as far as it must be. Whether
anything is held at all is the books' (``Snapshot.budget`` only looks).
"""

from __future__ import annotations

from freeloader.core import budget
from freeloader.core.model import (
    Deployment,
    Policy,
    Profile,
    Verdict,
)
from freeloader.core.routing import bounds
from freeloader.core.routing.asking import Ask
from freeloader.core.snapshot import Snapshot


def money(
    ask: Ask, profile: Profile, snapshot: Snapshot, deployment: Deployment, besides: int = 0
) -> Verdict | None:
    """Of a deployment that can be billed: the request's own limit, and all budgets.

    ``besides``: picodollars that other attempts of the same request hold at the same time.
    """
    if not deployment.billable:
        return None
    if ask.no_paid is not None:
        return ask.no_paid
    cost = bounds.hold_for(profile, deployment)
    policy = ask.policy
    if cost:
        cost += besides
    if policy.max_cost is not None and (refused := _capped(policy, cost)) is not None:
        return refused
    return snapshot.budget(
        deployment, cost, profile.project, policy, ask.now, ask.key_id, ask.request_id
    )


def _capped(policy: Policy, cost: int | None) -> Verdict | None:
    """The request's own limit, or its key's on each request; an unknown price may be above it."""
    if cost is None:
        return Verdict("price", "price_unknown", "its price is unknown and the request has a limit")
    whose = "key's per-request" if policy.origins.get("max_cost") == "key" else "request's own"
    capped = budget.admit_request(policy.max_cost, 0, cost, whose)
    return None if capped is None else capped._replace(gate="maxCost")


def lowered(
    ask: Ask, snapshot: Snapshot, deployment: Deployment, verdict: Verdict
) -> tuple[Verdict | None, int | None]:
    """A hold that would never fit, with the largest bound on the answer that makes it fit.

    What only has to wait for other holds counts as fitting: then that is the verdict.
    Where not even ``bounds.LEAST_OUTPUT`` fits, that is the refusal: it says when it would.
    """
    if verdict.gate not in ("budget", "maxCost"):
        return verdict, None
    profile = ask.profile

    def with_bound(output: int) -> Verdict | None:
        return money(ask, bounds.bounded(profile, output), snapshot, deployment)

    fits, never = bounds.LEAST_OUTPUT, bounds.answer_bound(profile, deployment)
    if never <= fits:
        return verdict, None
    if _never(found := with_bound(fits)):
        return found, None
    while never - fits > 1:
        middle = (fits + never) // 2
        tried = with_bound(middle)
        if _never(tried):
            never = middle
        else:
            fits, found = middle, tried
    return found, fits


def _never(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.code != "budget_busy"
