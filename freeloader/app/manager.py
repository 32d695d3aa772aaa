"""The service manager that started us, if one did: told when we are ready, alive and stopping.

The protocol is systemd's (sd_notify(3)): one datagram of ``NAME=value`` lines to the socket
in ``NOTIFY_SOCKET``. launchd wants nothing of the kind. Without a socket every call does
nothing. It supervises nobody: that the loop runs is what feeding the watchdog shows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, MutableMapping

_log = logging.getLogger(__name__)

#: The variables that are ours alone: what we start is not to speak for us.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: A status line is shown in one terminal line.
_STATUS_MAX = 200
#: How often the status is looked at where no watchdog sets the pace, in seconds.
_PACE_S = 5.0


class ServiceManager:
    """One socket. ``watchdog_s`` is the manager's patience in seconds; None: it has no watchdog."""

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s if address else None
        self._said = ""

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """From the environment, whose variables are taken out. A malformed one counts as none."""
        address, patience, pid = (environ.pop(name, "") for name in VARIABLES)
        meant = not pid or pid == str(os.getpid())
        microseconds = int(patience) if patience.isascii() and patience.isdigit() else 0
        usable = address[:1] in ("/", "@")
        return cls(
            address if usable else None,
            microseconds / 1e6 if meant and microseconds else None,
        )

    def ready(self, status: str) -> None:
        """Requests are taken from now on."""
        self._said = status
        self._send("READY=1", _status(status))

    def stopping(self, seconds: float) -> None:
        """No more requests; ending takes ``seconds`` at most, which the manager should grant."""
        self._send("STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; told once per change."""
        if text != self._said:
            self._said = text
            self._send(_status(text))

    def alive(self) -> None:
        """Feeds the watchdog."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    async def beat(self, status: Callable[[], str]) -> None:
        """For ever: a sign of life from the event loop, twice per patience, and the status."""
        if self._address is None:
            return
        pace = _PACE_S if self.watchdog_s is None else min(_PACE_S, self.watchdog_s / 2)
        while True:
            self.alive()
            self.status(status())
            await asyncio.sleep(pace)

    def _send(self, *lines: str) -> None:
        """Without waiting. A manager that cannot be reached is no reason to fail."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
                wire.setblocking(False)
                wire.sendto("\n".join(lines).encode(), address)
        except OSError as problem:
            _log.warning("the service manager could not be told %s: %s", lines[0], problem)


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())[:_STATUS_MAX]}"
