"""The most that anybody could serve who knew all demand beforehand: a linear programme (HiGHS).

Time is cut into bins; within one, requests may be served in any order and in parts, a
refilling bucket has what it had plus all that comes back, a sliding window is asked only
over whole bins: each of these allows more than the providers do, so it is an upper bound.
A request that may wait across the end of its bin may be served in the next one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from freeloader.core.model import Deployment, Limit
from freeloader.core.quota import key_of
from freeloader.money import Meters
from week.demand import NEEDS, SIZES, START, STRONG, Mix, Request
from week.truth import Bucket, consumed, seconds

BIN = 3_600.0
METERS = tuple(Meters(requests=1, input=i, output=o) for i, o in SIZES)


@dataclass
class Group:
    """Deployments that are alike: their windows of their own are added up, shared ones are one."""

    deployment: Deployment
    limits: list[tuple[str, Limit]]
    level: int


def groups(deployments: Sequence[Deployment], hidden: Mapping[str, Sequence[Limit]]) -> list[Group]:
    """Alike ones together, without those that another of the same windows can replace."""
    found: dict[object, Group] = {}
    for one in deployments:
        level = sum((one.model.intelligence or 0.0) >= need for need in NEEDS)
        limits = [(key_of(limit, one), limit) for limit in (*one.limits, *hidden.get(one.id, ()))]
        shape = tuple((key if _shared(x) else "", _terms(x)) for key, x in limits)
        name = (level, one.model.neurons, shape)
        if name not in found:
            found[name] = Group(one, limits, level)
            continue
        was = found[name]
        was.limits = [
            (key, x if _shared(x) else replace(x, amount=x.amount + own.amount))
            for (key, x), (_, own) in zip(was.limits, limits, strict=True)
        ]
    every = list(found.values())
    return [one for one in every if not any(_better(other, one) for other in every)]


def _shared(limit: Limit) -> bool:
    return limit.scope in ("account", "ip")


def _terms(limit: Limit) -> tuple[object, ...]:
    return (limit.metric, limit.amount, limit.window, limit.reset, limit.timezone)


def _better(one: Group, other: Group) -> bool:
    """Same windows, all shared, and it can do more for no more: the other is never needed."""
    if one is other or one.level < other.level or not all(_shared(x) for _, x in other.limits):
        return False
    if [key for key, _ in one.limits] != [key for key, _ in other.limits]:
        return False
    mine, theirs = (_takes(group) for group in (one, other))
    less = all(a <= b for a, b in zip(mine, theirs, strict=True))
    return less and (one.level > other.level or mine != theirs or id(one) < id(other))


def _takes(group: Group) -> list[float]:
    return [consumed(x, meters, group.deployment) for _, x in group.limits for meters in METERS]


def capacity(farm: list[Group], mix: Mix) -> float:
    """Requests a day of a mix that the windows give back in the long run, all of them served."""
    classes = [(n, s) for n in range(len(NEEDS)) for s in range(len(SIZES))]
    pairs = [(g, c) for g in farm for c in range(len(classes)) if g.level > classes[c][0]]
    whole = len(pairs)  # the last column: how many requests a day
    limits = {key: limit for group in farm for key, limit in group.limits}
    use = np.zeros((len(limits), whole + 1))
    served = np.zeros((len(classes), whole + 1))
    row_of = {key: row for row, key in enumerate(limits)}
    for column, (group, c) in enumerate(pairs):
        served[c, column] = -1.0
        for key, limit in group.limits:
            meters = METERS[classes[c][1]]
            use[row_of[key], column] += consumed(limit, meters, group.deployment)
    for c, (need, size) in enumerate(classes):
        served[c, whole] = mix.needs[need] * mix.sizes[size]
    most = [limit.amount / seconds(limit.window) * 86400 for limit in limits.values()]
    cost = np.zeros(whole + 1)
    cost[whole] = -1.0
    bound = np.array([*most, *[0.0] * len(classes)])
    return -float(linprog(cost, A_ub=np.vstack([use, served]), b_ub=bound, method="highs").fun)


class Programme:
    """The constraints of one demand; ``best`` solves for a set of classes that count."""

    def __init__(
        self, farm: list[Group], requests: Sequence[Request], days: float, max_wait: float
    ) -> None:
        self._farm, self._days = farm, days
        self._bins = ceil(days * 86400 / BIN) + 1
        self._demand = _binned(requests, max_wait)
        self._rows: list[tuple[int, int, float]] = []
        self._bounds: list[float] = []
        self._columns = 0
        self._class: list[float] = []  # the need of each column; -1 for a bucket's level
        self._use: dict[str, dict[int, list[tuple[int, float]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._limits: dict[str, Limit] = {}
        self._serve()
        for key, limit in self._limits.items():
            self._limit(limit, self._use[key])

    def best(self, least: float = 0.0) -> float:
        """The most requests of at least this need that can be served."""
        cost = np.array([-1.0 if need >= least else 0.0 for need in self._class])
        rows, columns, values = zip(*self._rows, strict=True)
        shape = (len(self._bounds), self._columns)
        matrix = coo_matrix((values, (rows, columns)), shape=shape).tocsr()
        result = linprog(cost, A_ub=matrix, b_ub=np.array(self._bounds), method="highs-ipm")
        if not result.success:
            raise RuntimeError(f"the linear programme was not solved: {result.message}")
        return -float(result.fun)

    def _column(self, need: float) -> int:
        self._class.append(need)
        self._columns += 1
        return self._columns - 1

    def _row(self, cells: Sequence[tuple[int, float]], bound: float) -> None:
        self._rows.extend((len(self._bounds), column, value) for column, value in cells)
        self._bounds.append(bound)

    def _serve(self) -> None:
        """A column per bin, class and group; no class is served more often than it is asked."""
        for (bins, need, size), asked in self._demand.items():
            cells = []
            for group in self._farm:
                if group.level <= NEEDS.index(need):
                    continue
                for at in bins:
                    column = self._column(need)
                    cells.append((column, 1.0))
                    for key, limit in group.limits:
                        self._limits[key] = limit
                        amount = consumed(limit, METERS[size], group.deployment)
                        self._use[key][at].append((column, amount))
            self._row(cells, float(asked))

    def _limit(self, limit: Limit, use: dict[int, list[tuple[int, float]]]) -> None:
        length = seconds(limit.window)
        if limit.reset == "refill":
            self._refill(limit, use, length)
        elif limit.reset == "calendar" and length > BIN:
            periods = defaultdict(list)
            clock = Bucket(limit, "calendar")
            for at, cells in use.items():
                periods[clock._end(START + (at + 0.5) * BIN)].extend(cells)
            for cells in periods.values():
                self._row(cells, float(limit.amount))
        elif length <= BIN:
            for cells in use.values():
                self._row(cells, limit.amount * ceil(BIN / length))
        else:
            span = int(length // BIN)
            for first in range(max(1, self._bins - span + 1)):
                cells = [cell for at in range(first, first + span) for cell in use.get(at, ())]
                if cells:
                    self._row(cells, float(limit.amount))

    def _refill(self, limit: Limit, use: dict[int, list[tuple[int, float]]], length: float) -> None:
        """``has[b+1] <= has[b] + back - used[b]``, ``has <= amount``, ``used <= has + back``."""
        back = limit.amount / length * BIN
        if length <= BIN:
            for cells in use.values():
                self._row(cells, limit.amount + back)
            return
        before: int | None = None
        for at in range(self._bins):
            cells = use.get(at, [])
            has = [] if before is None else [(before, -1.0)]
            whole = back + (limit.amount if before is None else 0.0)
            after = self._column(-1.0)
            self._row([(after, 1.0)], float(limit.amount))
            self._row([*cells, (after, 1.0), *has], whole)
            before = after


def _binned(
    requests: Sequence[Request], max_wait: float
) -> Counter[tuple[tuple[int, ...], float, int]]:
    """Requests by the bins in which they can be served, need and size."""
    out: Counter[tuple[tuple[int, ...], float, int]] = Counter()
    for request in requests:
        first = int((request.at - START) // BIN)
        last = int((request.at + max_wait - START) // BIN)
        out[(tuple(range(first, last + 1)), request.need, request.size)] += 1
    return out


def bounds(
    farm: list[Group], requests: Sequence[Request], days: float, max_wait: float
) -> tuple[float, float]:
    """Upper bounds: all that can be served, and of those that need a strong model."""
    programme = Programme(farm, requests, days, max_wait)
    return programme.best(), programme.best(STRONG)
