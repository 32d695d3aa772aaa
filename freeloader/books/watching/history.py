"""Spending by quarter hours of the last eight weeks, and of the last ten minutes.

Read from the ledger once, at start, and kept up with each charge: looking at it costs
the same however long the history is. Judges nothing: that is ``core.budget.projection``'s work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from freeloader.core.budget import projection
from freeloader.core.budget.projection import SLOT_S, SPIKE_S, Day
from freeloader.core.periods import period

#: How far back the history goes (seconds): eight of each weekday.
KEPT_S = 56 * 86_400.0
#: Whose quarter hours are the usual ones for a spike (seconds).
_USUAL_S = 28 * 86_400.0
#: Charges of the last ten minutes; beyond that many the oldest are taken together.
_RECENT_MAX = 10_000


class History:
    """``slots`` are picodollars by quarter hour (Unix seconds / 900)."""

    def __init__(self) -> None:
        self._slots: dict[int, int] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_sum = 0
        self._usual: tuple[int, int | None] = (-1, None)
        self._days: tuple[tuple[str, float], list[Day]] = (("", 0.0), [])

    def load(self, slots: Mapping[int, int]) -> None:
        self._slots = dict(slots)
        self._usual = (-1, None)

    def add(self, cost: int, at: float, mono: float) -> None:
        """One charge: ``at`` is the hold's moment (wall), ``mono`` now."""
        if not cost:
            return
        slot = int(at // SLOT_S)
        self._slots[slot] = self._slots.get(slot, 0) + cost
        self._recent.append((mono, cost))
        self._recent_sum += cost
        if len(self._recent) > _RECENT_MAX:
            _, oldest_cost = self._recent.popleft()
            then, amount = self._recent.popleft()
            self._recent.appendleft((then, amount + oldest_cost))
        if len(self._slots) > KEPT_S / SLOT_S + 96:
            oldest = at // SLOT_S - KEPT_S / SLOT_S
            self._slots = {key: value for key, value in self._slots.items() if key >= oldest}

    def recent(self, mono: float) -> int:
        """Spent in the last ten minutes."""
        while self._recent and self._recent[0][0] <= mono - SPIKE_S:
            self._recent_sum -= self._recent.popleft()[1]
        return self._recent_sum

    def forget_recent(self) -> None:
        self._recent.clear()
        self._recent_sum = 0

    def usual(self, now: float) -> int | None:
        """What ten busy minutes cost, without the present ones; None: not known."""
        last, first = int((now - SPIKE_S) // SLOT_S), int((now - _USUAL_S) // SLOT_S)
        if self._usual[0] != last:
            busy = [v for key, v in self._slots.items() if first <= key < last]
            self._usual = (last, projection.usual(busy))
        return self._usual[1]

    def days(self, timezone: str, now: float) -> list[Day]:
        """The whole days before today, from the first with any spending on, oldest first."""
        today = period("1d", timezone, now)
        key = (timezone, today.start)
        if self._days[0] != key:
            self._days = (key, self._whole_days(timezone, today.start))
        return self._days[1]

    def _whole_days(self, timezone: str, today: float) -> list[Day]:
        zone, found = ZoneInfo(timezone), []
        first = min((key for key, value in self._slots.items() if value), default=None)
        at = today - 1
        while first is not None and at >= max(first * SLOT_S, today - KEPT_S):
            day = period("1d", timezone, at)
            keys = range(int(day.start // SLOT_S), int(day.end // SLOT_S))
            spent = sum(self._slots.get(key, 0) for key in keys)
            found.append(Day(datetime.fromtimestamp(at, zone).weekday(), spent))
            at = day.start - 1
        return found[::-1]
