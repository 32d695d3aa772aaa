"""What is known of one run so far: who was chosen, what was sent, what it came to.

A record that the run and its parts share; it decides nothing and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from freeloader.clock import Instant
from freeloader.core.model import Profile
from freeloader.core.routing import Candidate
from freeloader.gateway.attempts import Watch
from freeloader.gateway.limits import Limit
from freeloader.gateway.plan import Plan
from freeloader.gateway.settling import Settled
from freeloader.money import Meters


@dataclass(slots=True)
class SoFar:
    """``attempts`` as answers and journal show them, the last one perhaps still under way."""

    plan: Plan
    request_id: str
    decision_id: str
    started: Instant
    chosen: Candidate | None = None
    alternatives: list[dict[str, Any]] = field(default_factory=list)
    #: Refusals by gate, as far as the last decision looked (all, where nobody may serve).
    refusals: dict[str, int] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    #: The profile as it is sent to whom was chosen: what was held is for this.
    sent: Profile | None = None
    watch: Watch | None = None
    settled: Settled | None = None
    #: What all attempts used that counts in a quota: an answer with a flaw was one too.
    from_quotas: Meters = field(default_factory=Meters)
    waited_s: float = 0.0
    #: When the whole request is late; waiting for a turn puts it off.
    deadline: Limit | None = None
