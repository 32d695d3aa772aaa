"""What `doctor` says of the machine around the daemon: control groups, what an earlier run
left, containers, and who else could read the files of the home.

It reads `/proc`, `/sys` and modes of files; it ends no process and changes no mode.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient, health_of
from freeloader.gateway.guards.control_groups import OWN, ROOT, Group, limiting, tasks

_MEGABYTE = 2**20
#: What daemon and child want together, with room to replace the child (two at once).
MEMORY_FEW = 1536 * _MEGABYTE
#: The same for a daemon that calls every provider itself.
MEMORY_ALONE = 256 * _MEGABYTE
#: A part of what it may have, beyond which the next request may be the last.
USED_WARN = 0.9
#: Threads of a daemon, its child, and another child beside it for a moment.
TASKS_FEW = 128
#: The launcher that every child is started by.
_LAUNCHER = "freeloader.child.launcher"
_SECRET = (".key", ".enc")
_CONTAINERS = ("docker", "podman", "br-", "cni")


def check_groups(patient: Patient) -> Iterator[Finding]:
    """Memory and tasks that a container or a service gives the daemon, of either version."""
    own = OWN if patient.record is None else Path(f"/proc/{patient.record.pid}/cgroup")
    yield from group_findings(limiting(own), tasks(own, ROOT), few=_few(patient))


def group_findings(
    memory: Sequence[Group], held: tuple[int, int] | None, *, few: int
) -> Iterator[Finding]:
    """``held``: tasks that there are and may be; ``few``: bytes that are too few to live on."""
    for group in memory:
        told = group.told()
        if told is None:
            continue
        used, limit = told
        found = f"its control group has {used // _MEGABYTE} of {limit // _MEGABYTE} MB in use"
        if used > USED_WARN * limit:
            remedy = "raise it (MemoryMax= in the service, --memory of the container)"
            yield Finding("memory", FAIL, f"{found}: requests are refused, or it is killed", remedy)
        elif limit < few:
            remedy = f"give it {few // _MEGABYTE} MB, or: xswarm config set upstream.lane direct"
            yield Finding("memory", WARN, f"{found}: LiteLLM may not start", remedy)
        else:
            yield Finding("memory", OK, found)
    if held is not None:
        count, most = held
        found = f"its control group has {count} of {most} tasks"
        remedy = "raise it (TasksMax= in the service, --pids-limit of the container)"
        if count > USED_WARN * most:
            yield Finding("tasks", FAIL, f"{found}: no child can be started", remedy)
        elif most < TASKS_FEW:
            yield Finding("tasks", WARN, f"{found}: a child may not start", remedy)
        else:
            yield Finding("tasks", OK, found)


def _few(patient: Patient) -> int:
    lane = patient.settings.upstream.lane if patient.settings is not None else ""
    return MEMORY_ALONE if lane == "direct" else MEMORY_FEW


def check_orphans(patient: Patient) -> Iterator[Finding]:
    """LiteLLM processes of this home whose daemon is gone: they hold memory, and serve nobody."""
    import psutil

    mine = str(patient.home / "run" / "child")
    daemon = patient.record.pid if patient.record is not None else None
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            ours = _LAUNCHER in words and any(word.startswith(mine) for word in words)
            if ours and process.ppid() != daemon:
                found.append(process)
        except psutil.Error:
            continue  # it ended meanwhile, or is somebody else's
    if found:
        pids = " ".join(str(process.pid) for process in found)
        text = f"{len(found)} LiteLLM process(es) of an earlier daemon still run: {pids}"
        yield Finding("orphans", WARN, text, f"the next start ends them; or now: kill {pids}")
    else:
        yield Finding("orphans", OK, "no process of an earlier run")


def check_modes(patient: Patient) -> Iterator[Finding]:
    """What in the home others could read; the two key files have a check of their own.

    In a home that is closed itself only what is secret counts: an editor leaves files 0644.
    """
    if not patient.home.is_dir():
        return
    wide = [path for path in _private(patient.home) if _mode(path) & 0o077]
    if not _mode(patient.home) & 0o077:
        wide = [path for path in wide if path.suffix in _SECRET]
    if not wide:
        yield Finding("modes", OK, "what is in the home is for its owner alone")
        return
    named = ", ".join(f"{path.name} ({_mode(path):04o})" for path in wide[:5])
    more = f" and {len(wide) - 5} more" if len(wide) > 5 else ""
    remedy = f"chmod -R go= {patient.home}"
    if any(path.suffix in _SECRET for path in wide):
        remedy += "; change the keys if somebody else uses this machine"
    yield Finding("modes", WARN, f"open to others: {named}{more}", remedy)


def _private(home: Path) -> list[Path]:
    names = [*home.iterdir(), *(home / "logs").glob("*"), *(home / "registry").glob("*")]
    keys = {home / "admin.key", home / "client.key"}
    return sorted(path for path in names if path not in keys and not path.is_symlink())


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # gone meanwhile


def check_door(patient: Patient) -> Iterator[Finding]:
    """Who was turned away for the name by which he called, and whether containers get here."""
    health = health_of(patient)
    turned = health.get("turnedAway") if health is not None else None
    for code, setting in (
        ("host_not_allowed", "allowed_hosts"),
        ("origin_not_allowed", "cors_origins"),
    ):
        row = turned.get(code) if isinstance(turned, dict) else None
        if isinstance(row, dict):
            yield _turned(row, setting)
    if patient.settings is None or not _containers():
        return
    from freeloader.app import listening

    host = patient.settings.server.host
    if listening.warning(host) is None:
        found = f"containers run here, and do not reach {host}"
        remedy = "if one should: README, host.docker.internal"
        yield Finding("containers", OK, f"{found} ({remedy})")


def _turned(row: dict[str, Any], setting: str) -> Finding:
    kind = "Host" if setting == "allowed_hosts" else "Origin"
    found = (
        f"{row.get('count')} request(s) were refused for their {kind}, "
        f"the last from {row.get('last')!r} at {row.get('at')}"
    )
    remedy = f"if that was you: xswarm config set server.{setting} '[\"NAME\"]'; else leave it"
    return Finding("door", WARN, found, remedy)


def _containers() -> bool:
    """True where this machine has a bridge for containers."""
    try:
        names = os.listdir("/sys/class/net")
    except OSError:
        return False
    return any(name.startswith(_CONTAINERS) for name in names)
