"""What `doctor` looks at: each check gives findings, changes nothing and needs no daemon.

A check that cannot be made says so as a finding; none of them raises for what
it finds. Nothing here asks anybody outside this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from freeloader import __version__
from freeloader.cli.checks.daemon import check_accounts, check_child, check_port
from freeloader.cli.checks.databases import check_databases
from freeloader.cli.checks.home import (
    check_home,
    check_keys,
    check_registry,
    check_secrets,
    check_settings,
)
from freeloader.cli.checks.machine import check_clock, check_disk
from freeloader.cli.checks.patient import FAIL, WARN, Finding, Patient
from freeloader.cli.checks.running import (
    check_limits,
    check_load,
    check_problems,
    check_providers,
)
from freeloader.cli.checks.supply import (
    check_listening,
    check_litellm,
    check_packages,
    check_start_files,
)
from freeloader.cli.checks.system import check_door, check_groups, check_modes, check_orphans
from freeloader.cli.checks.units import check_service
from freeloader.cli.shell import to_open
from freeloader.clock import Clock

Check = Callable[[Patient], Iterator[Finding]]


def examine(home: Path, clock: Clock) -> list[Finding]:
    """All findings, in the order of ``CHECKS``; only the first where the home is closed to us."""
    if home.is_dir() and not os.access(home, os.R_OK | os.X_OK):
        return [Finding("home", FAIL, f"{home} is closed to this user", to_open(home))]
    patient = Patient(home, clock)
    return [finding for check in CHECKS for finding in _findings(check, patient)]


def _findings(check: Check, patient: Patient) -> Iterator[Finding]:
    """Of one check; a file that cannot be read is a finding too, and no end of the others.

    Nor is a daemon of another version, which may answer in words that are not known here.
    """
    name = check.__name__.removeprefix("check_")
    try:
        yield from check(patient)
    except OSError as error:
        if error.filename is None:
            raise
        place = Path(os.fsdecode(error.filename))
        found = f"{place} cannot be read: {error.strerror}"
        yield Finding(name, FAIL, found, to_open(place))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if patient.record is None or patient.record.version in ("", __version__):
            raise
        found = f"the daemon is version {patient.record.version}, and not understood: {error}"
        yield Finding(name, WARN, found, "xswarm restart")


CHECKS: tuple[Check, ...] = (
    check_home,
    check_settings,
    check_keys,
    check_modes,
    check_secrets,
    check_port,
    check_listening,
    check_door,
    check_service,
    check_child,
    check_orphans,
    check_providers,
    check_load,
    check_limits,
    check_groups,
    check_accounts,
    check_litellm,
    check_packages,
    check_start_files,
    check_databases,
    check_problems,
    check_registry,
    check_clock,
    check_disk,
)
