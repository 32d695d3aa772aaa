"""Service files: what is in them, whatever the paths; and that nothing happens without a yes."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from freeloader.cli import units
from freeloader.cli.checks.patient import Patient
from freeloader.cli.checks.units import check_service
from freeloader.cli.entry import main
from freeloader.cli.shell import Failure
from freeloader.cli.units import Program
from freeloader.clock import SystemClock

ODD = [
    "plain",
    "with space",
    "per%cent",
    "dol$lar",
    'quo"te',
    "back\\slash",
    "ümläut",
    "a:b",
    "{home}",
]
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine")


def program(name: str = "plain", folder: Path = Path("/opt")) -> Program:
    root = folder / name
    return Program(root / "bin" / "python", (root,), Path("/srv") / name, chosen=True)


def unit(name: str = "plain", *, system: bool = False, folder: Path = Path("/opt")) -> units.Plan:
    return units.plan("systemd", program(name, folder), {}, 1000, system=system)


def analyze(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *arguments],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(place), "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("name", [name for name in ODD if not set(name) & set('"\\')])
def test_systemd_takes_the_unit_whatever_the_path(tmp_path: Path, name: str, system: bool):
    """It reads the command's path back: a wrongly quoted one would be reported as missing."""
    python = tmp_path / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    plan = unit(name, system=system, folder=tmp_path)
    file = tmp_path / "xswarm.service"
    file.write_text(plan.text)
    scope = () if system else ("--user",)
    done = analyze(*scope, "verify", str(file), place=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(("system", "worst"), [(True, 20), (False, 65)])
def test_the_unit_is_hardened(tmp_path: Path, system: bool, worst: int):
    """Exposure in tenths. A user's unit goes without name spaces, which kernels may deny it."""
    file = tmp_path / "xswarm.service"
    file.write_text(unit(system=system).text)
    done = analyze(
        *("security", "--offline=true", f"--threshold={worst}"), str(file), place=tmp_path
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_says_what_a_supervised_service_needs():
    for system in (False, True):
        text = unit(system=system).text
        for line in (
            "Type=notify",
            "WatchdogSec=30",
            "Restart=on-failure",
            "KillMode=mixed",
            "UMask=0077",
            "NoNewPrivileges=yes",
        ):
            assert f"\n{line}\n" in text
        assert 'ExecStart="/opt/plain/bin/python" -m freeloader start --service\n' in text
        assert "{" not in text.replace("names in braces", "")
    assert 'Environment="XSWARM_HOME=/srv/plain"\n' in unit().text


def test_a_home_that_was_not_chosen_is_left_to_the_default():
    plain = Program(Path("/opt/x/bin/python"), (Path("/opt/x"),), Path("/home/me/.xswarm"))
    text = units.plan("systemd", plain, {}, 1000, system=False).text
    assert "\nEnvironment=" not in text


@pytest.mark.parametrize("name", ODD)
def test_launchd_gets_the_same_meaning(name: str):
    plan = units.plan("launchd", program(name), {}, 501, system=False)
    read = plistlib.loads(plan.text.encode())
    python = str(Path("/opt") / name / "bin" / "python")
    assert read["ProgramArguments"] == [python, "-m", "freeloader", "start", "--service"]
    assert read["EnvironmentVariables"] == {"XSWARM_HOME": str(Path("/srv") / name)}
    assert read["RunAtLoad"] is True
    assert read["KeepAlive"] == {"SuccessfulExit": False}
    assert read["Umask"] == 0o077
    assert read["StandardErrorPath"] == str(Path("/srv") / name / "logs" / "console.log")
    assert plan.install[0][:3] == ("launchctl", "bootstrap", "gui/501")


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "apo'strophe"])
def test_a_program_that_systemd_would_not_start_is_refused(name: str):
    with pytest.raises(Failure, match="move it first"):
        unit(name)


@pytest.mark.parametrize("manager", ["systemd", "launchd"])
def test_a_path_that_no_file_can_hold_is_refused(manager: str):
    with pytest.raises(Failure, match="move it first"):
        units.plan(manager, program("two\nlines"), {}, 1, system=False)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A `systemctl` that writes down what it is asked; the real one would touch this machine."""
    asked = tmp_path / "asked"
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\n[ -e "{tmp_path}/broken" ] && '
                    'echo "Unit is masked." >&2 && exit 1\nexit 0\n')  # fmt: skip
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XSWARM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(units, "native", lambda: "systemd")
    asked.write_text("")
    return asked


def test_nothing_is_done_without_a_yes(systemctl: Path, tmp_path: Path, capsys):
    for arguments in ((), ("--dry-run",), ("--dry-run", "--yes")):
        assert main(["service", "install", *arguments]) == 0
        out, err = capsys.readouterr()
        assert "would write" in out
        assert "systemctl --user daemon-reload && systemctl --user enable --now" in out
        assert "nothing was changed" in err
    assert systemctl.read_text() == ""
    assert not (tmp_path / "config").exists()


def test_install_status_uninstall(systemctl: Path, tmp_path: Path, capsys):
    file = tmp_path / "config/systemd/user/xswarm.service"
    assert main(["service", "status"]) == 3
    assert "service install" in capsys.readouterr().err
    assert main(["service", "install", "--yes"]) == 0
    assert f"XSWARM_HOME={tmp_path / 'home'}" in file.read_text()
    assert main(["service", "status"]) == 0
    file.write_text(file.read_text().replace("WatchdogSec=30", "WatchdogSec=3"))
    capsys.readouterr()
    assert main(["service", "status"]) == 0
    assert "differs" in capsys.readouterr().err
    assert main(["service", "install", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "-WatchdogSec=3\n+WatchdogSec=30\n" in out
    assert main(["service", "uninstall", "--yes"]) == 0
    assert not file.exists()
    assert main(["service", "uninstall", "--yes"]) == 1
    assert systemctl.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now xswarm.service",
        "--user is-active xswarm.service",
        "--user is-active xswarm.service",
        "--user disable --now xswarm.service",
        "--user daemon-reload",
    ]


def test_a_masked_service_is_called_so_and_left_masked(systemctl: Path, tmp_path: Path, capsys):
    """`systemctl mask` makes it a link to /dev/null: the owner wants it never to start."""
    file = tmp_path / "config/systemd/user/xswarm.service"
    file.parent.mkdir(parents=True)
    file.symlink_to("/dev/null")
    for words, code in ((["status"], 3), (["install", "--yes"], 1), (["uninstall", "--yes"], 1)):
        assert main(["service", *words]) == code
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "masked" in line
        assert "`systemctl --user unmask xswarm.service`" in line
    assert main(["service", "status", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["masked"] is True
    patient = Patient(tmp_path / "home", SystemClock())
    assert ["masked" in one.found for one in check_service(patient)][:1] == [True]
    assert os.readlink(file) == "/dev/null"
    assert systemctl.read_text() == ""


def test_a_manager_that_refuses_is_told_in_one_line(systemctl: Path, tmp_path: Path, capsys):
    (tmp_path / "broken").touch()
    assert main(["service", "install", "--yes"]) == 1
    err = capsys.readouterr().err.strip().splitlines()
    assert err == [
        "xswarm: `systemctl --user daemon-reload` failed (1): Unit is masked.. "
        "Mend that and run the same again; it starts over."
    ]


@pytest.mark.parametrize("former", [None, "[Unit]\nDescription=mine\n"])
def test_without_a_manager_nothing_is_left_behind(
    systemctl: Path, tmp_path: Path, former: str | None, capsys
):
    """What nobody reads could not be uninstalled either: that asks the manager first."""
    file = tmp_path / "config/systemd/user/xswarm.service"
    if former is not None:
        file.parent.mkdir(parents=True)
        file.write_text(former)
    (tmp_path / "broken").touch()
    assert main(["service", "install", "--yes"]) == 1
    assert (file.read_text() if file.exists() else None) == former


@pytest.mark.parametrize("words", [["service", "status"], ["status"], ["doctor"]])
def test_a_user_without_a_home_is_told_what_to_set(words: list[str], monkeypatch, capsys):
    """Containers run as users that have no name, and often no HOME."""

    def nobody(*_: object) -> None:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "XSWARM_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert main(words) == 1
    err = capsys.readouterr().err.strip()
    assert "set HOME, or XSWARM_HOME" in err
    assert "defect" not in err


def test_another_platforms_file_is_only_shown(systemctl: Path, capsys):
    assert main(["service", "install", "--manager", "launchd", "--yes"]) == 1
    assert "not this platform's" in capsys.readouterr().err
