"""`xswarm env`: the two variables that every OpenAI client reads, for a shell to take over."""

from __future__ import annotations

import shlex

import click

from freeloader.cli.backend import read_key
from freeloader.cli.daemon import address_of
from freeloader.cli.shell import Failure, emit, home_path, json_option


@click.command()
@json_option
def env(as_json: bool) -> None:
    """Print `export OPENAI_BASE_URL=… OPENAI_API_KEY=…`; use it as: eval "$(xswarm env)"."""
    home = home_path()
    if not home.is_dir():
        raise Failure(f"there is no home at {home}; make it: xswarm init")
    values = {
        "OPENAI_BASE_URL": f"{address_of(home)}/v1",
        "OPENAI_API_KEY": read_key(home, "client"),
    }
    if as_json:
        emit(values)
        return
    pairs = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    click.echo(f"export {pairs}")
