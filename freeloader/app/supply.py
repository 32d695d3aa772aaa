"""What can be asked, and the ways there: the world, the child's keeper, the lanes. Wiring only."""

from __future__ import annotations

from freeloader.app.given import Given
from freeloader.app.upstream import Upstream
from freeloader.app.world import World
from freeloader.child.keeper import Keeper
from freeloader.child.machine.states import Rules as ChildRules
from freeloader.gateway.lanes.direct.lane import DirectLane
from freeloader.secrets import SecretStore
from freeloader.store import Store


class Supply:
    """``world``, ``keeper`` and ``upstream`` of one daemon."""

    def __init__(self, given: Given, store: Store, secrets: SecretStore) -> None:
        settings, clock = given.in_force(), given.clock
        self.world = World(
            settings, given.home.registry, store.ledger, secrets, clock, DirectLane.takes
        )
        upstream = settings.upstream
        self.keeper = Keeper(
            given.home.run,
            given.home.logs,
            clock,
            workers=upstream.workers,
            recycle_rss_mb=upstream.recycle_rss_mb,
            rules=ChildRules(start=upstream.start_seconds_max, drain=upstream.total_seconds),
            environ=given.environ,
            proxies=given.proxies,
            scrub=given.redactor.scrub,
            behind=lambda: self.world.published.speaks,
        )
        self.upstream = Upstream(
            self.world,
            self.keeper,
            clock,
            lambda: given.in_force().upstream.lane,
            given.proxies,
        )
