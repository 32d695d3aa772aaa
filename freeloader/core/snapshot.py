"""What is true right now, as the decider sees it: a Protocol, kept by the books.

The decider reads it synchronously, so a decision sees one consistent state
without any copying. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import NamedTuple, Protocol

from freeloader.core.feedback import Opinion
from freeloader.core.model import EMPTY, Deployment, Policy, Verdict
from freeloader.core.pacing.plan import Strain
from freeloader.money import Meters
from freeloader.records import record

#: Below this many samples a measured rate or latency is noise, so the prior stands.
MIN_SAMPLES = 5


@record(frozen=True, slots=True)
class Health:
    """Measured behaviour of one deployment; ``samples`` 0 means: priors only.

    Latencies in ms (``latency_ms`` is the p95 of whole answers, ``first_ms`` of the
    first delta), ``tokens_per_second`` of output, ``success_rate`` 0–1 (decaying).
    """

    samples: int = 0
    success_rate: float | None = None
    latency_ms: float | None = None
    first_ms: float | None = None
    tokens_per_second: float | None = None
    #: What people said of this model's answers, by task.
    opinions: Mapping[str, Opinion] = EMPTY
    #: It can be billed, and its account's free allowance lasts for another call.
    covered: bool = False

    @property
    def speed(self) -> float | None:
        """Tokens a second on the registry's 1–10 scale: 10/s is 1, 3,000/s is 10."""
        if not self.tokens_per_second:
            return None
        value = 1 + 9 * log(self.tokens_per_second / 10) / log(300)
        return min(10.0, max(1.0, value))


UNMEASURED = Health()


class Rank(NamedTuple):
    """Which prepared order is meant (``ranking.strategies`` makes it, and the keys it sorts by).

    ``by``: ``score | price | latency | intelligence | provider | priority``; ``shares``
    of cost, speed, quality and locality; ``need`` the intelligence needed for ``task``,
    in halves, None: unknown; ``mix`` input to output of the request as a power of two,
    0 where the order does not go by price.
    """

    by: str
    shares: tuple[float, float, float, float]
    task: str = "chat"
    need: float | None = None
    mix: int = 0


class Snapshot(Protocol):
    """The books, read-only. All methods are synchronous and cheap (microseconds)."""

    @property
    def version(self) -> int:
        """Changes whenever the set of deployments does."""
        ...

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """All enabled deployments by id."""
        ...

    def ranked(self, rank: Rank) -> Sequence[str]:
        """Deployment ids in an order, the best first, kept up to date as health changes."""
        ...

    def health(self, deployment: str) -> Health: ...

    def paused(self, deployment: Deployment, now: float) -> Verdict | None:
        """A cooldown, an open breaker or a known-bad key, with ``until`` where known."""
        ...

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None:
        """None if every window of the deployment has room for ``upper`` (wall ``now``)."""
        ...

    def beyond_ceiling(self, deployment: Deployment, asked: Meters, now: float) -> Verdict | None:
        """The per-request ceiling that ``asked``, with the client's own bound, can never pass."""
        ...

    def budget(
        self,
        deployment: Deployment,
        cost: int | None,
        project: str | None,
        policy: Policy,
        now: float,
        key_id: str | None = None,
        request_id: str | None = None,
    ) -> Verdict | None:
        """None if a hold of ``cost`` picodollars would be admitted by every hard budget.

        ``cost`` None: the price is unknown, which any hard budget in force refuses.
        ``key_id``: the key whose own budget counts too; ``request_id``: the request whose
        earlier attempts count against its limit.
        """
        ...

    def strain(
        self, deployment: Deployment, expected: Meters, need: float, now: float
    ) -> Strain | None:
        """How a request that likely comes to ``expected`` and needs intelligence ``need`` would
        stand with the plan of the deployment's free quotas; None: there is nothing to plan."""
        ...
