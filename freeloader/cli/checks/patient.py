"""The home that `doctor` looks at, what a check finds, and what a running daemon says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeloader.cli import daemon
from freeloader.cli.client import Client
from freeloader.cli.lifecycle import Record, RunFiles
from freeloader.cli.shell import is_key
from freeloader.clock import Clock
from freeloader.errors import ConfigError

if TYPE_CHECKING:
    from freeloader.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"
#: How long a running daemon is waited for.
ANSWER_SECONDS = 10.0


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
        #: A daemon that did not answer is not asked again: each time would be waited for.
        self.silent = False
        self.health: Mapping[str, Any] | None = None
        self.problem: ConfigError | None = None
        self.settings: Settings | None = None
        try:
            self.settings = daemon.settings_of(home)
        except ConfigError as error:
            self.problem = error


def health_of(patient: Patient) -> Mapping[str, Any] | None:
    """`/v1/health` of a running daemon, asked once; None where nothing answers."""
    if patient.health is None:
        found = ask(patient, "/v1/health")
        patient.health = found if isinstance(found, Mapping) else None
    return patient.health


def ask(patient: Patient, path: str) -> Any:
    """What a running daemon answers to its owner's GET; None where nothing does, or refuses."""
    if patient.record is None or not patient.record.address or patient.silent:
        return None
    file = patient.home / "admin.key"
    key = file.read_text("ascii", "replace").strip() if file.is_file() else ""
    status, answer = Client(patient.record.address, key if is_key(key) else None).probe(
        path, ANSWER_SECONDS
    )
    patient.silent = status == 0
    return answer if status == 200 else None
