"""U4: a provider that fails and recovers over and over, and how often it is tried and left again.

What is counted is what the daemon tells over HTTP (``/v1/health``): that a provider rests, and
until when. It waits out real rests; the law for hours of them is a test of the breakers' own.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from faults_kit import LANE, Row, holds, street

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "acceptance"))
from farm import House, Simulator, call

#: So many failures in a row whenever it was well for one request: the worst way to flap.
_FAILURES = 5
#: Rests that begin or end within any minute.
_CHANGES = 4
_MINUTE_S = 60.0
#: A rest is read with its seconds; each is at least so much longer than the one before.
_LONGER_S = 15.0
#: The end of a rest that moved by more is that of another one.
_MOVED_S = 5.0


@dataclass
class Flapped:
    """What was seen. ``changes``: when a rest began or ended, seconds since the start;
    ``rests``: how long each was to be; ``asked``: requests that came to it from the first rest
    on, of ``answered_since`` that were answered; ``answers``: all, by status."""

    changes: list[float] = field(default_factory=list)
    rests: list[float] = field(default_factory=list)
    asked: int = 0
    answered_since: int = 0
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def in_a_minute(self) -> int:
        """The most changes within any minute."""
        return max((sum(0 <= one - since < _MINUTE_S for one in self.changes)
                    for since in self.changes), default=0)  # fmt: skip


def flapping(place: Path, *, quick: bool) -> list[Row]:
    """The row of the table."""
    seconds = 45.0 if quick else 240.0
    with street(place, ("alpha", "beta"), environ={LANE: "direct"}) as (house, simulator):
        end = time.monotonic() + seconds
        seen = flap(house, simulator, lambda _: time.monotonic() < end)
        held = holds(house)
    growing = all(after >= before + _LONGER_S for before, after in pairwise(seen.rests))
    rests = ", ".join(f"{rest:.0f}" for rest in seen.rests)
    return [
        Row("U4: a provider flaps",
            f"{_FAILURES} failures whenever it was well for one request, {seconds:g} s long",
            f"at most {_CHANGES} times a minute it is left or tried again, every rest is longer "
            "than the last; all requests are answered by another one",
            f"{len(seen.changes)} changes, {seen.in_a_minute} within a minute; rests of {rests} s; "
            f"{seen.asked} requests came to it after the first; {dict(seen.answers)}; {held} holds "
            "left",
            len(seen.rests) >= 2 and growing and seen.in_a_minute <= _CHANGES
            and set(seen.answers) == {200} and held == 0)
    ]  # fmt: skip


def flap(house: House, simulator: Simulator, go_on: Callable[[Flapped], bool]) -> Flapped:
    """One request after the other, for any of its twins, while ``alpha`` flaps."""
    seen, until, before, failing, asked = Flapped(), 0.0, 0, False, 0
    began = time.monotonic()
    while go_on(seen):
        came = len(_told(simulator, "requests"))
        if failing:
            failing = any(fault["left"] for fault in _told(simulator, "faults"))
        elif came > asked:  # it was well for one
            simulator.fault("alpha", "500", count=_FAILURES)
            failing = True
        asked = came
        seen.answers[house.chat(model="twins")[0]] += 1
        seen.answered_since += bool(seen.rests)
        trouble = house.get("/v1/health")["troubles"].get("alpha")
        new = datetime.fromisoformat(trouble["until"]).timestamp() if trouble else 0.0
        if abs(new - until) > _MOVED_S:
            # One that is left again before anybody looked was tried in between.
            times = 2 if new and until else 1
            seen.changes += [time.monotonic() - began] * times
            if new:
                seen.rests.append(new - time.time())
                before = before or len(_told(simulator, "requests"))
            until = new
        time.sleep(0.05)
    seen.asked = len(_told(simulator, "requests")) - before
    return seen


def _told(simulator: Simulator, what: str) -> list[dict[str, Any]]:
    url = f"{simulator.url}/_sim/{what}?provider=alpha&limit=100000"
    found: list[dict[str, Any]] = call("GET", url)[2][what]
    return found
