"""A count per calendar period: of an hour, a day, a month in a time zone.

What spans a reset is charged on both sides of it. Of a clock that was set nobody knows which of
its two times is the provider's: for a day both are gone by, and the larger count holds. The
other counters are in ``counters``.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from freeloader.core.periods import Calendar, Period

#: Periods remembered, so that a clock set to and fro finds each again.
_PERIODS_KEPT = 6
#: A clock that was set and goes on for so many seconds is believed.
_BELIEVED = 86_400.0
#: What a clock is set by all the time, in seconds: no other period's matter.
_SLIGHT = 1.0


class Calendared:
    """``_late``: by how much the clock was set forward since it was last believed (negative:
    back), and when it will be believed."""

    __slots__ = ("_calendar", "_counts", "_late")

    def __init__(self, window: str, timezone: str) -> None:
        self._calendar = Calendar(window, timezone)
        self._counts: dict[float, float] = {}  # by the period's start, the present one last
        self._late: tuple[float, float] | None = None

    def used(self, now: float) -> float:
        # Nothing counted yet is nothing in every period: no need to ask which one it is.
        if not self._counts:
            return 0.0
        other = 0.0 if self._late is None else self._of(self._other(now))
        return max(other, self._of(self._calendar.at(now).start))

    def period(self, now: float) -> Period:
        """The period of ``now``."""
        return self._calendar.at(now)

    def end(self, now: float) -> float:
        """When the period of ``now`` is over."""
        return self._calendar.at(now).end

    def add(self, amount: float, now: float, since: float) -> None:
        self._believe(now)
        here, there = self._calendar.at(now).start, self._calendar.at(since).start
        if self._late is not None and (other := self._other(now)) not in (here, there):
            self._keep(other, self._of(other) + amount)
        # Of a later period only where the clock was set back: it comes again, and counts then.
        if there > here or (there < here and there in self._counts):
            self._keep(there, self._counts.get(there, 0.0) + amount)
        self._keep(here, self._of(here) + amount)

    def put(self, used: float, now: float) -> None:
        if self._late is not None:
            self._keep(self._other(now), max(0.0, used))
        self._keep(self._calendar.at(now).start, max(0.0, used))

    def told(self, used: float, own: float, now: float, before: float | None) -> None:
        if self.used(now) < used:
            self.put(used, now)

    def below(self, level: float, now: float) -> float:
        if self.used(now) <= level:
            return now
        if level < 0:
            return inf
        here, ends = self._calendar.at(now), []
        if self._of(here.start) > level:
            ends.append(here.end)
        if self._late is not None and self._of(self._other(now)) > level:
            late, believed = self._late
            ends.append(min(self._calendar.at(now - late).end + late, believed))
        return max(ends)

    def clock_set(self, step: float, now: float) -> None:
        self._believe(now - step)
        late = step + (0.0 if self._late is None else self._late[0])
        self._late = None if abs(late) < _SLIGHT else (late, now + _BELIEVED)

    def dump(self) -> dict[str, Any]:
        periods = [[start, count] for start, count in self._counts.items()]
        state: dict[str, Any] = {"periods": periods, "timezone": self._calendar.timezone}
        if self._late is not None:
            state["late"] = list(self._late)
        return state

    def clear(self) -> None:
        """Nothing was used, in no period."""
        self._counts = {}

    def load(self, state: Mapping[str, Any], now: float = inf) -> None:
        """What was counted in a period of another zone is in both periods that it touches; of
        the present one in those up to ``now``: nothing of it was counted later."""
        here, periods = self._calendar, state["periods"][-_PERIODS_KEPT:]
        there = Calendar(here.window, str(state.get("timezone", here.timezone)))
        self._counts = {}
        for start, count in periods:
            first = float(start)
            last = there.at(first).end - 1
            for moment in (first, now if first <= now < last else last):
                begun = here.at(moment).start
                self._keep(begun, max(float(count), self._counts.get(begun, 0.0)))
        if "late" in state:
            late, believed = state["late"]
            self._late = (float(late), float(believed))

    def _believe(self, now: float) -> None:
        """The clock says ``now``, for sure: may it be believed again?"""
        if self._late is not None and now >= self._late[1]:
            self._late = None

    def _other(self, now: float) -> float:
        """The period's start by the clock as it was before it was set; for a day from then on."""
        assert self._late is not None
        late, believed = self._late
        doubted = believed - _BELIEVED <= now < believed
        return self._calendar.at(now - late if doubted else now).start

    def _of(self, start: float) -> float:
        """The count of a period, which becomes the present one.

        One not seen yet is empty if time came to it from an earlier one. Else the
        clock was set back to before anything we remember: the provider has not
        reset, so the count stays.
        """
        if not self._counts:
            return 0.0
        latest = next(reversed(self._counts))
        if start == latest:
            return self._counts[latest]
        count = self._counts.get(start)
        if count is None:
            count = 0.0 if start > latest else self._counts[latest]
        self._keep(start, count)
        return count

    def _keep(self, start: float, count: float) -> None:
        self._counts.pop(start, None)
        self._counts[start] = count
        while len(self._counts) > _PERIODS_KEPT:
            del self._counts[next(iter(self._counts))]
