"""What `doctor` looks at: each check gives findings, changes nothing and needs no daemon.

A check that cannot be made says so as a finding; none of them raises for what
it finds. Nothing here asks anybody outside this machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from freeloader.cli import ports
from freeloader.cli.client import Client
from freeloader.cli.database_checks import check_databases
from freeloader.cli.lifecycle import RunFiles
from freeloader.cli.patient import FAIL, OK, WARN, Finding, Patient, ask, health_of
from freeloader.cli.running_checks import (
    check_limits,
    check_load,
    check_problems,
    check_providers,
)
from freeloader.cli.shell import duration, is_key, to_open
from freeloader.cli.supply_checks import check_listening, check_packages, check_start_files
from freeloader.cli.system_checks import check_door, check_groups, check_modes, check_orphans
from freeloader.cli.unit_checks import check_service
from freeloader.clock import Clock, iso
from freeloader.errors import FreeloaderError

LITELLM = "1.106.2"
TROJANED = ("1.82.7", "1.82.8")
DISK_WARN_BYTES = 1024**3
DISK_FAIL_BYTES = 100 * 1024**2
# No machine that can run this release is older; a clock before it was never set.
OLDEST_WALL = 1_790_000_000.0
FUTURE_SECONDS = 3600.0
#: The daemon writes its start down a moment after it began.
JUMPED_SECONDS = 90.0
#: Files that can still be made on the disk.
FILES_FEW = 1_000


Check = Callable[[Patient], Iterator[Finding]]


def examine(home: Path, clock: Clock) -> list[Finding]:
    """All findings, in the order of ``CHECKS``; only the first where the home is closed to us."""
    if home.is_dir() and not os.access(home, os.R_OK | os.X_OK):
        return [Finding("home", FAIL, f"{home} is closed to this user", to_open(home))]
    patient = Patient(home, clock)
    return [finding for check in CHECKS for finding in _findings(check, patient)]


def _findings(check: Check, patient: Patient) -> Iterator[Finding]:
    """Of one check; a file that cannot be read is a finding too, and no end of the others."""
    try:
        yield from check(patient)
    except OSError as error:
        if error.filename is None:
            raise
        place = Path(os.fsdecode(error.filename))
        found = f"{place} cannot be read: {error.strerror}"
        yield Finding(check.__name__.removeprefix("check_"), FAIL, found, to_open(place))


def check_home(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    if not home.is_dir():
        yield Finding("home", FAIL, f"{home} does not exist", "make it: xswarm init")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if home.stat().st_uid != os.getuid():
        yield Finding(
            "home", FAIL, f"{home} belongs to someone else", "set XSWARM_HOME to your own"
        )
    elif mode & 0o077:
        yield Finding("home", WARN, f"{home} is open to others ({mode:04o})", f"chmod 700 {home}")
    elif not os.access(home, os.W_OK):
        yield Finding("home", FAIL, f"{home} is not writable", f"chmod u+w {home}")
    else:
        yield Finding("home", OK, str(home))


def check_settings(patient: Patient) -> Iterator[Finding]:
    if patient.problem is not None:
        yield Finding("settings", FAIL, patient.problem.message, "correct it there, then run again")
    elif not (patient.home / "config.toml").is_file():
        yield Finding("settings", WARN, "no config.toml: the defaults hold", "xswarm init")
    else:
        yield Finding("settings", OK, "config.toml and environment are sound")


def check_keys(patient: Patient) -> Iterator[Finding]:
    if not patient.home.is_dir():
        return
    again = "xswarm stop; xswarm init" if patient.record else "xswarm init"
    for role in ("admin", "client"):
        path = patient.home / f"{role}.key"
        if not path.is_file():
            yield Finding(f"{role} key", FAIL, f"{path} is missing", again)
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                f"{role} key",
                FAIL,
                f"{path} is open to others ({mode:04o})",
                f"chmod 600 {path}, and make a new one: xswarm key create",
            )
        elif not is_key(key := path.read_text("ascii", "replace").strip()):
            what = "holds no key" if key else "is empty"
            yield Finding(f"{role} key", FAIL, f"{path} {what}", f"remove it, then: {again}")
        else:
            yield Finding(f"{role} key", OK, f"{path.name}, for its owner alone")


def check_secrets(patient: Patient) -> Iterator[Finding]:
    from freeloader.secrets import SecretStore
    from freeloader.secrets.file import SecretFile
    from freeloader.settings import Home
    from freeloader.store.integrity import secrets_in

    if not patient.home.is_dir():
        return
    backend = patient.settings.secrets.backend if patient.settings else "auto"
    try:
        found = asyncio.run(SecretStore(Home(patient.home), backend).status())
    except FreeloaderError as error:
        yield Finding("secret store", FAIL, error.message, "xswarm config set secrets.backend file")
        return
    try:
        SecretFile(Home(patient.home)).read()  # a key can be there, and not be the file's
    except FreeloaderError as error:
        remedy = "restore secrets.key and secrets.enc, or move both away and add the accounts again"
        yield Finding("secret store", FAIL, error.message, remedy)
        return
    kept = secrets_in(patient.home / "freeloader.db", "keyring")
    if found["serves"] == "keyring":
        yield Finding("secret store", OK, "the system's keyring")
    elif kept:
        what = f"the keyring holds keys of {', '.join(kept)}, and gives none: {found['keyring']}"
        remedy = "unlock it, then: xswarm restart; or give the keys again: xswarm account add"
        yield Finding("secret store", FAIL, what, remedy)
    else:
        yield Finding(
            "secret store", OK, f"an encrypted file in the home (keyring: {found['keyring']})"
        )


def check_port(patient: Patient) -> Iterator[Finding]:
    if patient.record is not None and patient.record.address:
        status, _ = Client(patient.record.address, None).probe("/health")
        patient.silent = status == 0
        if status == 200:
            yield Finding("port", OK, f"the daemon answers at {patient.record.address}")
        else:
            yield Finding(
                "port",
                FAIL,
                f"pid {patient.record.pid} does not answer at {patient.record.address}",
                "xswarm logs, then xswarm restart --force",
            )
    elif patient.record is not None:
        yield Finding("port", WARN, f"pid {patient.record.pid} does not listen yet", "xswarm logs")
    elif patient.settings is not None:
        yield from _crashed(patient)
        server = patient.settings.server
        problem = ports.trouble(server.host, server.port)
        what, _, remedy = (problem or "").partition("; ")
        if problem:
            yield Finding("port", FAIL, what, remedy)
        else:
            yield Finding("port", OK, f"{server.host}:{server.port} is free (daemon stopped)")


def _crashed(patient: Patient) -> Iterator[Finding]:
    gone = RunFiles(patient.home).crashed()
    if gone is not None:
        found = f"pid {gone.pid}, started {iso(gone.started)}, was killed or crashed"
        remedy = "xswarm logs (--source console has its last words); xswarm start --daemon"
        yield Finding("daemon", WARN, found, remedy)


def check_child(patient: Patient) -> Iterator[Finding]:
    if patient.record is None or not patient.record.address:
        yield Finding("child", OK, "not running, like the daemon")
        return
    health = health_of(patient)
    child = health.get("child") if health is not None else None
    if not isinstance(child, Mapping):
        yield Finding("child", WARN, "the daemon does not say how it is", "xswarm status")
        return
    lane = health.get("lane") if health is not None else None
    needed = not isinstance(lane, Mapping) or lane.get("childNeeded") is not False
    yield child_finding(child, needed)


def child_finding(child: Mapping[str, Any], needed: bool = True) -> Finding:
    """The state of the LiteLLM child, as `/v1/health` has it."""
    state, restarts = str(child.get("state", "unknown")), int(child.get("restarts") or 0)
    if state == "fatal":
        return Finding(
            "child",
            FAIL,
            f"LiteLLM does not start: {child.get('problem') or 'it crashed again and again'}",
            "xswarm logs --source child, then xswarm restart",
        )
    if state in ("ready", "draining"):
        crashed = f", {restarts} restarts" if restarts else ""
        return Finding(
            "child",
            WARN if restarts > 3 else OK,
            f"{state}{crashed}",
            "xswarm logs --source child" if restarts > 3 else "",
        )
    if state == "stopped" and not needed:
        return Finding("child", OK, "LiteLLM is stopped: every model is called directly")
    return Finding("child", WARN, f"LiteLLM is {state}", "wait a moment; xswarm status")


def check_accounts(patient: Patient) -> Iterator[Finding]:
    """Several accounts at one provider, and quota warnings, as the running daemon sees them."""
    answer = ask(patient, "/v1/free-tiers")
    if not isinstance(answer, Mapping):
        return  # the checks of key and port say why
    found = False
    for warning in answer.get("warnings") or ():
        found = True
        remedy = "keep one account of yours per provider; xswarm account set --same-account-as"
        yield Finding("accounts", WARN, str(warning), remedy)
    for alert in answer.get("alerts") or ():
        if isinstance(alert, Mapping) and alert.get("type") == "key_used_elsewhere":
            found = True
            yield Finding("accounts", WARN, str(alert.get("message")), "xswarm free")
    if not found:
        yield Finding("accounts", OK, "one account per provider")


def check_litellm(patient: Patient) -> Iterator[Finding]:
    remedy = "scripts/setup installs the version in the lock"
    try:
        # Never imported here: that takes 2 s and 170 MB.
        version = metadata.version("litellm")
    except metadata.PackageNotFoundError:
        yield Finding("litellm", FAIL, "LiteLLM is not installed", remedy)
        return
    if version in TROJANED:
        yield Finding(
            "litellm",
            FAIL,
            f"{version} was published by thieves and steals keys",
            f"{remedy}; change every key this machine has",
        )
    elif version != LITELLM:
        yield Finding("litellm", WARN, f"{version}; tested with {LITELLM}", remedy)
    else:
        yield Finding("litellm", OK, version)


def check_clock(patient: Patient) -> Iterator[Finding]:
    wall = patient.clock.now().wall
    if wall < OLDEST_WALL:
        yield Finding("clock", FAIL, f"it says {iso(wall)}: it was never set", "set the time")
        return
    newest = max((file.stat().st_mtime for file in _files(patient.home)), default=0.0)
    if newest > wall + FUTURE_SECONDS:
        yield Finding(
            "clock",
            WARN,
            f"the home was written to at {iso(newest)}, which is to come",
            "set the time: quotas and budgets go by days",
        )
        return
    jumped = _jumped(patient)
    if abs(jumped) > JUMPED_SECONDS:
        way = "forward" if jumped > 0 else "back"
        found = f"it was set {way} by {duration(abs(jumped))} since the daemon started"
        yield Finding("clock", WARN, found, "if it is right now: xswarm restart; else set the time")
        return
    yield Finding("clock", OK, iso(wall))


def _jumped(patient: Patient) -> float:
    """Seconds by which the wall clock was set since the daemon started; sleep does not count.

    The system keeps a process's birth by a clock that nobody sets, and tells it in today's
    wall time; the daemon wrote down what the wall clock said then.
    """
    import psutil

    if patient.record is None:
        return 0.0
    try:
        return psutil.Process(patient.record.pid).create_time() - patient.record.started
    except psutil.Error:
        return 0.0


def check_disk(patient: Patient) -> Iterator[Finding]:
    place = next((p for p in (patient.home, *patient.home.parents) if p.is_dir()), Path("/"))
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GB free"
    kept = os.statvfs(place)
    if kept.f_files and kept.f_favail < FILES_FEW:
        yield Finding("disk", FAIL, f"{found}, but room for {kept.f_favail} files only",
                      "remove files: no database can be written without")  # fmt: skip
    elif free < DISK_FAIL_BYTES:
        yield Finding("disk", FAIL, found, "make room: holds cannot be written on a full disk")
    elif free < DISK_WARN_BYTES:
        yield Finding("disk", WARN, found, "make room")
    else:
        yield Finding("disk", OK, found)


def check_registry(patient: Patient) -> Iterator[Finding]:
    from freeloader.catalog import load

    catalog = load(patient.home / "registry")
    for problem in catalog.problems:
        yield Finding(
            "registry",
            WARN,
            str(problem),
            "correct or remove that file; it is skipped until then",
        )
    if not catalog.problems:
        yield Finding(
            "registry", OK, f"{len(catalog.providers)} providers, {len(catalog.models)} models"
        )


def _files(home: Path) -> Iterator[Path]:
    """The files that the daemon itself writes."""
    for name in ("freeloader.db", "freeloader.db-wal", "journal.db", "logs/freeloader.log"):
        if (home / name).is_file():
            yield home / name


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
