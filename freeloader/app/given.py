"""What one daemon is started with, and the settings that are in force meanwhile.

Every part of the daemon asks ``InForce`` anew each time, so that a change needs no
restart. It reads nothing by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from freeloader.clock import Clock
from freeloader.gateway.tools import Tasks
from freeloader.logs import Redactor
from freeloader.manage.config import differing
from freeloader.manage.config import reload as read_again
from freeloader.settings import Home, Settings

_log = logging.getLogger(__name__)

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class InForce:
    """The settings that hold now. A file with a mistake changes nothing, and is named."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._refused: str | None = None

    def __call__(self) -> Settings:
        return self.settings

    def read_again(self, home: Home, environ: Mapping[str, str]) -> bool:
        """From the files; True if they were taken over. Blocks on the disk."""
        found, problem = read_again(home, environ, self.settings)
        self._refused = None if problem is None else problem.message
        if problem is not None:
            _log.error("the settings were not taken over: %s", problem.message,
                       extra={"fields": {"event": "settings.refused"}})  # fmt: skip
            return False
        changed = ", ".join(differing(self.settings, found))
        _log.info("settings taken over: %s", changed or "nothing changed",
                  extra={"fields": {"event": "settings.reload", "changed": changed}})  # fmt: skip
        self.settings = found
        return True

    def problems(self) -> list[str]:
        """One line where the files say something that is not in force."""
        return [] if self._refused is None else [f"settings not taken over: {self._refused}"]


@dataclass(frozen=True, slots=True)
class Given:
    """The same for every part of one daemon."""

    home: Home
    environ: Mapping[str, str]
    clock: Clock
    redactor: Redactor
    tasks: Tasks
    in_force: InForce

    @property
    def proxies(self) -> Mapping[str, str]:
        """The environment's word on proxies, for whoever calls providers."""
        return {k: v for k, v in self.environ.items() if k.lower() in _PROXIES}
