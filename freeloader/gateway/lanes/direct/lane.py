"""The lane that speaks to the provider itself: one POST, its answer as events.

It chooses nothing, retries nothing and counts no money. (A field that the server does
not know is left out, and asked again: such a refusal consumed nothing.) Redirects are
not followed: a key is for one host.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from freeloader.clock import Clock
from freeloader.core.events import Event, Fault
from freeloader.core.model import Attempt, Deployment
from freeloader.core.outcome import BUSY
from freeloader.gateway.lanes.direct.address import base_of
from freeloader.gateway.lanes.direct.answers import our_fault
from freeloader.gateway.lanes.direct.call import Call
from freeloader.gateway.lanes.direct.pool import Full, Pools
from freeloader.gateway.lanes.leaving_out import Gaps
from freeloader.gateway.lanes.remembering import Remembered


class DirectLane:
    """See ``gateway.lanes.base.Lane``."""

    def __init__(self, pools: Pools, clock: Clock) -> None:
        self._pools = pools
        self._clock = clock
        self._gaps = Gaps()
        self._running: set[Call] = set()
        self._bases = Remembered(base_of)

    @staticmethod
    def takes(deployment: Deployment) -> bool:
        """True where the deployment can be spoken to directly."""
        return base_of(deployment) is not None

    def woke(self) -> None:
        """The machine slept: kept connections are dropped, and running calls must say something."""
        self._pools.renew()
        for call in self._running:
            call.waits.woke()

    async def close(self) -> None:
        await self._pools.close()

    async def send(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """The attempt's events. Raises nothing but cancellation; closing it gives the call up."""
        base = self._bases.of(attempt.deployment)
        if base is None:
            message = f"{attempt.deployment.id} cannot be spoken to directly"
            yield Fault(our_fault(message, "NotDirect"))
            return
        call = Call(attempt, base, self._gaps, self._clock)
        self._running.add(call)
        pool = self._pools.of(attempt.deployment.provider.id, base)
        try:
            async with pool.call(attempt.timeouts.connect) as way:
                for event in await call.open(way):
                    yield event
                while events := await call.more():
                    for event in events:
                        yield event
        except Full:
            message = f"too many calls at {attempt.deployment.provider.id} at a time"
            yield Fault(our_fault(message, BUSY))
        finally:
            call.close()
            self._running.discard(call)
