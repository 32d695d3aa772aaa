"""The request's side of the daemon, put together: pipeline, waiting room, load, replays.

What a request meets is the gateway's business; here its parts are given to each other.
"""

from __future__ import annotations

import random
import secrets as entropy

from freeloader.app.failpoints import CrashingLane, Failpoint
from freeloader.app.given import Given
from freeloader.app.ids import Ids
from freeloader.app.ruling import Ruling
from freeloader.app.supply import Supply
from freeloader.app.traces import Traces
from freeloader.books.books import Books
from freeloader.gateway.asking import Asking
from freeloader.gateway.classifying import Classifier
from freeloader.gateway.counting import Counted, Counts
from freeloader.gateway.load import LoadMonitor
from freeloader.gateway.once.repeats import Repeats
from freeloader.gateway.pipeline import Pipeline
from freeloader.gateway.sessions import Sessions
from freeloader.gateway.tools import Tools
from freeloader.gateway.waiting import Room
from freeloader.secrets.box import Box
from freeloader.store import Store


class Front:
    """One per daemon; it listens nowhere by itself."""

    def __init__(
        self,
        given: Given,
        store: Store,
        books: Books,
        supply: Supply,
        traces: Traces,
        point: Failpoint | None,
    ) -> None:
        settings, clock, self.ids = given.in_force, given.clock, Ids(given.clock)
        upstream = supply.upstream
        spread = random.Random()  # noqa: S311 - sets requests apart, hides nothing
        box, boot = Box(given.home.path / "idempotency.key"), entropy.token_hex(8)
        self.repeats = Repeats(store.replays, box, clock, given.tasks, boot)
        self.load = LoadMonitor(clock, lambda: settings().load_monitoring.rules())
        self.counts = Counts()
        rules = Ruling(supply.world, settings)
        self.room = Room(lambda: settings().server.request_seconds_max, spread.random)
        books.watch(self.room.changed)
        self.tools = Tools(
            books,
            upstream.lane if point is None else CrashingLane(upstream.lane, point),
            rules,
            traces.around(Counted(store.journal, self.counts)),
            clock,
            given.tasks,
            supply.world.credentials,
            upstream.ready,
            self.ids.new,
            given.redactor.scrub,
            self.room,
            audit=store.ledger.audit,
            lane_up=upstream.up,
            lane_wanted=upstream.wanted,
            lane_out=upstream.out,
            load=self.load,
            sessions=Sessions(lambda: settings().routing.sessions),
            roll=spread.random,
        )
        self.pipeline = Pipeline(self.tools)
        self.asking = Asking(self.pipeline, lambda: self.ids.new("req"), clock)
        asked = Classifier(self.asking.words, rules.wish, rules.curve, clock)
        self.pipeline.classify_by(asked)
