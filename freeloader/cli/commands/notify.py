"""`xswarm notify`: where the owner is told of alerts, proposals and failures."""

from __future__ import annotations

from urllib.parse import quote

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, note, rows_of, secret_from
from freeloader.cli.tables import table

_AT = "/v1/notifications/channels"


@click.group()
def notify() -> None:
    """Channels on which you are told of alerts, proposals and failures."""


@notify.command()
@click.argument("name")
@click.argument("address", required=False)
@json_option
def add(name: str, address: str | None, as_json: bool) -> None:
    """Add a channel, or change its address.

    The address is one of apprise's: mailto://user:password@host, json://host/path (a webhook),
    dbus:// (this desktop), tgram://token/chat, discord://… It may hold a password, so it is kept
    like a key; `-` reads it from standard input, and without one it is asked for.
    """
    body = {"name": name, "address": secret_from(address, "Address")}
    answer = online().call("POST", _AT, body)
    if as_json:
        emit(answer)
        return
    click.echo(f"added: {name}")
    note(f"try it: xswarm notify test {name}")


@notify.command("list")
@json_option
def list_channels(as_json: bool) -> None:
    """Show the channels, and whether they work. Addresses are not shown."""
    answer = online().get(_AT)
    if as_json:
        emit(answer)
        return
    table(
        (
            (row.get("name"), row.get("sent"), row.get("lastSent"), row.get("problem") or "ok")
            for row in rows_of(answer, "channels")
        ),
        ("NAME", "SENT", "LAST", "STATE"),
        empty="no channel; `xswarm notify add NAME` makes one.",
    )


@notify.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove a channel and its address."""
    answer = online().call("DELETE", f"{_AT}/{quote(name, safe='')}")
    if as_json:
        emit(answer)
    else:
        click.echo(f"removed: {name}")


@notify.command()
@click.argument("name", required=False)
@json_option
def test(name: str | None, as_json: bool) -> None:
    """Send a test message to one channel, or to all. Exit code 1: one was not reached."""
    answer = online().call(
        "POST", "/v1/notifications/test", {} if name is None else {"name": name}, seconds=120
    )
    rows = rows_of(answer, "channels")
    if as_json:
        emit(answer)
    else:
        for row in rows:
            click.echo(f"{row.get('name')}: {row.get('problem') or 'sent'}")
    if any(row.get("problem") for row in rows):
        raise click.exceptions.Exit(1)
