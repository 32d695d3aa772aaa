"""The documentation is true: every command explains itself, and the README names what exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from freeloader.cli.commands.planned import TABLE
from freeloader.cli.entry import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# The command line as it was agreed; what is not built yet must exist all the same.
AGREED = [
    "init",
    "start",
    "stop",
    "restart",
    "status",
    "logs",
    "account",
    "budget",
    "config",
    "models",
    "free",
    "ask",
    "explain",
    "decisions",
    "analytics",
    "export",
    "backup",
    "discover",
    "bench",
    "key",
    "audit",
    "feedback",
    "jobs",
    "notify",
    "service",
    "doctor",
    "env",
    "ui",
]
PARTS = {
    "account": "add list test enable disable set remove",
    "budget": "show set confirm",
    "config": "show get set import history rollback",
    "key": "create list revoke",
    "jobs": "list run",
    "free": "reset",
}


def commands(group: click.Group, path: str = "xswarm") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


ALL = dict(commands(cli))


@pytest.mark.parametrize("path", sorted(ALL))
def test_a_command_says_what_it_does(path):
    command = ALL[path]
    text = (command.help or "").strip()
    assert text, f"{path} has no help"
    assert text[0].isupper() or text[0] in "`'\""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").strip().endswith((".", "…")), (
                f"{path} {parameter.opts[0]}"
            )
    context = click.Context(command, info_name=path)
    shown = command.get_help(context)
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in shown


def test_all_agreed_commands_exist():
    assert set(AGREED) == set(cli.commands)
    for group, parts in PARTS.items():
        found = cli.commands[group]
        assert isinstance(found, click.Group)
        assert set(found.commands) == set(parts.split())


def test_what_is_not_built_is_marked_in_help():
    for name in TABLE:
        assert "not built yet" in (cli.commands[name].help or "")


READING = [
    path
    for path in ALL
    if path.split()[-1] in ("list", "show", "get", "history", "status", "models", "free",
                            "decisions", "ask", "explain", "env", "doctor", "analytics", "audit")
    and "not built" not in (ALL[path].help or "")
]  # fmt: skip


@pytest.mark.parametrize("path", READING)
def test_reading_commands_speak_json(path):
    command = ALL[path]
    if isinstance(command, click.Group) and not command.invoke_without_command:
        return
    assert any("--json" in parameter.opts for parameter in command.params)


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    inline = re.findall(r"`(xswarm [^`\n]+)`", README.replace("\n", " "))
    return [*joined.splitlines(), *inline]


def test_the_readme_names_only_commands_and_options_that_exist():
    seen = 0
    for line in shell_lines():
        for found in re.findall(r"(?:^|\$\()(xswarm [^)]*)", line):
            words = shlex.split(found, comments=True)[1:]
            command: click.Command = cli
            path = ["xswarm"]
            while isinstance(command, click.Group) and words and not words[0].startswith("-"):
                assert words[0] in command.commands, f"README: {found}"
                command = command.commands[words.pop(0)]
                path.append(command.name or "")
            known = {option for parameter in command.params for option in parameter.opts}
            known |= {"--help", "-h"}
            for word in words:
                if word.startswith("-") and len(word) > 1:
                    assert word in known, f"README: {' '.join(path)} has no {word}"
            seen += 1
    assert seen > 10


def test_the_readme_names_scripts_that_exist_and_can_be_run():
    named = set(re.findall(r"\./(scripts/\w+)", README))
    assert {"scripts/run", "scripts/test", "scripts/setup"} <= named
    for script in named:
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_the_readme_has_a_line_for_each_folder():
    rooms = {
        f"freeloader/{room.name}"
        for room in (ROOT / "freeloader").iterdir()
        if room.is_dir() and any(room.glob("*.py"))
    }
    described = set(re.findall(r"^\| `([\w/]+)` \|", README, re.MULTILINE))
    assert rooms <= described
    assert {room for room in described if room.startswith("freeloader/")} <= rooms


def test_the_changelog_names_the_version():
    from freeloader import __version__

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert __version__ in text
