"""Sums of money by scope and calendar period: what is spent and held, and of how many requests.

Knows calendars and no limits; who is charged to which scope is ``budget``'s. All amounts
are integer picodollars, all times Unix seconds (wall).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from freeloader.core.periods import Calendar, Period

#: Distinct projects and keys that get sums of their own; further ones share one.
SCOPES_MAX = 10_000
#: Periods remembered per scope: enough for a clock that is set to and fro.
_PERIODS_KEPT = 8


@dataclass(slots=True)
class Balance:
    """One scope in one period."""

    spent: int = 0
    held: int = 0
    requests: int = 0


class Balances:
    """All sums of money, by scope and period. ``day`` and ``month`` give the current ones."""

    __slots__ = ("_kept", "days", "forgotten", "months")

    def __init__(self, timezone: str) -> None:
        """Raises ValueError for a time zone that does not exist."""
        self.days = Calendar("1d", timezone)
        self.months = Calendar("month", timezone)
        #: True once the sums of an earlier period were dropped: coming back they must be read.
        self.forgotten = False
        self.days.at(0.0)
        self._kept: dict[tuple[str, str], dict[float, Balance]] = {}

    def day(self, scope: str, now: float) -> Balance:
        return self._at(scope, "daily", self.days.at(now).start)

    def month(self, scope: str, now: float) -> Balance:
        return self._at(scope, "monthly", self.months.at(now).start)

    def both(self, scope: str, now: float) -> tuple[Balance, Balance]:
        return self.day(scope, now), self.month(scope, now)

    def current(self, scope: str, kind: str, now: float) -> tuple[Period, Balance]:
        """The present period, ``daily`` or ``monthly``, and what is in it: to look at.

        A scope that nothing was ever charged to is not remembered for being asked about.
        """
        span = (self.days if kind == "daily" else self.months).at(now)
        periods = self._kept.get((scope, kind)) or self._kept.get((self._kept_as(scope), kind))
        return span, (periods.get(span.start) if periods else None) or Balance()

    def seen(self, scope: str, now: float) -> tuple[Balance, Balance]:
        """As ``both``, to look at, as ``current`` does."""
        return self.current(scope, "daily", now)[1], self.current(scope, "monthly", now)[1]

    def scopes(self) -> Iterator[str]:
        """Every scope with a sum, each once."""
        return (scope for scope, kind in self._kept if kind == "monthly")

    def _at(self, scope: str, kind: str, start: float) -> Balance:
        periods = self._periods(scope, kind)
        balance = periods.get(start)
        if balance is None:
            balance = periods[start] = Balance()
            if len(periods) > _PERIODS_KEPT:
                self.forgotten = True
                _forget(periods, start)
        return balance

    def _periods(self, scope: str, kind: str) -> dict[float, Balance]:
        found = self._kept.get((scope, kind))
        if found is not None:
            return found
        return self._kept.setdefault((self._kept_as(scope), kind), {})

    def _kept_as(self, scope: str) -> str:
        """Under what name a scope is kept that has no sums yet: its own, while there is room."""
        full = len(self._kept) >= 2 * SCOPES_MAX
        return scope.split(":", 1)[0] + ":*" if full else scope


def _forget(periods: dict[float, Balance], keep: float) -> None:
    """Drops the period that is furthest from the current one and has nothing held."""
    idle = [start for start, balance in periods.items() if not balance.held and start != keep]
    if idle:
        del periods[max(idle, key=lambda start: abs(start - keep))]
