"""Change ``config.toml`` and keep what a person wrote around it: comments, order, blank lines.

Checks keys and values before it writes, writes whole or not at all. It keeps no
history (``manage.config`` does) and never writes what it was not asked to.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeloader.errors import ConfigError, Conflict
from freeloader.settings.files import locked, write_private
from freeloader.settings.home import Home
from freeloader.settings.load import file_values, from_mapping, refusal
from freeloader.settings.model import Settings
from freeloader.settings.sources import Problem, merge, tidy
from freeloader.settings.spelling import snake

if TYPE_CHECKING:
    import tomlkit

_PORTS_TRIED = 100
_HEADER = "# xSwarm-Freeloader. Every value can also be set as XSWARM_<SECTION>__<NAME>.\n"


def save(home: Home, changes: Mapping[str, Any]) -> Settings:
    """Write ``changes`` (nested, either spelling; None takes a key out) into ``config.toml``.

    Returns what the file alone then means. Raises ConfigError, and changes
    nothing, if the result could not be loaded.
    """
    dropped = list(_dropped(changes))
    kept = tidy(Settings, changes, "the change")
    if kept.problems:
        raise refusal(kept.problems)
    with _only_writer(home):
        before = file_values(home)
        wanted = merge(before, kept.values)
        for place in dropped:
            _take_out(wanted, place_at(place))
        return _write(home, wanted)


def replace(home: Home, values: Mapping[str, Any]) -> Settings:
    """Make ``config.toml`` say exactly ``values`` (comments of what stays are kept)."""
    layer = tidy(Settings, values, "the settings given")
    if layer.problems:
        raise refusal(layer.problems)
    with _only_writer(home):
        return _write(home, layer.values)


def choose_port(home: Home, settings: Settings, tried: int = _PORTS_TRIED) -> Settings:
    """The next free port from the configured one on; another one is written down.

    For ``init`` only: afterwards a taken port is an error. Raises Conflict.
    """
    host, first = settings.server.host, settings.server.port
    for port in range(first, min(first + tried, 65_536)):
        if _free(host, port):
            return settings if port == first else save(home, {"server": {"port": port}})
    raise Conflict(
        f"No port from {first} to {min(first + tried, 65_536) - 1} is free on {host}. "
        "Choose one with: xswarm config set server.port PORT"
    )


def place_of(dotted: str) -> tuple[str, ...]:
    """``budget.alertAt`` as ``("budget", "alert_at")``. Raises ConfigError for an unknown key."""
    return place_at(tuple(dotted.split(".")))


def place_at(place: tuple[str, ...]) -> tuple[str, ...]:
    """A key's place spelt our way. Raises ConfigError for an unknown one."""
    nested: Any = {}
    for name in reversed(place):
        nested = {name: nested}
    probe = tidy(Settings, nested, "the change")
    unknown = [p for p in probe.problems if p.reason.startswith("unknown key")]
    if unknown:
        raise refusal(unknown)
    found: list[str] = []
    at: Any = probe.values
    while isinstance(at, Mapping) and at:
        name, at = next(iter(at.items()))
        found.append(name)
    return tuple(found) if len(found) >= len(place) else _snake_place(place)


def _snake_place(place: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(snake(name) for name in place)


def _write(home: Home, wanted: Mapping[str, Any]) -> Settings:
    settings = from_mapping(wanted, str(home.config))
    document = _document(home.config)
    _lay(document, wanted)
    home.create()
    try:
        write_private(home.config, document.as_string().encode())
    except OSError as error:
        raise refusal(
            [Problem(str(home.config), "", f"cannot be written: {error.strerror}")]
        ) from error
    return settings


def _only_writer(home: Home) -> Any:
    home.create()
    return locked(home.run / "config.lock")


def _document(path: Path) -> tomlkit.TOMLDocument:
    import tomlkit  # only who writes settings needs it
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(path.read_text("utf-8"))
    except FileNotFoundError:
        return tomlkit.parse(_HEADER)
    except (TOMLKitError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}; correct it there first.") from error


def _lay(table: MutableMapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Make ``table`` say ``wanted``, touching only what differs."""
    import tomlkit

    spelt = {key: _our_spelling(key, wanted) for key in list(table)}
    for key, name in spelt.items():
        if name not in wanted:
            del table[key]
        elif key != name and name not in table:
            # A short form or the other spelling: the file comes out in one form.
            table[name] = table.pop(key)
    for name, value in wanted.items():
        there = table.get(name)
        if isinstance(value, Mapping):
            if not isinstance(there, MutableMapping):
                table[name] = tomlkit.table()
            _lay(table[name], value)
        elif there is None or _unwrapped(there) != _toml(value):
            table[name] = _toml(value)


def _our_spelling(key: str, wanted: Mapping[str, Any]) -> str:
    return key if key in wanted else snake(key)


def _toml(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_toml(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _toml(part) for key, part in value.items() if part is not None}
    return value


def _unwrapped(value: Any) -> Any:
    return value.unwrap() if hasattr(value, "unwrap") else value


def _dropped(changes: Mapping[str, Any], at: tuple[str, ...] = ()) -> Any:
    for name, value in changes.items():
        if value is None:
            yield (*at, name)
        elif isinstance(value, Mapping):
            yield from _dropped(value, (*at, name))


def _take_out(values: dict[str, Any], place: tuple[str, ...]) -> None:
    for name in place[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            return
        values = inner
    values.pop(place[-1], None)


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server will bind: a port in TIME_WAIT is free, a listening one is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
