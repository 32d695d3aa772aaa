"""What `doctor` says of the daemon from outside: its port, its child, its accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from freeloader import __version__
from freeloader.cli import ports
from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient, ask, health_of
from freeloader.cli.client import Client
from freeloader.cli.lifecycle import RunFiles
from freeloader.clock import iso


def check_port(patient: Patient) -> Iterator[Finding]:
    if patient.record is not None and patient.record.address:
        status, _ = Client(patient.record.address, None).probe("/health")
        patient.silent = status == 0
        if status == 200:
            yield Finding("port", OK, f"the daemon answers at {patient.record.address}")
            if (version := patient.record.version) not in ("", __version__):
                found = f"the daemon is {version}, this command {__version__}"
                yield Finding("version", WARN, found, "xswarm restart")
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
