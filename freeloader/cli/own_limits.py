"""How a limit of one's own is written on the command line: ``requests=1000/1d,scope=model``."""

from __future__ import annotations

import re
from typing import Any

import click

from freeloader.cli.shell import note

_LIMIT = re.compile(
    r"(?P<metric>[A-Za-z_]+)=(?P<amount>[0-9]+(?:[.][0-9]+)?)(?:/(?P<window>[0-9]+[smhd]|month|once))?"
    r"(?P<more>(?:,[A-Za-z_]+(?:=[^,]+)?)*)"
)
limit_option = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="METRIC=AMOUNT/WINDOW",
    help="A limit of its own, e.g. requests=1000/1d or "
    "requests=20/1d,reset=calendar,timezone=America/Los_Angeles,scope=model; "
    "they replace the registry's. With ,allowance: what a paid account gets for nothing.",
)


def limit_of(text: str) -> dict[str, Any]:
    """A limit as the management routes take it. Raises UsageError for what is none."""
    found = _LIMIT.fullmatch(text)
    if found is None or (found["window"] is None and found["metric"] != "concurrency"):
        raise click.UsageError(
            f"--limit {text} is not METRIC=AMOUNT/WINDOW, e.g. requests=1000/1d."
        )
    row: dict[str, Any] = {"metric": found["metric"], "window": found["window"] or "once"}
    amount = found["amount"]
    row["amount"] = float(amount) if "." in amount else int(amount)
    if not row["amount"]:
        note(f"note: {text}: an amount of 0 means that nothing is sent there.")
    for part in filter(None, found["more"].split(",")):
        key, equals, value = part.partition("=")
        row[key] = _value(value) if equals else True
    return row


def _value(text: str) -> str | int | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() else text
