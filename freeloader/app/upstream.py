"""The two ways to providers, put together: who may be asked now, and when a child is needed.

It judges no request and knows no wire: what can be spoken to directly is the direct
lane's word, what the child knows is the world's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from freeloader.app.world import World
from freeloader.child.keeper import Keeper
from freeloader.clock import Clock
from freeloader.core.model import EMPTY, Resolution, Verdict
from freeloader.gateway.lanes.choosing import AUTO, DIRECT, LITELLM, Lanes
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.gateway.lanes.direct.pool import Pools
from freeloader.gateway.lanes.litellm import LiteLLMLane
from freeloader.gateway.ports import LanePort

_log = logging.getLogger(__name__)

#: A request waits so long for a child that is being started, then gets 503 ``starting``.
CHILD_WAIT_S = 45.0
#: A request for a model that was just added waits so long for the child that knows it: at
#: worst two children are started for that, one after the other.
CATCH_UP_S = 120.0

_STARTING = Verdict("lane", "starting", "the LiteLLM child that serves it is not ready yet")
_NEVER = Verdict(
    "lane", "no_model_passes_gates", "it needs the LiteLLM child, and upstream.lane is direct"
)


class Upstream:
    """One per daemon. ``mode`` gives ``upstream.lane`` as it is set now."""

    def __init__(
        self,
        world: World,
        keeper: Keeper,
        clock: Clock,
        mode: Callable[[], str],
        proxies: Mapping[str, str] = EMPTY,
    ) -> None:
        self._world, self._published = world, world.published
        self._keeper, self._mode = keeper, mode
        self._direct = DirectLane(Pools(proxies), clock)
        self._child = LiteLLMLane(keeper)
        self.lane: LanePort = Lanes(self._child, self._direct, world.published.child_knows, mode)
        self._busy = asyncio.Lock()

    async def start(self) -> None:
        """The child, where it does the calls; in mode ``auto`` it waits until it is needed."""
        if self._mode() == LITELLM:
            await self._start_child()

    async def take_over(self) -> None:
        """The settings changed: a child that is needed now starts, one that is not ends."""
        async with self._busy:
            if self._mode() == DIRECT and self._keeper.started:
                await self._keeper.stop()
        await self.start()

    async def ready(self, wanted: Resolution) -> None:
        """Until a model that ``wanted`` means can be asked. Raises Unavailable (``starting``)."""
        mode = self._mode()
        if mode == DIRECT or (not self._keeper.served() and self._published.spoken(wanted)):
            return
        if not self._keeper.served():
            await self.up()
        await self._published.served(wanted, CATCH_UP_S)

    async def up(self) -> None:
        """Until the child answers; it is started where it is not. Raises Unavailable."""
        await self._start_child()
        await self._keeper.wait_ready(CHILD_WAIT_S)

    def wanted(self) -> None:
        """Somebody would have been served by the child: in mode ``auto`` that starts it."""
        if self._mode() == AUTO and not self._keeper.started and not self._busy.locked():
            self._world.keep(self._start_child(), "start the child")

    def out(self) -> Mapping[str, Verdict]:
        """Who cannot be asked now for want of a child, by deployment id."""
        if self._mode() == DIRECT:
            return self._published.child_only(_NEVER)
        if self._keeper.served():
            return EMPTY
        return self._published.child_only(_STARTING)

    def answers(self) -> bool:
        """True if somebody can be asked now, or will be started when it is needed."""
        if self._keeper.served() or self._mode() != LITELLM:
            return True
        return self._published.speaks

    def shown(self) -> dict[str, Any]:
        """JSON-ready: the mode, how many models each way serves, and whether the child matters."""
        mode = self._mode()
        total, alone = (
            len(self._world.deployments),
            len(self._published.child_only(_STARTING)),
        )
        needed = mode == LITELLM or (mode == AUTO and self._keeper.started)
        return {"mode": mode, "direct": total - alone, "childOnly": alone, "childNeeded": needed}

    def problems(self) -> list[str]:
        """What is out of reach by the owner's own setting."""
        alone = len(self._published.child_only(_NEVER)) if self._mode() == DIRECT else 0
        if not alone:
            return []
        return [
            f"models that need the LiteLLM child, which upstream.lane = direct rules out: {alone}; "
            "`xswarm config set upstream.lane auto` serves them too"
        ]

    def woke(self) -> None:
        """The machine slept: what was connected may be dead and not know it."""
        self._direct.woke()
        self._child.woke()

    async def close(self) -> None:
        await self._direct.close()

    async def _start_child(self) -> None:
        async with self._busy:
            if not self._keeper.started:
                await self._keeper.start(self._world.entries())
