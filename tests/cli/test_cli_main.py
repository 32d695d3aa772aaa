"""Exit codes, one-line errors, and the same program under both names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from freeloader.cli.commands.planned import TABLE
from freeloader.cli.lifecycle import RunFiles


def test_help_and_version(xswarm):
    assert xswarm("--help").code == 0
    assert xswarm("-h").out == xswarm("--help").out
    assert "0.1.0" in xswarm("--version").out


def test_first_steps_come_first_in_help(xswarm):
    out = xswarm("--help").out
    assert out.index("  init ") < out.index("  start ") < out.index("  account ")


@pytest.mark.parametrize("words", [["nonsense"], ["account", "add"], ["start", "--what"]])
def test_usage_is_exit_code_2_and_one_line(xswarm, home, words):
    ran = xswarm(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert "--help" in ran.err


def test_a_bare_group_shows_its_help_as_a_page(xswarm, home):
    ran = xswarm("key")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == xswarm("key", "--help").out


@pytest.mark.parametrize(
    "words",
    [
        ["models"],
        ["ask", "hello"],
        ["explain", "hello"],
        ["decisions"],
        ["decisions", "d1"],
        ["jobs", "list"],
        ["jobs", "run", "retention"],
        ["budget", "show"],
        ["free"],
        ["status"],
        ["stop"],
    ],
)
def test_without_a_daemon_exit_code_3_and_the_next_step(xswarm, home, words):
    ran = xswarm(*words)
    assert ran.code == 3
    assert ran.err.startswith("xswarm: ")
    assert len(ran.err.splitlines()) == 1
    assert "xswarm start" in ran.err


@pytest.mark.parametrize("name", sorted(TABLE))
@pytest.mark.parametrize("rest", [[], ["run", "--flag", "x"]])
def test_what_is_not_built_says_so(xswarm, home, name, rest):
    ran = xswarm(name, *rest)
    assert ran.code == 1
    assert "not built yet" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_defect_is_one_line_and_a_traceback_only_when_asked(xswarm, home, daemon, monkeypatch):
    daemon.on("GET", "/v1/jobs", {"jobs": [{"name": "a"}]})

    def broken(*_args, **_options):
        raise KeyError("inside")

    monkeypatch.setattr(sys.modules["freeloader.cli.commands.jobs"], "table", broken)
    ran = xswarm("jobs", "list")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "KeyError" in ran.err
    monkeypatch.setenv("XSWARM_TRACEBACK", "1")
    with pytest.raises(KeyError):
        xswarm("jobs", "list")


def test_a_home_that_is_not_there(xswarm, tmp_path, monkeypatch):
    monkeypatch.setenv("XSWARM_HOME", str(tmp_path / "nowhere"))
    for words in (["env"], ["account", "list"], ["config", "show"]):
        ran = xswarm(*words)
        assert ran.code == 1
        assert "xswarm init" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_the_module_is_the_same_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "freeloader", "status", "--json"],
        env={"XSWARM_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert '"running": false' in done.stdout
    assert len(done.stderr.splitlines()) == 1


def test_help_imports_nothing_heavy():
    code = (
        "import sys, freeloader.cli.entry as m; m.main(['--help']);"
        "heavy = {'pydantic', 'aiohttp', 'litellm', 'psutil', 'http.client', 'tabulate', 'asyncio',"
        " 'keyring', 'sqlite3', 'tomlkit'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "iso8859-5", "utf-8"])
def test_a_terminal_that_cannot_show_a_sign_gets_a_question_mark(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "freeloader", "--help"],
        env={"PYTHONIOENCODING": encoding, "PATH": "/usr/bin:/bin"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Usage: xswarm" in done.stdout.decode(encoding)


def test_a_reader_that_goes_away_makes_no_noise():
    code = "from freeloader.cli import main; import sys; sys.exit(main(['--help']))"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{code}" | true'],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["--version"], ["status"], ["config", "show", "--json"], ["-h"]])
def test_closed_standard_streams_are_no_defect(home, words):
    """And none of their numbers goes to a file: what is printed would be written into it."""
    program = (
        "import os, sys; os.closerange(0, 3); sys.stdin = sys.stdout = sys.stderr = None;"
        "from freeloader.cli.entry import main; code = main(sys.argv[1:]);"
        "os._exit(code if os.path.realpath('/proc/self/fd/1') == '/dev/null' else 99)"
    )
    ran = subprocess.run([sys.executable, "-c", program, *words])
    assert ran.returncode == (3 if words == ["status"] else 0)


@pytest.mark.parametrize(
    "words",
    [["status"], ["account", "list"], ["ask", "hi"], ["env"], ["start"], ["init"], ["backup"]],
)
def test_a_home_that_is_closed_is_said_to_be_and_not_to_have_no_daemon(
    xswarm, home, monkeypatch, words
):
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(home))
    ran = xswarm(*words)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "closed to this user" in ran.err
    assert f"chmod u+rwx {home}" in ran.err


def test_doctor_says_what_it_may_not_read(xswarm, home, monkeypatch):
    """It gave up with the advice to ask `xswarm doctor`."""
    key, plain = home / "admin.key", Path.read_text

    def read_text(self, *args, **named):
        if self == key:
            raise PermissionError(13, "Permission denied", str(key))
        return plain(self, *args, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    ran = xswarm("doctor", "--json")
    told = ran.json["findings"]
    assert (ran.code, len(told) > 8) == (1, True)
    assert [one["remedy"] for one in told if str(key) in one["found"]] == [
        f"as its owner: chmod u+rw {key}"
    ]
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(home))
    told = xswarm("doctor", "--json").json["findings"]
    assert [(one["check"], one["state"]) for one in told] == [("home", "fail")]


class Always(dict):
    """One answer to whatever is asked."""

    def __init__(self, answer):
        self._answer = answer

    def get(self, key, default=None):
        return self._answer


ASKING = (
    ["status"], ["models"], ["ask", "hi"], ["ask", "--no-stream", "hi"], ["explain", "hi"],
    ["decisions"], ["decisions", "d1"], ["free"], ["account", "list"], ["key", "list"],
    ["jobs", "list"], ["analytics"], ["audit"], ["budget", "show"], ["discover", "list"],
    ["bench", "show"], ["notify", "list"], ["feedback"], ["config", "show"],
)  # fmt: skip


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
@pytest.mark.parametrize("answer", [[1, 2], None, 3, "<html>"], ids=repr)
def test_another_program_at_the_daemons_address_is_no_defect(xswarm, daemon, words, answer):
    daemon.answers = Always((200, answer))
    ran = xswarm(*words)
    assert ran.code == 1
    assert f"{daemon.address} does not answer as xswarm does" in ran.err
    assert "xswarm doctor" in ran.err


def test_a_daemon_of_another_version_is_told_of(xswarm, daemon, home):
    files = RunFiles(home)
    files.announce(files.claim("0.0.9"), daemon.address)
    daemon.on("GET", "/v1/jobs", {"jobs": []})
    assert "the daemon is version 0.0.9" in xswarm("jobs", "list").err
    daemon.answers = Always((200, {"problems": 7, "providers": "x", "alerts": [1], "warnings": 7}))
    told = xswarm("doctor", "--json").json["findings"]
    by_check = {one["check"]: one for one in told}
    assert (by_check["version"]["state"], by_check["version"]["remedy"]) == (
        "warn",
        "xswarm restart",
    )
    assert "not understood" in by_check["problems"]["found"]
