"""The lane that speaks to the provider itself: one POST, its answer as events.

It chooses nothing, retries nothing and counts no money. (A field that the server does
not know is left out, and asked again: such a refusal consumed nothing.) Redirects are
not followed: a key is for one host.
"""

from __future__ import annotations

from freeloader.clock import Clock
from freeloader.core.events import Event, Fault
from freeloader.core.model import Attempt, Deployment
from freeloader.core.outcome import BUSY
from freeloader.gateway.lanes.base import Sending
from freeloader.gateway.lanes.direct.address import HeadersOf, base_of
from freeloader.gateway.lanes.direct.answers import our_fault
from freeloader.gateway.lanes.direct.call import Call
from freeloader.gateway.lanes.direct.pool import Full, Kept, Pool, Pools
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
        self._headers_of = HeadersOf()

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

    def send(self, attempt: Attempt) -> Sending:
        """The attempt's events. Raises nothing but cancellation; closing it gives the call up."""
        return _Sent(self, attempt)

    def call(self, attempt: Attempt) -> tuple[Call, Pool] | None:
        """A call that is not sent yet, and whose connections it goes by; None: not directly."""
        base = self._bases.of(attempt.deployment)
        if base is None:
            return None
        call = Call(attempt, base, self._gaps, self._clock, self._headers_of)
        self._running.add(call)
        return call, self._pools.of(attempt.deployment.provider.id, base)

    def over(self, call: Call) -> None:
        """Closed if it is not, and known no more."""
        call.close()
        self._running.discard(call)


class _Sent:
    """One attempt's events, one after the other. (No generator: each of these costs the loop a
    note of it, and another when it is gone.)"""

    __slots__ = ("_attempt", "_call", "_events", "_lane", "_over", "_pool", "_way")

    def __init__(self, lane: DirectLane, attempt: Attempt) -> None:
        self._lane, self._attempt = lane, attempt
        self._call: Call | None = None
        self._pool: Pool | None = None
        self._way: Kept | None = None
        self._events: list[Event] = []  # the next one is the last of them
        self._over = False

    def __aiter__(self) -> _Sent:
        return self

    async def __anext__(self) -> Event:
        if not self._events:
            if not self._over:
                try:
                    self._events = await self._further()
                except BaseException:
                    self._end()
                    raise
            if not self._events:
                self._end()
                raise StopAsyncIteration
            self._events.reverse()
        return self._events.pop()

    async def aclose(self) -> None:
        self._events = []
        self._end()

    async def _further(self) -> list[Event]:
        """What came next; nothing once it is over."""
        if self._call is not None:
            return await self._call.more()
        attempt = self._attempt
        found = self._lane.call(attempt)
        if found is None:
            self._over = True
            message = f"{attempt.deployment.id} cannot be spoken to directly"
            return [Fault(our_fault(message, "NotDirect"))]
        self._call, self._pool = found
        try:
            self._way = await self._pool.enter(attempt.timeouts.connect)
        except Full:
            self._end()
            message = f"too many calls at {attempt.deployment.provider.id} at a time"
            return [Fault(our_fault(message, BUSY))]
        return await self._call.open(self._way)

    def _end(self) -> None:
        """The call's place is free again, and its connection if it was not read to its end."""
        self._over = True
        way, self._way = self._way, None
        if way is not None and self._pool is not None:
            self._pool.leave(way)
        call, self._call = self._call, None
        if call is not None:
            self._lane.over(call)
