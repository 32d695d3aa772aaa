"""Commands of the contract that a later release builds: they exist, and say so."""

from __future__ import annotations

import click

from freeloader.cli.shell import Failure

# Name → what it will do. The one table; a command leaves it when it is built.
TABLE: dict[str, str] = {
    "ui": "Open the dashboard.",
}


def not_built(what: str) -> Failure:
    """The answer of a command that only exists by name. Exit code 1."""
    return Failure(f"`xswarm {what}` is not built yet; a later release brings it.")


def planned(name: str, does: str, *, parent: str = "") -> click.Command:
    """A command that takes any arguments and says that it is not built yet."""
    path = f"{parent} {name}".strip()

    @click.command(
        name,
        help=f"{does} (not built yet)",
        short_help=f"{does} (not built yet)",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise not_built(path)

    return command


PLANNED: tuple[click.Command, ...] = tuple(planned(name, does) for name, does in TABLE.items())
