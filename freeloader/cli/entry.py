"""The entry point: the group of all commands, and the one boundary for errors.

Every failure leaves as one line on standard error and an exit code of contract
§8; a traceback is shown only where XSWARM_TRACEBACK asks for it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import click

from freeloader import __version__
from freeloader.cli.commands import COMMANDS
from freeloader.cli.shell import FAILED, tell

HELP = """One local, OpenAI-compatible address that uses up every free tier you have before it
spends a cent.

First steps: `xswarm init`, `xswarm start --daemon`, `xswarm account add groq`, `xswarm ask "hi"`.
The home is $XSWARM_HOME, else ~/.xswarm. Exit codes: 0 done, 1 failed, 2 usage, 3 the daemon
does not run.
"""


class InOrder(click.Group):
    """Lists commands as they are used: first steps first."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="xswarm")
def cli() -> None:
    pass


for _command in COMMANDS:
    cli.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; it does not raise."""
    _take_standard_places()
    try:
        result = cli.main(
            args=list(argv) if argv is not None else None,
            prog_name="xswarm",
            standalone_mode=False,
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        # The reader (`| head`) has gone: nothing more to say, and no noise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        click.echo("xswarm: Interrupted.", err=True)
        return 130
    except Exception as error:  # the boundary: nothing leaves as a traceback
        if os.environ.get("XSWARM_TRACEBACK"):
            raise
        return tell(error)


def _take_standard_places() -> None:
    """Closed standard streams become nothing: else the next file that is opened, a database say,
    has the number of one, and whatever is written to that goes into it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a bar that a terminal cannot draw is a ?
