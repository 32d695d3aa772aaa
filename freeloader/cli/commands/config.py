"""`xswarm config`: the settings, their history, and the way back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from freeloader.cli.backend import open_backend
from freeloader.cli.shell import Failure, emit, json_option, note
from freeloader.cli.tables import table

# One part of a dotted key, as in TOML: bare, or in quotes where it holds dots.
PART = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^\s."\']+))\s*(\.|$)')


@click.group()
def config() -> None:
    """Settings, their history and the way back; works with the daemon stopped too."""


@config.command("show")
@json_option
def show(as_json: bool) -> None:
    """Show all settings in force, one per line."""
    with open_backend() as backend:
        values = backend.config()
    if as_json:
        emit(values)
        return
    for name, value in _leaves(values):
        click.echo(f"{name} = {json.dumps(value, ensure_ascii=False)}")


@config.command("get")
@click.argument("name", metavar="SECTION.NAME")
@json_option
def get(name: str, as_json: bool) -> None:
    """Show one setting, or a whole section."""
    with open_backend() as backend:
        value: Any = backend.config()
    for part in split_key(name):
        if not isinstance(value, Mapping):
            raise Failure(f"there is no setting {name}; `xswarm config show` lists all.")
        value = _entry(value, part, name)
    if as_json or isinstance(value, Mapping | list):
        emit(value)
    else:
        click.echo(value if isinstance(value, str) else json.dumps(value))


@config.command("set")
@click.argument("pair", nargs=-1, metavar="[SECTION.NAME VALUE]")
@click.option("--strategy", metavar="NAME", help="How models are chosen: balanced, cost-first …")
@click.option("--daily-budget", metavar="USD", help="Dollars per day, a hard limit.")
@click.option("--monthly-budget", metavar="USD", help="Dollars per month, a hard limit.")
@click.option("--per-request-budget", metavar="USD", help="Dollars per request, a hard limit.")
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="NAME=MODEL",
    help="Let NAME mean MODEL; an empty MODEL takes the alias away.",
)
@json_option
def set_values(
    pair: tuple[str, ...],
    strategy: str | None,
    daily_budget: str | None,
    monthly_budget: str | None,
    per_request_budget: str | None,
    aliases: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change settings: by option, or one by its name, e.g. `config set server.port 3001`.

    The VALUE is read as TOML or JSON (numbers, true, lists, tables), else as text;
    `null` takes it out.
    """
    changes: dict[str, Any] = {}
    if pair:
        if len(pair) != 2:
            raise click.UsageError("expected SECTION.NAME and VALUE, e.g. server.port 3001.")
        value = read_value(pair[1])
        if value == {}:  # tables are laid over what is there: an empty one would change nothing
            raise click.UsageError(f"an empty table changes nothing; `null` takes {pair[0]} out.")
        _put(changes, split_key(pair[0]), value)
    if strategy is not None:
        _put(changes, ["routing", "strategy"], strategy)
    budgets = {"daily": daily_budget, "monthly": monthly_budget, "per_request": per_request_budget}
    for span, usd in budgets.items():
        if usd is not None:
            _put(changes, ["budget", "hard", span], _dollars(usd))
    for text in aliases:
        name, equals, model = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--alias {text} is not NAME=MODEL.")
        _put(changes, ["models", "aliases", name], model or None)
    if not changes:
        raise click.UsageError("nothing to change: give SECTION.NAME VALUE or an option.")
    with open_backend() as backend:
        answer = backend.change_config(changes)
    if as_json:
        emit(answer)
        return
    for key, value in _leaves(changes):
        shown = "(default)" if value is None else json.dumps(value, ensure_ascii=False)
        click.echo(f"{key} = {shown}")
    _show_when(answer)


@config.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def import_file(file: Path, as_json: bool) -> None:
    """Take over a whole configuration in JSON or TOML; keys go to the secret store."""
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"{file} cannot be read: {error}.") from error
    if not isinstance(document, dict):
        raise Failure(f"{file} is not an object of settings.")
    with open_backend() as backend:
        answer = backend.import_config(document)
    if as_json:
        emit(answer)
        return
    changes = answer.get("changes") or answer.get("changed") or ()
    for change in changes:
        click.echo(change if isinstance(change, str) else json.dumps(change, ensure_ascii=False))
    if changes and all(str(change).startswith("not taken over") for change in changes):
        raise Failure(f"{file}: nothing in it was taken over; `xswarm config show` has the names.")
    click.echo(f"{file} is imported.")
    _show_when(answer)


@config.command("history")
@json_option
def history(as_json: bool) -> None:
    """List the accepted changes, the newest first."""
    with open_backend() as backend:
        rows = backend.config_history()
    if as_json:
        emit({"history": rows})
        return
    table(
        ((row.get("version"), row.get("at"), row.get("who"), row.get("what")) for row in rows),
        ("VERSION", "AT", "WHO", "WHAT"),
        empty="no change has been made yet.",
    )


@config.command("rollback")
@click.argument("version", type=click.IntRange(0))
@json_option
def rollback(version: int, as_json: bool) -> None:
    """Go back to a version of the history; this is a change like any other."""
    with open_backend() as backend:
        answer = backend.rollback_config(version)
    if as_json:
        emit(answer)
        return
    click.echo(f"settings are as in version {version}.")
    _show_when(answer)


def split_key(text: str) -> list[str]:
    """``a.b`` or ``a."b.c"`` into its parts, as TOML does. Raises UsageError."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        found = PART.match(text, position)
        if found is None:
            break
        double, single, bare, end = found.groups()
        parts.append(next(part for part in (double, single, bare) if part is not None))
        position = found.end()
        if not end and position == len(text):
            return parts
    raise click.UsageError(f"{text!r} is not a setting's name, e.g. server.port.")


def read_value(text: str) -> Any:
    """A TOML or JSON value, else the text itself; ``null`` is None."""
    if text.strip() == "null":
        return None
    if text.lstrip().startswith(("{", "[")):
        with suppress(json.JSONDecodeError):
            return json.loads(text)
    try:
        return json.loads(json.dumps(tomllib.loads(f"value = {text}")["value"], default=str))
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _dollars(text: str) -> float | None:
    if text.strip() == "null":
        return None
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        raise click.UsageError(f"{text!r} is not an amount of dollars.") from None
    if not 0 <= amount < float("inf"):
        raise click.UsageError(f"{text!r} is not an amount of dollars.")
    return amount


def _put(changes: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        changes = changes.setdefault(part, {})
        if not isinstance(changes, dict):
            raise click.UsageError(f"{'.'.join(path)} is set twice.")
    changes[path[-1]] = value


def _entry(values: Mapping[str, Any], part: str, name: str) -> Any:
    """One entry, in either spelling."""
    wanted = _plain(part)
    for key, value in values.items():
        if key == part or _plain(key) == wanted:
            return value
    import difflib

    near = difflib.get_close_matches(part, list(values), 1)
    hint = f"; did you mean {near[0]}?" if near else "; `xswarm config show` lists all."
    raise Failure(f"there is no setting {name}{hint}")


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _leaves(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        part = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{before}{part}.")
        else:
            yield f"{before}{part}", value


def _show_when(answer: Mapping[str, Any]) -> None:
    for name in answer.get("needsRestart") or answer.get("restartNeeded") or ():
        note(f"{name} takes effect with `xswarm restart`.")
    for warning in answer.get("warnings") or ():
        note(f"note: {warning}")
