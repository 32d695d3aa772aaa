"""The load monitor: counts requests in flight, keeps the last minute's attempts, knows the state.

What a state means is ``core.policy.load``'s; time is the daemon's clock. Whose fault a failure
was is judged before: a client's own, or a used-up quota, is no sign of load.
"""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from freeloader.clock import Clock, iso
from freeloader.core.policy.load import LEVELS, LoadRules, Measured, State, step

_log = logging.getLogger(__name__)

#: Attempts are remembered for this long, and so many at most.
WINDOW_S, KEPT = 60.0, 4_096
#: A measurement is at most this old when it is used (seconds).
_FRESH_S = 0.25
#: Outcomes that are a sign of load or of trouble.
_TROUBLE = frozenset({"their_fault", "overloaded", "our_fault"})


class LoadMonitor:
    """``rules`` is asked anew for each measurement, so that new settings hold at once."""

    def __init__(self, clock: Clock, rules: Callable[[], LoadRules] = LoadRules) -> None:
        self._clock, self._rules = clock, rules
        self._flying = 0
        self._attempts: deque[tuple[float, float | None, bool]] = deque()
        #: Of these, in order: a busy minute is not sorted anew for each measurement.
        self._spans: list[float] = []
        self._failed = 0
        self._state = State("normal", clock.now().mono)
        self._found = Measured()
        self._looked = float("-inf")

    def begin(self) -> None:
        """A request came in."""
        self._flying += 1

    def end(self) -> None:
        """It is answered, or was given up."""
        self._flying -= 1

    def attempt(self, kind: str, first_ms: float | None) -> None:
        """An attempt ended: what kind its outcome was (``ok`` …), and when its first word came."""
        bad = kind in _TROUBLE
        if kind != "ok" and not bad:
            return
        self._attempts.append((self._clock.now().mono, first_ms, bad))
        self._failed += bad
        if first_ms is not None:
            insort(self._spans, first_ms)
        if len(self._attempts) > KEPT:
            self._forget()

    @property
    def in_flight(self) -> int:
        """Requests that came in and are not answered."""
        return self._flying

    @property
    def rules(self) -> LoadRules:
        return self._rules()

    @property
    def state(self) -> State:
        """The state now."""
        now = self._clock.now().mono
        fresh = now - self._looked < _FRESH_S
        if not fresh or self._flying > self._found.queue:
            if fresh:  # more are in flight: that is known without looking at every attempt
                self._found = self._found._replace(queue=self._flying)
            else:
                self._looked, self._found = now, self._measure(now)
            before = self._state.level
            self._state = step(self._state, self._found, self._rules(), now)
            if self._state.level != before:
                _note(before, self._state)
        return self._state

    def shown(self) -> Mapping[str, Any]:
        """For status and metrics: camelCase, JSON-ready."""
        state, now, found = self.state, self._clock.now(), self._found
        return {
            "state": state.level,
            "level": LEVELS.index(state.level),
            "since": iso(now.wall - (now.mono - state.since)),
            "reason": state.why or None,
            "queue": self._flying,
            "p95Ms": None if found.p95_ms is None else round(found.p95_ms, 1),
            "errorRate": None if found.error_rate is None else round(found.error_rate, 4),
            "samples": found.samples,
            "cooldownSeconds": self._rules().cooldown_s,
        }

    def _measure(self, now: float) -> Measured:
        while self._attempts and self._attempts[0][0] < now - WINDOW_S:
            self._forget()
        count, spans = len(self._attempts), self._spans
        if not count:
            return Measured(self._flying)
        p95 = spans[max(0, -(-len(spans) * 95 // 100) - 1)] if spans else None
        return Measured(self._flying, count, p95, self._failed / count)

    def _forget(self) -> None:
        """The oldest attempt."""
        _, first_ms, bad = self._attempts.popleft()
        self._failed -= bad
        if first_ms is not None:
            del self._spans[bisect_left(self._spans, first_ms)]


def _note(before: str, state: State) -> None:
    """One line for each change of the level."""
    fields = {"event": "load.level", "state": state.level, "before": before}
    if state.why:
        fields["reason"] = state.why
    level = logging.INFO if state.level == "normal" else logging.WARNING
    _log.log(level, "load is %s", state.level, extra={"fields": fields})
