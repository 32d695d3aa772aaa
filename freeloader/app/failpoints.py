"""Places at which the daemon can be made to die at once, as by ``kill -9``: for tests of recovery.

Only where ``XSWARM_FAILPOINT`` names one (``NAME`` or ``NAME:N`` for its N-th time);
otherwise nothing is wrapped and nothing is asked. Loses what a crash would lose.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from freeloader.core.events import Delta, Event, Headers, Usage
from freeloader.core.model import Attempt
from freeloader.errors import ConfigError
from freeloader.gateway.ports import LanePort
from freeloader.store import Ledger

VARIABLE = "XSWARM_FAILPOINT"
#: Hold on disk · request sent · first content · usage seen · about to settle · settled.
NAMES = ("hold", "sent", "first", "usage", "settling", "settled")
EXIT = 137


class Failpoint:
    """Counts one name down, and ends the process when it is reached."""

    def __init__(self, name: str, times: int) -> None:
        self._name, self._left = name, times

    def hit(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os._exit(EXIT)


def failpoint(environ: Mapping[str, str]) -> Failpoint | None:
    """The one that is set, if any. Raises ConfigError for a name that there is not."""
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    name, _, times = text.partition(":")
    if name not in NAMES or (times and not times.isdecimal()):
        raise ConfigError(f"{VARIABLE} is {text!r}; it may be NAME or NAME:N, {', '.join(NAMES)}.")
    return Failpoint(name, int(times or 1))


class CrashingLane:
    """A lane that dies when the request is on its way, at the first content, or at its usage."""

    def __init__(self, lane: LanePort, point: Failpoint) -> None:
        self._lane, self._point = lane, point

    async def send(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        async with aclosing(self._lane.send(attempt)) as events:
            async for event in events:
                if isinstance(event, Headers):
                    self._point.hit("sent")
                elif isinstance(event, Delta) and event.content:
                    self._point.hit("first")
                elif isinstance(event, Usage):
                    self._point.hit("usage")
                yield event


class CrashingLedger:
    """A ledger that dies after a hold is on disk, or on either side of a settlement."""

    def __init__(self, ledger: Ledger, point: Failpoint) -> None:
        self._ledger, self._point = ledger, point

    async def hold(self, *args: Any) -> None:
        await self._ledger.hold(*args)
        self._point.hit("hold")

    async def settle(self, *args: Any) -> object:
        self._point.hit("settling")
        done = await self._ledger.settle(*args)
        self._point.hit("settled")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)
