"""What every command shares: the home, failures with exit codes, and output.

It talks to nobody and decides nothing; importing it is cheap (`xswarm --help`
is to answer at once), so heavy libraries are imported where they are used.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unicodedata import category

import click

from freeloader.errors import FreeloaderError

#: What was asked for was refused, or did not work out.
FAILED = 1
#: The words make no sense by themselves, whatever the home and the daemon are like.
USAGE = 2
NOT_RUNNING = 3


class Failure(click.ClickException):
    """A command that failed: one line for standard error, with the next step. Exit code 1."""

    exit_code = FAILED

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


class NotRunning(Failure):
    """The daemon is needed and does not run. Exit code 3."""

    exit_code = NOT_RUNNING


def home_path(*, closed: bool = False) -> Path:
    """``$XSWARM_HOME``, else ``~/.xswarm``; it need not exist.

    The same as ``settings.Home.find``, without its 0.3 s of imports. Raises Failure where it is
    closed to this user (but with ``closed``): a daemon that runs there would not be seen.
    """
    home = own_path(os.environ.get("XSWARM_HOME", "").strip() or "~/.xswarm").absolute()
    if not closed and home.is_dir() and not os.access(home, os.R_OK | os.X_OK):
        raise Failure(f"{home} is closed to this user; {to_open(home)}")
    return home


def to_open(path: Path) -> str:
    """What opens a file or folder to its owner."""
    return f"as its owner: chmod u+rw{'x' if path.is_dir() else ''} {path}"


def is_key(text: str) -> bool:
    """True for what a header can carry: a file that a crash cut short holds zeros."""
    return bool(text) and text.isascii() and text.isprintable()


def own_path(named: str) -> Path:
    """With ``~`` as the user's home. Raises Failure where nobody knows that: a user without a
    name, as containers have them, and no HOME."""
    try:
        return Path(named).expanduser()
    except RuntimeError as error:
        raise Failure(
            f"{named} is nowhere: this user has no home directory here; set HOME, or XSWARM_HOME "
            "to a directory of yours"
        ) from error


def tell(error: Exception) -> int:
    """Says what failed in one line on standard error; returns the exit code that goes with it.

    A group without a command is the exception: its help is a page, and stays one.
    """
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "xswarm"
        return _say(f"{sentence(error.format_message(), ends=True)} See `{where} --help`.", USAGE)
    if isinstance(error, click.ClickException):
        return _say(error.format_message(), error.exit_code)
    if isinstance(error, FreeloaderError):
        return _say(error.message, FAILED)
    if isinstance(error, OSError):
        named = f": {error.filename}" if error.filename else ""
        what = error.strerror or type(error).__name__
        return _say(f"{what}{named}. `xswarm doctor` checks the home and its rights.", FAILED)
    return _say(
        f"a defect in xswarm: {type(error).__name__}: {error}. "
        "XSWARM_TRACEBACK=1 shows where; `xswarm doctor` checks the rest.",
        FAILED,
    )


def _say(message: str, code: int) -> int:
    click.echo(f"xswarm: {sentence(message)}", err=True)
    return code


#: What a terminal obeys instead of showing it: control characters but for newline and tab, and
#: what turns the direction of the text after it; each as people write it in a program.
_COMMANDS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}
#: What stands first of a message is a word, and no name of a setting, file or account.
_WORD = re.compile(r"[a-z]+(?=[ ,])")
#: What a message ends in, where that is to be copied: a full stop would be copied too.
_COMMAND = re.compile(r"[:;,] (?:xswarm|--?\w)[^:;]*$")


def sentence(message: str, *, ends: bool = False) -> str:
    """The one style of all errors: one line, a capital first, a full stop at the end, but none
    after a command (``ends``: there too, because more follows)."""
    text = " ".join(message.split())
    if _WORD.match(text):
        text = text[0].upper() + text[1:]
    if text.endswith((".", "!", "?", "…")) or (_COMMAND.search(text) and not ends):
        return text
    return f"{text.rstrip(',;:')}."


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def emit(value: Any) -> None:
    """Prints ``value`` as JSON on standard output.

    A terminal gets as escapes, which mean the same, what it would obey or show as nothing.
    Halves of characters are no text, and escapes everywhere.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    unseen = _UNSEEN if sys.stdout.isatty() else frozenset({"Cs"})
    if not text.isascii() or "\x7f" in text:
        text = "".join(_escaped(one) if category(one) in unseen else one for one in text)
    click.echo(text)


#: Kinds of characters (Unicode's general categories) that are no letters, marks or signs:
#: controls, formats (direction, joiners, tags), halves, the makers' own, and separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def _escaped(one: str) -> str:
    """The character as JSON writes it in ASCII; the line ends of the JSON itself stay."""
    return one if one == "\n" else json.dumps(one)[1:-1] if one != "\x7f" else "\\u007f"


def written(text: str, *, nl: bool = True) -> None:
    """What a model wrote, on standard output: byte for byte, but to a terminal no command.

    It could clear the screen, set its title or the clipboard, or show words in another order.
    """
    safe = text.translate(_COMMANDS) if sys.stdout.isatty() else text
    click.echo(safe, nl=nl, color=True)  # else click takes colours out of what is piped


def note(message: str) -> None:
    """A remark for the person in front of it: standard error, so that pipes stay clean."""
    click.echo(message, err=True)


def rows_of(answer: Any, *names: str) -> list[dict[str, Any]]:
    """The list in an answer: the answer itself, or under the first of ``names`` it has."""
    if isinstance(answer, Mapping):
        answer = next((answer[name] for name in (*names, "data", "items") if name in answer), [])
    return [dict(row) for row in answer] if isinstance(answer, list | tuple) else []


def money(value: Any) -> str:
    """Dollars for people: enough digits to be true, none to spare; ``-`` where unknown."""
    if value is None:
        return "-"
    amount = float(value)
    if amount == 0:
        return "$0"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.6f}".rstrip("0").rstrip(".")


def private(answer: Any) -> str:
    """What an answer's or a decision's ``privacy`` says: ``1 email (warn)``; empty for nothing."""
    told = answer.get("privacy") if isinstance(answer, Mapping) else None
    found = told.get("found") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(found, Mapping) or not found:
        return ""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
    return f"{kinds} ({told.get('action')})"


def duration(seconds: float) -> str:
    """Seconds as ``3 d 4 h``, ``5 min 2 s`` or ``8 s``: the two largest units."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def interactive() -> bool:
    """True where a person can be asked: both standard input and error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def secret_from(value: str | None, prompt: str) -> str:
    """A secret as given: ``-`` reads standard input, none asks without echo.

    Raises Failure where nothing can be read or it is empty.
    """
    if value == "-":
        text = sys.stdin.readline().strip()
    elif value is None:
        if not interactive():
            raise Failure(f"{prompt} is missing: give `-` and write it to standard input.")
        text = str(click.prompt(prompt, hide_input=True, err=True, default="")).strip()
    else:
        text = value.strip()
    if not text:
        raise Failure(f"{prompt} is empty; nothing was changed.")
    return text
