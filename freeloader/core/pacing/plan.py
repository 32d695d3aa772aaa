"""Is a free quota ahead of its plan, and for whom is it kept? Pure.

A window's *lag* says how it stands: 0, what is left would go to waste; a half, it is
spent just as fast as it comes back, or as the demand of its period goes by; more, it is
spent faster. In a sliding window each moment's room is lost unless it is taken, so it
lags little until it is nearly full. What is far more than anybody asks for lags little
however it stands. The *strain* a request would put on a deployment is what it takes of
its worst window, times the lag; and something for those who need a stronger model than
this request does, where they are many and the window is small. That goes by one window
and one deployment at a time; once demand is known, all of them are planned together, and
the strain is how far a deployment is ahead of its share (``core.pacing.shares``).

A deployment of little strain is left to the strategy's order; of others the least
strained serves, and only where nobody else can (``core.routing.soft``). What the plan leaves
to nobody is to be refused, under some conditions (``Strain.refuses``): who does so, and when
not, is ``core.routing.judging``'s. Nothing is learnt here (``core.pacing.demand``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from freeloader.core import quota
from freeloader.core.model import Policy, Profile
from freeloader.core.pacing.demand import Demand, Wanted
from freeloader.core.pacing.shares import NO_SHARE
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Window
from freeloader.core.quota.calendared import Calendared
from freeloader.money import Meters

#: Up to this strain nobody is put back: half is the plan, and less may go to waste.
ON_PLAN = 0.2
#: So little of it is for those who need more that it keeps nobody away.
HARDLY = 0.05
#: From this strain on only those are served who need it, where the owner says ``strict``.
FIRM = 1.0
#: Where nobody publishes a limit, and nothing is planned: neither spared nor sought.
UNKNOWN = 0.5
#: The power at which lag grows as a period's quota falls behind its plan; where it ends,
#: and what is left is at least taken to be.
_LATE, _WORST, _LITTLE = 2, 10.0, 0.001
#: The same for a bucket that refills over half a day or longer, and the hours looked ahead.
_SHORT, _LONG, _HOURS = 4, 43_200.0, (1, 3, 6, 9, 12, 18, 24)
#: The power to which the used share of a sliding window is its lag. Were it the share
#: itself, a window that is three quarters full would seem spent, and a quarter of it
#: would never be used: nothing is saved there by waiting.
_SLIDING = 8
#: What is free of a window up to this length lapses, if that is so much of it: it comes back
#: whoever takes it, and would be as good as full without those that are left out.
_LAPSING, _ROOM = 21_600.0, 0.1
#: From this strain on it costs a request more than serving it is worth.
_DEAR = NO_SHARE + 1.1
#: Requests of an average day from which on leaving some to nobody serves others: of few it is
#: not known who comes, and each is somebody's only one.
_ENOUGH = 500.0
#: Strain that those who need ten points more put on a small window.
_NEEDED = 0.45
#: This share of all requests is many.
_MANY = 0.05
#: So many times the demand of its period, and a window is not planned.
_AMPLE, _HARDLY = 2.0, 0.01
#: Calls of which the mean is believed; before that a window is worth so many.
_SEEN, _GUESS = 8, 300.0
_DAY, _MONTH = 86400.0, 28 * 86400.0
NOBODY = Wanted(0.0, "")


#: Strategies that are themselves a need for the best, or the owner's own order.
EXEMPT = frozenset({"quality-first", "priority"})


def need_of(policy: Policy, profile: Profile) -> tuple[float, str]:
    """The least intelligence that will do for a request (0: any), and who says so."""
    floor, wanted = policy.gates.min_intelligence or 0.0, profile.need or 0.0
    if policy.strategy == "quality-first":
        return max(floor, wanted), policy.strategy
    if floor >= wanted:
        return floor, f"minIntelligence {floor:g}" if floor else ""
    return wanted, profile.task


class Strain(NamedTuple):
    """``kept``: how much of it is for those who need more; ``window``: the one that decides;
    ``planned``: False where every window is far more than anybody asks for; ``plain``: what
    it were without shares, None: there are none yet. ``whole`` works all of it out where only
    ``value`` is told: of the many that a decision asks about most are asked nothing else.
    ``left``: whether the plan leaves such a request to nobody; None: no plan says so.
    ``needed``: as ``kept``, though such a request may be due here. ``lapses``: what is free
    here is lost within hours unless it is used. ``many``: so many are asked in a day that
    leaving some to nobody serves others."""

    value: float
    kept: float
    window: Window | None
    wanted: Wanted
    planned: bool = True
    plain: float | None = None
    whole: Callable[[], Strain] | None = None
    left: bool | None = None
    needed: float = 0.0
    lapses: bool = False
    many: bool = False

    @property
    def spares(self) -> bool:
        """Whether others go first."""
        shared = self.plain is not None or self.whole is not None
        return self.value > (0.0 if shared else ON_PLAN) or self.kept > HARDLY

    @property
    def refuses(self) -> bool:
        """Whether a request is refused here that the plan leaves to nobody: where others need
        more or are many, and what is free does not lapse."""
        if not self.left:
            return False
        full = self.full()
        return (full.many or full.needed > HARDLY) and not self._wasted

    @property
    def refuses_strictly(self) -> bool:
        """The same for whoever wants it ``strict``: also of few; without a plan, what is far
        ahead of its own and needed by others."""
        if self.left is None:
            return self.firm and self.full().kept > HARDLY
        return self.left and not self._wasted

    @property
    def _wasted(self) -> bool:
        """Whether what is free here is lost unless it is used, and nobody else is likely to: not
        what the plan has for requests to which it is worth more."""
        return self.full().lapses and self.value < _DEAR

    @property
    def firm(self) -> bool:
        """So far ahead of its plan that a session moves on. Having had its share is no reason."""
        full = self.full()
        return (full.value if full.plain is None else full.plain) >= FIRM

    def full(self) -> Strain:
        return self if self.whole is None else self.whole()._replace(left=self.left)


def strain(
    windows: Iterable[Window],
    meters: Meters,
    intelligence: float | None,
    need: float,
    demand: Demand,
    now: float,
    ahead: float | None = None,
) -> Strain:
    """What a request that will take ``meters`` and needs ``need`` puts on a deployment.

    ``ahead``: its strain by the shares of all (0: it is due), None: none are planned.
    """
    worst: Window | None = None
    plain, scarce, left, lapses = 0.0, 0.0, 1.0, True
    for window in windows:
        amount = window.amount
        if window.kind == "concurrency" or amount <= 0:
            continue
        worst = worst or window
        typical = typical_of(window, demand)
        # How much more it is than all that its period asks for: nobody will miss that.
        length = length_of(window.limit.window)
        plenty = amount / (demand.rate_over(length, now) * length * typical)
        tight = min(1.0, (_AMPLE - plenty) / (_AMPLE - 1.0))
        if tight < _HARDLY:
            continue
        lag, coming = _lag(window, demand, now)
        lag *= tight * quota.need(window.limit, meters) / typical
        if lag > plain or (plain == 0.0 and tight > scarce):
            plain, worst = lag, window
        left, scarce = min(left, coming), max(scarce, tight)
        lapses = lapses and length <= _LAPSING and _free(window, now) >= _ROOM
    if worst is None:
        return Strain(UNKNOWN if ahead is None else ahead, 0.0, None, NOBODY, plain=ahead)
    if not scarce:
        return Strain(0.0, 0.0, worst, NOBODY, planned=False)
    gap = _NEEDED * scarce * left * ((intelligence or 0.0) - need) / 10
    kept, others = 0.0, NOBODY
    if gap > HARDLY:
        others = demand.above(need, intelligence or 0.0)
        kept = gap * min(1.0, others.share / _MANY)
    if ahead is None:
        return Strain(plain + kept, kept, worst, others)
    due = kept if ahead else 0.0
    many = demand.known and demand.rate * _DAY >= _ENOUGH
    return Strain(
        *(ahead, due, worst, others, True, plain + kept), needed=kept, lapses=lapses, many=many
    )


def _free(window: Window, now: float) -> float:
    """The part of it that is neither used nor held, 0–1."""
    return max(0.0, 1.0 - (window.counter.used(now) + window.held) / window.amount)


def _lag(window: Window, demand: Demand, now: float) -> tuple[float, float]:
    """Lag, and the share of its period's demand that is still to come (1: no period)."""
    counter = window.counter
    free = _free(window, now)
    if window.kind == "calendar":
        assert isinstance(counter, Calendared)
        span = counter.period(now)
        ahead = demand.ahead(span.start, now, span.end)
        return min(_WORST, 0.5 * (ahead / max(free, _LITTLE)) ** _LATE), ahead
    if window.kind == "once":  # nothing comes back: what does is spent first
        return 1.0 - free / 2, 1.0
    if window.kind == "rolling":
        length = length_of(window.limit.window)
        return 0.5 if length >= _LONG else (1.0 - free) ** _SLIDING, 1.0
    length = length_of(window.limit.window)
    return (0.5 * _ebb(free, length, demand, now) if length >= _LONG else 1.0 - free), 1.0


def _ebb(free: float, length: float, demand: Demand, now: float) -> float:
    """How short a bucket that refills runs within a day: what is asked until then against
    what it has and gets, both as parts of a day's; the worst hour of the next counts."""
    shares = demand.shares(now, _HOURS)
    day = length / _DAY
    short = max(
        share / (free * day + hours / 24) for share, hours in zip(shares, _HOURS, strict=True)
    )
    return short**_SHORT


def typical_of(window: Window, demand: Demand) -> float:
    """What one request usually takes of a window; never nothing."""
    metric = window.limit.metric
    if metric == "requests":
        return 1.0
    if metric == "tokens":
        return demand.mean_tokens
    if metric == "input":
        return demand.mean_input
    if window.order >= _SEEN:
        return max(1.0, window.charged / window.order)
    return max(1.0, window.amount / _GUESS)


@lru_cache(maxsize=256)
def length_of(window: str) -> float:
    """Seconds that a window lasts; credits that never come back are spread over a month."""
    return _MONTH if window == "once" else window_seconds(window)
