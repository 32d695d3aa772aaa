"""What `doctor` says of a running daemon: its own complaints, providers, load, room left.

It asks the daemon's `/v1/health` and looks at its process; it sends no request to any
provider and no message to any channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient, health_of
from freeloader.cli.checks.system import MEMORY_FEW

#: A part of its descriptors that a daemon at rest does not need.
DESCRIPTORS_WARN = 0.8
#: A thousand connections have one each, and half of them another one to a provider.
DESCRIPTORS_FEW = 1024
_MEGABYTE = 2**20


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
    """Providers of which nothing can be asked now: after failures, or with their quota spent."""
    health = health_of(patient)
    states = health.get("providers") if health is not None else None
    if health is None or not isinstance(states, Mapping) or not states:
        return
    none = not any(state == "ok" for state in states.values())
    bad = sorted(name for name, state in states.items() if state == "error")
    spent = sorted(name for name, state in states.items() if state == "quota_exceeded")
    whys = health.get("troubles")
    whys = whys if isinstance(whys, Mapping) else {}
    if bad:
        remedy = f"xswarm account test {bad[0]}; xswarm logs says what it answered"
        found = f"left alone after failures: {_explained(bad, whys)}"
        yield Finding("providers", FAIL if none else WARN, found, remedy)
    if spent:
        remedy = "xswarm free shows every window; another provider: xswarm account add"
        found = f"free quota used up: {_explained(spent, whys)}"
        yield Finding("quota", FAIL if none else WARN, found, remedy)
    if not bad:
        yield Finding("providers", OK, f"{len(states)}, none in trouble")


def _explained(names: Sequence[str], whys: Mapping[str, Any]) -> str:
    """Each with its reason and the end of its pause, where the daemon tells them."""
    parts = []
    for name in names:
        why = whys.get(name)
        why = why if isinstance(why, Mapping) else {}
        until = f", until {why['until']}" if why.get("until") else ""
        parts.append(f"{name} ({why['reason']}{until})" if why.get("reason") else name)
    return "; ".join(parts)


def check_load(patient: Patient) -> Iterator[Finding]:
    """More than it can do: then what can wait is refused."""
    health = health_of(patient)
    load = health.get("load") if health is not None else None
    if isinstance(load, Mapping) and load.get("state", "normal") != "normal":
        found = f"{load['state']} since {load.get('since')}: {load.get('reason')}"
        fewer = "xswarm decisions shows what failed, and why"
        if "failed" not in str(load.get("reason")):
            fewer = "fewer requests at once"
        remedy = f"{fewer}; xswarm config get load_monitoring"
        yield Finding("load", WARN, found, remedy)


def check_limits(patient: Patient) -> Iterator[Finding]:
    """Descriptors and memory that the system gives the daemon, and how much is used.

    With the daemon stopped, what a start from here would get.
    """
    import psutil

    try:
        process = psutil.Process(patient.record.pid if patient.record is not None else None)
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
