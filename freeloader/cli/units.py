"""What it takes to be a service here: the file, its place, and the commands. Pure text.

The files are made from the templates in ``systemd/`` and ``launchd/``, which say
why each line is there. Nothing is written or run here: ``commands.manager`` does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freeloader.cli.shell import Failure, own_path

NAME = "xswarm.service"
LABEL = "org.xswarm.freeloader"
#: What a path in a unit or a property list cannot hold, and what systemd starts no program with.
_IMPOSSIBLE = frozenset("\0\n\r")
_UNSAFE = frozenset("\"'\\")


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run: the interpreter, the folders that hold it and us, the daemon's home."""

    python: Path
    folders: tuple[Path, ...]
    home: Path
    #: The home was chosen (``XSWARM_HOME``), so that the service has to be told.
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One service: ``path`` gets ``text``; then ``install`` is run, in order.

    ``after`` are remarks for the person, each with its next step.
    """

    manager: str
    path: Path
    text: str
    install: tuple[tuple[str, ...], ...]
    uninstall: tuple[tuple[str, ...], ...]
    forget: tuple[tuple[str, ...], ...]
    state: tuple[str, ...]
    after: tuple[str, ...] = ()


def plan(
    manager: str, program: Program, environ: Mapping[str, str], user: int, *, system: bool
) -> Plan:
    """The service for ``manager`` (``systemd`` or ``launchd``). Raises Failure for odd paths."""
    unsafe = _UNSAFE if manager == "systemd" else frozenset()
    for path, refused in (
        (program.python, _IMPOSSIBLE | unsafe),
        *((folder, _IMPOSSIBLE) for folder in program.folders),
        (program.home, _IMPOSSIBLE),
    ):
        if refused & set(str(path)):
            raise Failure(f"{manager} starts nothing at {str(path)!r}; move it first.")
    if manager == "launchd":
        return _launchd(program, environ, user, system=system)
    return _system_unit(program) if system else _user_unit(program, environ)


def native() -> str:
    """The service manager of this platform. Raises Failure where we know none."""
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform.startswith("linux"):
        return "systemd"
    raise Failure(f"there is no service manager that we know on {sys.platform}.")


def quoted(text: str) -> str:
    """One word of a unit file, whatever is in it (systemd.syntax(7), "Quoting").

    A dollar sign stands for itself in ``Environment=`` and in a command's first word.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _command(program: Program) -> str:
    return f"{quoted(str(program.python))} -m freeloader start --service"


def _user_unit(program: Program, environ: Mapping[str, str]) -> Plan:
    config = environ.get("XDG_CONFIG_HOME", "").strip()
    folder = Path(config) if config.startswith("/") else own_path("~/.config")
    own = quoted(f"XSWARM_HOME={program.home}") if program.chosen else ""
    return _systemd(
        "user",
        folder / "systemd/user" / NAME,
        {"command": _command(program), "home": own},
        ("systemctl", "--user"),
        "It runs while you are logged in; `loginctl enable-linger` lets it run from boot on.",
    )


def _system_unit(program: Program) -> Plan:
    return _systemd(
        "system",
        Path("/etc/systemd/system") / NAME,
        {
            "command": _command(program),
            "home": '"XSWARM_HOME=%S/xswarm"',
            "program": " ".join(_bound(folder) for folder in program.folders),
        },
        ("systemctl",),
        "Its home is /var/lib/xswarm: XSWARM_HOME=/var/lib/xswarm xswarm status (as root).",
    )


def _bound(folder: Path) -> str:
    """A path for ``BindReadOnlyPaths=``, where a colon parts source from target."""
    return quoted(str(folder)).replace(":", "\\:")


def _systemd(
    kind: str, path: Path, names: Mapping[str, str], systemctl: tuple[str, ...], after: str
) -> Plan:
    text = _filled(_template("systemd", f"{kind}.service"), names)
    # An empty assignment would clear what stands before it: leave such a line out.
    text = "".join(line for line in text.splitlines(True) if line.strip() != "Environment=")
    return Plan(
        "systemd",
        path,
        text,
        install=((*systemctl, "daemon-reload"), (*systemctl, "enable", "--now", NAME)),
        uninstall=((*systemctl, "disable", "--now", NAME),),
        forget=((*systemctl, "daemon-reload"),),
        state=(*systemctl, "is-active", NAME),
        after=(after,),
    )


def _launchd(program: Program, environ: Mapping[str, str], user: int, *, system: bool) -> Plan:
    import plistlib

    home = program.home if not system else Path("/Library/Application Support/xswarm")
    values = {
        "python": str(program.python),
        "home": str(home),
        "log": str(home / "logs" / "console.log"),
    }
    template: dict[str, Any] = plistlib.loads(_template("launchd", f"{LABEL}.plist").encode())
    text = plistlib.dumps(_replaced(template, values), sort_keys=False).decode()
    folder = Path("/Library/LaunchDaemons") if system else own_path("~/Library/LaunchAgents")
    path = folder / f"{LABEL}.plist"
    domain = "system" if system else f"gui/{user}"
    return Plan(
        "launchd",
        path,
        text,
        install=(("launchctl", "bootstrap", domain, str(path)),),
        uninstall=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        forget=(),
        state=("launchctl", "print", f"{domain}/{LABEL}"),
    )


def _replaced(value: Any, names: Mapping[str, str]) -> Any:
    """The same property list with every ``{name}`` filled in."""
    if isinstance(value, dict):
        return {key: _replaced(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, names) for inner in value]
    return _filled(value, names) if isinstance(value, str) else value


def _filled(text: str, names: Mapping[str, str]) -> str:
    """In one pass: what is filled in may hold braces itself."""
    return re.sub(r"\{([a-z]+)\}", lambda found: names[found[1]], text)


def _template(folder: str, name: str) -> str:
    """From the package where it is installed, from beside it in a checkout."""
    package = Path(__file__).parents[1]
    for place in (package, package.parent):
        path = place / folder / name
        if path.is_file():
            return path.read_text("utf-8")
    raise Failure(f"{folder}/{name} is missing: reinstall xswarm-freeloader.")
