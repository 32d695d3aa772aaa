"""`xswarm status`: whether the daemon runs, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.lifecycle import Record, RunFiles
from freeloader.cli.shell import NotRunning, duration, emit, home_path, json_option, note
from freeloader.cli.tables import table
from freeloader.clock import SystemClock, iso


@click.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether the daemon runs, its child, today's requests and the providers."""
    home = home_path()
    record = RunFiles(home).running()
    if record is None:
        if as_json:
            emit({"running": False, "state": "stopped", "home": str(home)})
        raise NotRunning("the daemon is not running; start it: xswarm start --daemon")
    shown = _status_of(home, record)
    if as_json:
        emit(shown)
    else:
        _print_status(shown)


def _status_of(home: Path, record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "running": True,
        "state": "starting",
        "pid": record.pid,
        "address": record.address,
        "home": str(home),
        "version": record.version,
        "startedAt": iso(record.started),
        "uptime": round(max(0.0, SystemClock().now().wall - record.started), 1),
    }
    if record.address is None:
        return shown
    health = online().get("/v1/health")
    shown["state"] = health.get("status", "unknown")
    for name in (
        "reason",
        "child",
        "lane",
        "load",
        "providers",
        "requestsToday",
        "simulated",
        "problems",
        "alerts",
        "warnings",
        "budgetActions",
    ):
        if name in health:
            shown[name] = health[name]
    return shown


def _print_status(shown: Mapping[str, Any]) -> None:
    why = f": {shown['reason']}" if shown.get("reason") else ""
    click.echo(f"state      {shown['state']}{why}")
    click.echo(f"address    {shown['address'] or 'not listening yet'}")
    click.echo(f"pid        {shown['pid']}, up {duration(float(shown['uptime']))}")
    click.echo(f"home       {shown['home']}")
    child = shown.get("child") or {}
    if child:
        click.echo(f"litellm    {_child(child)}")
    lane = shown.get("lane") or {}
    if lane.get("mode"):
        click.echo(f"lane       {_lane(lane)}")
    if "requestsToday" in shown:
        count = shown["requestsToday"]
        click.echo(f"today      {count} request{'' if count == 1 else 's'}")
    load = shown.get("load") or {}
    if load.get("state", "normal") != "normal":
        click.echo(f"load       {load['state']}: {load.get('reason')}")
    if shown.get("simulated"):
        click.echo("simulator  no account yet: answers are pretend; xswarm account add groq")
    for problem in shown.get("problems") or ():
        click.echo(f"problem    {problem}")
    for one in shown.get("budgetActions") or ():
        click.echo(f"in force   {one.get('action')}: {one.get('reason')}")
    for alert in shown.get("alerts") or ():
        click.echo(f"alert      {alert.get('type')}: {alert.get('message')}")
    for warning in shown.get("warnings") or ():
        click.echo(f"warning    {warning}")
    providers = shown.get("providers") or {}
    if providers:
        click.echo("")
        table(sorted(providers.items()), ("PROVIDER", "STATE"), empty="")
    if child.get("state") == "fatal":
        note("\nLiteLLM does not start; its last words:")
        for line in child.get("logTail") or ():
            note(f"  {line}")
        note("`xswarm doctor` says what to do, `xswarm restart` tries again.")


def _child(child: Mapping[str, Any]) -> str:
    parts = [str(child.get("state", "unknown"))]
    if child.get("pid"):
        parts.append(f"pid {child['pid']}")
    if child.get("rssBytes"):
        parts.append(f"{int(child['rssBytes']) / 2**20:.0f} MB")
    if child.get("restarts"):
        parts.append(f"{child['restarts']} restarts")
    if child.get("lastExit"):
        parts.append(f"last exit: {_last_exit(child['lastExit'])}")
    if child.get("since"):
        parts.append(f"since {child['since']}")
    return ", ".join(parts)


def _lane(lane: Mapping[str, Any]) -> str:
    """How providers are called, and how many models would miss the child."""
    needed = "" if lane.get("childNeeded") else "; no child is needed now"
    told = f"{lane.get('direct', 0)} models can be called directly"
    return f"{lane['mode']}: {told}, {lane.get('childOnly', 0)} only through the child{needed}"


def _last_exit(last: Any) -> str:
    if isinstance(last, Mapping):
        return ", ".join(f"{name} {value}" for name, value in last.items() if value is not None)
    return str(last)
