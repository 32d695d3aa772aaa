"""Deployments in the order of their score, kept sorted per set of weights.

Scores are ``core.scoring``'s; quota, pauses and gates do not enter. Ties go by the
account's priority, then the id, so the order never depends on that of arrival.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from freeloader.core import scoring
from freeloader.core.model import Deployment, Weights
from freeloader.core.snapshot import Health

#: Orders kept: presets, rules and the odd request's own weights; the least used goes.
ORDERS_MAX = 16
#: With more changes than this share waiting, sorting anew is cheaper than moving each.
_RESORT_SHARE = 16

_Key = tuple[float, int, str]
_Shares = tuple[float, float, float, float]


class _Order:
    """One sorted list; ``ids`` runs beside ``keys``. Changes wait in ``stale`` until it is read."""

    __slots__ = ("ids", "keys", "of", "shares", "stale")

    def __init__(self, shares: _Shares) -> None:
        self.shares = shares
        self.of: dict[str, _Key] = {}
        self.keys: list[_Key] = []
        self.ids: list[str] = []
        self.stale: set[str] = set()


class Ranking:
    """``health`` gives the current health of a deployment id."""

    def __init__(self, health: Callable[[str], Health]) -> None:
        self._health = health
        self._deployments: Mapping[str, Deployment] = {}
        self._orders: dict[_Shares, _Order] = {}

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

    def ranked(self, weights: Weights, prefer_local: bool) -> Sequence[str]:
        """Ids, best first. The list is live: read it before awaiting anything."""
        shares = scoring.shares(weights, prefer_local)
        order = self._orders.pop(shares, None)
        if order is None:
            order = self._build(shares)
            while len(self._orders) >= ORDERS_MAX:
                del self._orders[next(iter(self._orders))]
        self._orders[shares] = order
        if order.stale:
            self._refresh(order)
        return order.ids

    def _key(self, deployment: Deployment, shares: _Shares) -> _Key:
        value = scoring.weighed(deployment, self._health(deployment.id), shares)
        return (-value, deployment.account.priority, deployment.id)

    def _build(self, shares: _Shares) -> _Order:
        order = _Order(shares)
        order.of = {i: self._key(d, shares) for i, d in self._deployments.items()}
        _sort(order)
        return order

    def _refresh(self, order: _Order) -> None:
        stale, order.stale = order.stale, set()
        if len(stale) * _RESORT_SHARE > len(order.keys):
            for name in stale:
                order.of[name] = self._key(self._deployments[name], order.shares)
            _sort(order)
            return
        for name in stale:
            old, new = order.of[name], self._key(self._deployments[name], order.shares)
            if old != new:
                _move(order, name, old, new)


def _sort(order: _Order) -> None:
    order.keys = sorted(order.of.values())
    order.ids = [key[2] for key in order.keys]


def _move(order: _Order, name: str, old: _Key, new: _Key) -> None:
    at = bisect_left(order.keys, old)
    del order.keys[at], order.ids[at]
    at = bisect_left(order.keys, new)
    order.keys.insert(at, new)
    order.ids.insert(at, name)
    order.of[name] = new
