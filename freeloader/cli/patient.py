"""The home that `doctor` looks at, what a check finds, and what a running daemon says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeloader.cli import daemon
from freeloader.cli.client import Client
from freeloader.cli.lifecycle import Record, RunFiles
from freeloader.clock import Clock
from freeloader.errors import ConfigError

if TYPE_CHECKING:
    from freeloader.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. ``state``: ``ok | warn | fail``; no remedy where ok."""

    check: str
    state: str
    found: str
    remedy: str = ""


class Patient:
    """The home that is looked at, and what several checks share."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.home = home
        self.clock = clock
        self.record: Record | None = RunFiles(home).running()
        self.problem: ConfigError | None = None
        self.settings: Settings | None = None
        try:
            self.settings = daemon.settings_of(home)
        except ConfigError as error:
            self.problem = error


def health_of(patient: Patient) -> Mapping[str, Any] | None:
    """`/v1/health` of a running daemon; None where nothing answers."""
    if patient.record is None or not patient.record.address:
        return None
    path = patient.home / "admin.key"
    key = path.read_text(encoding="utf-8").strip() if path.is_file() else None
    status, health = Client(patient.record.address, key).probe("/v1/health", 10.0)
    return health if status == 200 and isinstance(health, Mapping) else None
