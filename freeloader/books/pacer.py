"""Demand as the books see it, and how a deployment's free quota stands against its plan.

The plan is ``core.pacing``'s; here it is made anew each minute, slice by slice, so that
nobody waits for it. What was learnt is kept with the quota windows, under a key of its
own; where nothing was kept, the hours come from the ledger. Nothing is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial

from freeloader.books.ports import LedgerPort, StoredWindow
from freeloader.core import quota
from freeloader.core.model import Deployment
from freeloader.core.pacing import days, horizon, plan
from freeloader.core.pacing.demand import Demand, sort_of
from freeloader.core.pacing.fluid import Fluid
from freeloader.core.pacing.kinds import Asked, Kind, Kinds
from freeloader.core.pacing.shares import Shares
from freeloader.core.pacing.worth import Taker, Worth, planned
from freeloader.core.quota import Window
from freeloader.core.rows import WindowRow
from freeloader.money import Meters

#: Under this key the demand is saved beside the windows.
KEY = "pacing|demand"
#: Seconds for which it is believed, and between two times that it is saved.
_KEPT, _EVERY = 21 * 86400.0, 60.0
_HOUR = 3600.0
_DONE = object()
_ONE = Meters(requests=1)
#: Seconds after which it is asked anew whether a quota need be planned.
_AGAIN = 5.0
#: Seconds between two plans, and models that are told apart for them.
_STEP, _MODELS = 60.0, 128
#: Plans after which it is looked anew which models are alike: limits are learnt meanwhile.
_ANEW = 10
#: Rounds of a plan, and of the first ones, which begin from nothing.
_ROUNDS, _FIRST_ROUNDS, _FIRST = 8, 40, 10
#: The same for what windows are worth in the long run.
_PRICES, _FIRST_PRICES = 2, 24
#: Rounds of the average day for each of these: one takes a seventh of a plan's.
_DAYS = 2
#: Hours that are read from a ledger where nothing was kept.
_HOURS_READ = 48


Likely = Callable[[Deployment, Meters, float], tuple[tuple[Window, ...], Meters]]


class Pacer:
    """One per books. ``demand`` is what all requests so far make it."""

    def __init__(self) -> None:
        self.demand = Demand()
        self._fluid, self._shares, self._kinds = Fluid(), Shares(), Kinds()
        self._worth, self._days = Worth(), Fluid()
        self._planned, self._plans = 0.0, 0
        self._work: Generator[None, None, None] | None = None
        self._alike: dict[str, str] = {}  # by deployment: the one that stands for it
        self._saved = 0.0
        self._changed = False
        #: By deployment: when it was asked if a quota need be planned, and if so.
        self._tight: dict[str, tuple[float, bool]] = {}
        self._asked: tuple[float, int] | None = None  # of the latest question, and its kind
        self._kind: Kind | None = None

    def replaced(self) -> None:
        """The deployments changed. Until the next plan is made, some of a minute, each goes by
        its own windows: the old one gives what anybody new could serve to those it knew."""
        self._tight.clear()
        self._alike.clear()
        self._shares, self._plans = Shares(), 0
        self._work = None
        self._planned = 0.0

    def ample(self, deployment: str, now: float) -> bool:
        """Whether its quotas were far more than anybody asks for, a moment ago."""
        return self._was(deployment, now) is False

    def _was(self, deployment: str, now: float) -> bool | None:
        """Whether a quota of it had to be planned a moment ago; None: nobody asked."""
        at, tight = self._tight.get(deployment, (0.0, None))
        return tight if 0.0 <= now - at < _AGAIN else None

    def note(self, need: float, label: str, expected: Meters, now: float) -> None:
        """A request came; counted once, whether it is served or not."""
        read = expected.input + expected.cache_read + expected.cache_write
        self.demand.note(need, label, read, expected.output, now)
        self._changed = True
        if (kind := self._kind_of(need, expected)) is not None:
            self._shares.asked(kind)

    def taken(self, need: float, expected: Meters, deployment: Deployment) -> tuple[float, int]:
        """The deployment is to serve a request that was noted: what is due to whom changes.
        Returns the request's sort."""
        who, kind = self._alike.get(deployment.id), self._kind_of(need, expected)
        if who is not None and kind is not None:
            self._shares.taken(kind, who)
        return sort_of(need, _tokens(expected))

    def came_to(self, sort: tuple[float, int], used: Meters) -> None:
        """What a provider reported of a request of such a sort."""
        self.demand.came_to(sort, _tokens(used) - used.output, used.output)

    def strain(
        self,
        deployment: Deployment,
        windows: Sequence[Window],
        meters: Meters,
        expected: Meters,
        need: float,
        now: float,
    ) -> plan.Strain:
        """What a request that likely comes to ``expected``, and there to ``meters``, puts on a
        deployment's windows."""
        who, ahead, left = self._alike.get(deployment.id), None, None
        if who is not None and (kind := self._kind_of(need, expected)) is not None:
            ahead = self._shares.strain(kind, who)
            known = ahead is not None and self.demand.known
            left = self._shares.leaves(kind, who) if known else None
        elif who is None and self._plans:
            # It takes its turn: nobody knows what is lost there by waiting, or there are more
            # quotas than are planned, and so no lack of them.
            ahead = 0.0
        most = deployment.model.intelligence
        whole = partial(plan.strain, windows, meters, most, need, self.demand, now, ahead)
        if ahead is not None and self._was(deployment.id, now):
            return plan.Strain(ahead, 0.0, None, plan.NOBODY, whole=whole, left=left)
        found = whole()
        self._tight[deployment.id] = (now, found.planned)
        return found if left is None or not found.planned else found._replace(left=left)

    def _kind_of(self, need: float, expected: Meters) -> Kind | None:
        """All candidates of a decision ask for the same one."""
        asked = (need, _tokens(expected))
        if asked != self._asked:
            self._asked, self._kind = asked, self._kinds.of(*asked)
        return self._kind

    # ── who is to serve what ─────────────────────────────────────────────────

    def step(self, deployments: Iterable[Deployment], likely: Likely, now: float) -> None:
        """Goes on with the plan by one slice, milliseconds at most; a new one each minute.

        ``likely``: the windows of a deployment, and what a call of such meters takes there.
        """
        if self._work is None:
            if 0.0 <= now - self._planned < _STEP or not self.demand.ready(now):
                return
            self._planned = now
            self._work = self._plan(deployments, likely, now)
        if next(self._work, _DONE) is _DONE:
            self._work = None

    def _plan(
        self, deployments: Iterable[Deployment], likely: Likely, now: float
    ) -> Generator[None, None, None]:
        if not self._alike or self._plans % _ANEW == 0:
            self._alike = _apart(deployments, likely, now)
        alike = {d.id: d for d in deployments if self._alike.get(d.id) == d.id}
        strengths = [_strength(one) for one in alike.values()]
        kinds = Kinds(strengths, self.demand.sorts())
        asked = [(kind, _takers(kind, alike.values(), likely, now)) for kind in kinds.asked]
        self._worth.begin(asked, now)
        self._days.begin(days.programme(asked, self.demand, now))
        laying = horizon.programme(asked, self._worth, self._days.prices, self.demand, now)
        next(laying)  # it looks at the windows while it is now
        for _ in range(_FIRST_PRICES if self._plans < _FIRST else _PRICES):
            yield
            self._worth.round()
            for _ in range(_DAYS):
                self._days.round()
        self._fluid.begin((yield from laying))
        self._plans += 1
        for _ in range(_FIRST_ROUNDS if self._plans <= _FIRST else _ROUNDS):
            yield
            self._fluid.round()
        yield
        self._kinds, self._asked = kinds, None
        self._shares.put(self._fluid.portions(), {one.kind: one.share for one in kinds.asked})

    # ── over a restart ───────────────────────────────────────────────────────

    def row(self, now: float, *, always: bool = False) -> WindowRow | None:
        """What is to be saved; None: nothing new, or it was saved just now."""
        if not self._changed or not (always or abs(now - self._saved) >= _EVERY):
            return None
        self._saved, self._changed = now, False
        return WindowRow(KEY, self.demand.dump(), now, "pacing", now + _KEPT)

    def again(self) -> None:
        """What ``row`` gave was not written."""
        self._changed, self._saved = True, 0.0

    async def take(self, rows: Sequence[StoredWindow], ledger: LedgerPort, now: float) -> None:
        """What an earlier run learnt, else the ledger's latest hours.

        Raises Unavailable where the ledger cannot be read.
        """
        for one in rows:
            if one.key == KEY:
                try:
                    self.demand.load(one.state)
                except (KeyError, TypeError, ValueError):
                    continue  # not what we wrote: the ledger knows the hours
                return
        first = now // _HOUR * _HOUR - _HOURS_READ * _HOUR
        hours: list[tuple[float, int]] = []
        for at in range(_HOURS_READ):
            start = first + at * _HOUR
            count = await ledger.requests_since(start, start + _HOUR)
            if count or hours:
                hours.append((start, count))
        self.demand.learn(hours)


def _apart(deployments: Iterable[Deployment], likely: Likely, now: float) -> dict[str, str]:
    """By deployment the first of those that do not differ from it in the windows that are
    planned, in strength or in what a call takes there."""
    found: dict[object, str] = {}
    out: dict[str, str] = {}
    for one in deployments:
        if one.billable or one.local:
            continue
        windows, _ = likely(one, _ONE, now)
        keys = tuple(window.key for window in windows if planned(window))
        name = (_strength(one), one.model.neurons, keys)
        # Of whom no limit is published, and none was learnt yet, nobody knows what he gives.
        told = windows and (keys or one.limits)
        if told and (name in found or len(found) < _MODELS):
            out[one.id] = found.setdefault(name, one.id)
    return out


def _takers(
    kind: Asked, deployments: Iterable[Deployment], likely: Likely, now: float
) -> list[Taker]:
    """Who can serve a kind, and what one request of it takes there."""
    meters = Meters(requests=1, input=kind.read, output=kind.written)
    out = []
    for one in deployments:
        if _strength(one) >= kind.need:
            windows, taken = likely(one, meters, now)
            out.append(
                Taker(one.id, [(window, quota.need(window.limit, taken)) for window in windows])
            )
    return out


def _strength(deployment: Deployment) -> float:
    """In halves, as needs are, so that who is just strong enough counts as that."""
    return round(2 * (deployment.model.intelligence or 0.0)) / 2


def _tokens(meters: Meters) -> int:
    return meters.input + meters.cache_read + meters.cache_write + meters.output
