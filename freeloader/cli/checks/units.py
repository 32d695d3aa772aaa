"""What `doctor` says of an installed service: for this home, with a Python that is there, current.

It reads the service's file and runs nothing; `xswarm service status` asks the manager.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient
from freeloader.cli.commands.manager import masked, plan_for
from freeloader.cli.shell import Failure
from freeloader.cli.units import Plan

_EXEC = re.compile(r'^ExecStart="((?:[^"\\]|\\.)*)"', re.MULTILINE)
_HOME = re.compile(r'^Environment="XSWARM_HOME=((?:[^"\\]|\\.)*)"', re.MULTILINE)
#: systemd's words for a path in a file of its own.
_SPECIFIER = re.compile(r"(?<!%)%[a-zA-Z]")


def check_service(patient: Patient) -> Iterator[Finding]:
    """Nothing where no service is installed: that is a choice."""
    for system in (False, True):
        try:
            plan = plan_for(None, system)
        except Failure as failure:  # no manager that we know, or a path that it cannot start
            yield Finding("service", OK, failure.message)
            return
        if (forbidden := masked(plan)) is not None:
            yield Finding("service", OK, forbidden)  # that is a choice, too
            continue
        try:
            text = plan.path.read_text("utf-8", "replace")
        except OSError:
            continue
        yield service_finding(plan, text, patient.home, system=system)


def service_finding(plan: Plan, text: str, home: Path, *, system: bool) -> Finding:
    """``text`` is what is installed, ``plan`` what would be."""
    again = f"xswarm service install{' --system' if system else ''}"
    python, meant = _said(plan.manager, text)
    if python is not None and not Path(python).is_file():
        return Finding("service", FAIL, f"{plan.path} starts {python}, which is not there", again)
    if meant is not None and not system and Path(meant) != home:
        found = f"{plan.path} is for the home {meant}, not for {home}"
        return Finding("service", WARN, found, f"XSWARM_HOME={meant} xswarm doctor, or: {again}")
    if text != plan.text:
        found = f"{plan.path} is not what this version would write"
        return Finding("service", WARN, found, f"{again} (shows the difference first)")
    return Finding("service", OK, f"{plan.path} is up to date")


def _said(manager: str, text: str) -> tuple[str | None, str | None]:
    """The interpreter and the home that a service's file names, where it does."""
    if manager == "launchd":
        return _from_plist(text)
    python, home = _EXEC.search(text), _HOME.search(text)
    return _plain(python), _plain(home)


def _plain(found: re.Match[str] | None) -> str | None:
    """A word without systemd's escapes; None where it says a path in its own terms."""
    if found is None or _SPECIFIER.search(found[1]):
        return None
    return re.sub(r"\\(.)", r"\1", found[1]).replace("%%", "%")


def _from_plist(text: str) -> tuple[str | None, str | None]:
    try:
        found = plistlib.loads(text.encode())
        return found["ProgramArguments"][0], found["EnvironmentVariables"]["XSWARM_HOME"]
    except (plistlib.InvalidFileException, ValueError, LookupError, TypeError):
        return None, None
