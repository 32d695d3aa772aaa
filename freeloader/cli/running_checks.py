"""What `doctor` says of a running daemon: its own complaints, providers, load, room left.

It asks the daemon's `/v1/health` and looks at its process; it sends no request to any
provider and no message to any channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from freeloader.cli.patient import FAIL, OK, WARN, Finding, Patient, health_of

#: A part of its descriptors that a daemon at rest does not need.
DESCRIPTORS_WARN = 0.8
#: A thousand connections have one each, and half of them another one to a provider.
DESCRIPTORS_FEW = 1024
_MEGABYTE = 2**20
#: What daemon and child want together, with room to replace the child (two at once).
MEMORY_FEW = 1536 * _MEGABYTE


def check_problems(patient: Patient) -> Iterator[Finding]:
    """What the daemon itself says is wrong, each with what to do; not a second time what
    other checks see in the files."""
    health = health_of(patient)
    for problem in health.get("problems") or () if health is not None else ():
        yield from _problem(str(problem))


def _problem(text: str) -> Iterator[Finding]:
    head, _, rest = text.partition(": ")
    if head == "overlay skipped":
        return  # the check of the registry names it
    if head == "notifications":
        remedy = "xswarm notify test; xswarm notify add NAME gives a channel another address"
        yield Finding("notifications", WARN, f"channel {rest}", remedy)
    elif head == "no traces":
        yield Finding("traces", WARN, text, "xswarm config get logging.otlp_endpoint")
    elif head == "settings not taken over":
        yield Finding("settings", FAIL, text, "correct config.toml; the former settings hold")
    elif ".db" in text or "ledger" in text:
        yield Finding("ledger", FAIL, text, "paid calls wait until that is over")
    else:
        yield Finding("daemon", WARN, text, "xswarm status; xswarm logs")


def check_providers(patient: Patient) -> Iterator[Finding]:
    """Providers of which nothing can be asked now, for another reason than quota."""
    health = health_of(patient)
    states = health.get("providers") if health is not None else None
    if not isinstance(states, Mapping) or not states:
        return
    bad = sorted(name for name, state in states.items() if state == "error")
    if not bad:
        yield Finding("providers", OK, f"{len(states)}, none in trouble")
        return
    state = FAIL if len(bad) == len(states) else WARN
    remedy = f"xswarm account test {bad[0]}; xswarm logs says what it answered"
    yield Finding("providers", state, f"left alone after failures: {', '.join(bad)}", remedy)


def check_load(patient: Patient) -> Iterator[Finding]:
    """More than it can do: then what can wait is refused."""
    health = health_of(patient)
    load = health.get("load") if health is not None else None
    if isinstance(load, Mapping) and load.get("state", "normal") != "normal":
        found = f"{load['state']} since {load.get('since')}: {load.get('reason')}"
        remedy = "fewer requests at once; xswarm config get load_monitoring"
        yield Finding("load", WARN, found, remedy)


def check_limits(patient: Patient) -> Iterator[Finding]:
    """Descriptors and memory that the system gives the daemon, and how much is used."""
    if patient.record is None:
        return
    import psutil

    try:
        process = psutil.Process(patient.record.pid)
        yield from limits_findings(*_limits(process))
    except (psutil.Error, AttributeError, OSError):
        return  # not told on this system, or it ended meanwhile: the check of the port says that


def _limits(process: Any) -> tuple[int, int, int]:
    import psutil

    files, _ = process.rlimit(psutil.RLIMIT_NOFILE)
    memory, _ = process.rlimit(psutil.RLIMIT_AS)
    return process.num_fds(), files, memory


def limits_findings(used: int, files: int, memory: int) -> Iterator[Finding]:
    """``memory`` is -1 where it is not limited."""
    remedy = "raise it: `ulimit -n`, or LimitNOFILE= in the service"
    if files >= 0 and used > DESCRIPTORS_WARN * files:
        found = f"{used} of {files} in use: new connections will be refused"
        yield Finding("descriptors", FAIL, found, remedy)
    elif 0 <= files < DESCRIPTORS_FEW:
        yield Finding("descriptors", WARN, f"limited to {files}", remedy)
    else:
        yield Finding("descriptors", OK, f"{used} of {files if files >= 0 else 'any number'}")
    if 0 <= memory < MEMORY_FEW:
        found = f"limited to {memory // _MEGABYTE} MB: LiteLLM may not start, or be ended by it"
        yield Finding("memory", WARN, found, "raise `ulimit -v`, or: upstream.lane direct")
