"""Given the answers so far: is it over, and does a member that failed get a successor? Pure.

first      one good answer is enough; a successor only where nobody else is at it
all, best  everybody's answer is waited for
consensus  enough that agree are enough; else everybody's is waited for
"""

from __future__ import annotations

from dataclasses import dataclass

from freeloader.core.cast.voting import Vote


@dataclass(frozen=True, slots=True)
class Standing:
    """How many answered well, how many are still at it, and how those that did agree."""

    aggregation: str
    good: int
    pending: int
    vote: Vote | None = None


def over(standing: Standing) -> bool:
    """True once no further answer could change what the client gets, or none can come."""
    if standing.pending == 0:
        return True
    if standing.aggregation == "first":
        return standing.good > 0
    if standing.aggregation == "consensus":
        return standing.vote is not None and standing.vote.agreed
    return False


def wants_another(standing: Standing) -> bool:
    """Whether a member that failed is worth replacing, if the request's fallback allows it."""
    if standing.aggregation == "first":
        return standing.good == 0 and standing.pending == 0
    return not (standing.vote is not None and standing.vote.agreed)
