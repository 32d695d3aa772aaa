"""Deployments in the orders that strategies ask for, each kept sorted as health changes.

The keys are ``core.ranking.strategies``'; quota, pauses and gates do not enter. Ties go by the
account's priority, then the id, so the order never depends on that of arrival.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from freeloader.core.model import Deployment
from freeloader.core.ranking.strategies import Key, key_of
from freeloader.core.snapshot import Health, Rank

#: Orders kept: few strategies and weights are in use at a time, each by task and need.
#: The one that was read longest ago goes.
ORDERS_MAX = 64
#: … and places in all of them together (a place takes about 300 bytes), but never under four.
_PLACES_MAX, _ORDERS_MIN = 160_000, 4
#: With more changes than this share waiting, sorting anew is cheaper than moving each.
_RESORT_SHARE = 16


class _Order:
    """One sorted list; ``ids`` runs beside ``keys``. Changes wait in ``stale`` until it is read."""

    __slots__ = ("ids", "key", "keys", "of", "stale")

    def __init__(self, rank: Rank) -> None:
        self.key = key_of(rank)
        self.of: dict[str, Key] = {}
        self.keys: list[Key] = []
        self.ids: list[str] = []
        self.stale: set[str] = set()


class Ranking:
    """``health`` gives the current health of a deployment id."""

    def __init__(self, health: Callable[[str], Health]) -> None:
        self._health = health
        self._deployments: Mapping[str, Deployment] = {}
        self._orders: dict[Rank, _Order] = {}

    def replace(self, deployments: Mapping[str, Deployment]) -> None:
        """Another set of deployments: every order is built anew when next read."""
        self._deployments = deployments
        self._orders.clear()

    def touch(self, deployments: Iterable[str]) -> None:
        """The health of these changed."""
        for deployment in deployments:
            if deployment in self._deployments:
                for order in self._orders.values():
                    order.stale.add(deployment)

    def ranked(self, rank: Rank) -> Sequence[str]:
        """Ids, best first. The list is live: read it before awaiting anything."""
        order = self._orders.pop(rank, None)
        if order is None:
            order = self._build(rank)
            while len(self._orders) >= self._most():
                del self._orders[next(iter(self._orders))]
        self._orders[rank] = order
        if order.stale:
            self._refresh(order)
        return order.ids

    def _most(self) -> int:
        fitting = _PLACES_MAX // max(1, len(self._deployments))
        return max(_ORDERS_MIN, min(ORDERS_MAX, fitting))

    def _key(self, name: str, order: _Order) -> Key:
        return order.key(self._deployments[name], self._health(name))

    def _build(self, rank: Rank) -> _Order:
        order = _Order(rank)
        order.of = {name: self._key(name, order) for name in self._deployments}
        _sort(order)
        return order

    def _refresh(self, order: _Order) -> None:
        stale, order.stale = order.stale, set()
        if len(stale) * _RESORT_SHARE > len(order.keys):
            for name in stale:
                order.of[name] = self._key(name, order)
            _sort(order)
            return
        for name in stale:
            old, new = order.of[name], self._key(name, order)
            if old != new:
                _move(order, name, old, new)


def _sort(order: _Order) -> None:
    order.keys = sorted(order.of.values())
    order.ids = [key[-1] for key in order.keys]


def _move(order: _Order, name: str, old: Key, new: Key) -> None:
    at = bisect_left(order.keys, old)
    del order.keys[at], order.ids[at]
    at = bisect_left(order.keys, new)
    order.keys.insert(at, new)
    order.ids.insert(at, name)
    order.of[name] = new
