"""What the keeper says of its child: state, restarts, last exit, since when. Decides nothing.

For `/v1/health`, the log, and whoever asks for a lease that cannot be had.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from freeloader.child.crew import Crew
from freeloader.child.hands import signal_name
from freeloader.child.logfile import LogFile
from freeloader.child.machine.states import Event, Exited, Machine
from freeloader.child.watching import Lookout
from freeloader.clock import Instant
from freeloader.errors import Unavailable

_LOG = logging.getLogger("freeloader.child.keeper")


class Teller:
    """Told of each step of the machine; ``log``: what the child printed last."""

    def __init__(self, log: LogFile, now: Instant) -> None:
        self._log = log
        self._since = now
        self._last_exit: dict[str, Any] | None = None

    def note(self, before: Machine, event: Event, after: Machine, now: Instant) -> None:
        """One line in the log for each change of state, with what led to it where it is known."""
        if after.failures > before.failures:
            code = event.code if isinstance(event, Exited) else None
            self._last_exit = {
                "code": code if code is not None and code >= 0 else None,
                "signal": signal_name(code),
                "reason": after.problem,
                "at": now.iso(),
            }
        if after.state != before.state:
            self._since = now
            _say_state(before.state, after)

    def status(
        self, machine: Machine, crews: Mapping[int, Crew], lookout: Lookout
    ) -> dict[str, Any]:
        """See ``Keeper.status``."""
        crew = crews.get(machine.generations[0].id) if machine.generations else None
        pids = [worker.pid for worker in crew.running] if crew else []
        sizes = lookout.usage(pids)
        found: dict[str, Any] = {
            "state": machine.state,
            "pid": pids[0] if pids else None,
            "workers": len(pids),
            "rssBytes": sum(size for size, _ in sizes) if sizes else None,
            "cpuPercent": round(sum(cpu for _, cpu in sizes), 1) if sizes else None,
            "restarts": machine.failures,
            "lastExit": self._last_exit,
            "generation": machine.generations[0].id if machine.generations else None,
            "generations": len(machine.generations),
            "inFlight": sum(crew.in_flight for crew in crews.values()),
            "since": self._since.iso(),
        }
        if machine.problem is not None:
            found["problem"] = machine.problem
            found["logTail"] = list(self._log.tail)
        return found


def unavailable(machine: Machine) -> Unavailable:
    """Why there is no lease: it starts, or it gave up."""
    if machine.fatal is not None:
        message = f"The LiteLLM child cannot run: {machine.fatal}. See `xswarm doctor`."
        return Unavailable(message, code="overloaded", retry_after=30.0)
    message = "The LiteLLM child is starting; try again in a few seconds."
    return Unavailable(message, code="starting", retry_after=2.0)


def _say_state(before: str, machine: Machine) -> None:
    bad = machine.state in ("backoff", "fatal")
    fields = {"event": "child.state", "state": machine.state, "before": before}
    if machine.generations:
        fields["generation"] = str(machine.generations[0].id)
    if bad and machine.problem is not None:
        fields["reason"] = machine.problem
    level = logging.WARNING if bad else logging.INFO
    _LOG.log(level, "the LiteLLM child is %s", machine.state, extra={"fields": fields})
