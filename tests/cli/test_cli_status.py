"""status and logs: of a daemon that runs, of one that starts, and of none."""

from __future__ import annotations

import os

from freeloader.cli import daemon as daemons
from freeloader.cli.commands.logs import Follower
from freeloader.cli.lifecycle import RunFiles


def test_status_shows_child_and_providers(xswarm, daemon, home):
    child = {"state": "fatal", "restarts": 5, "lastExit": {"code": 1}, "logTail": ["boom"]}
    health = {"status": "down", "providers": {"groq": "ok"}, "requestsToday": 7, "child": child}
    daemon.on("GET", "/v1/health", health)
    ran = xswarm("status")
    assert ran.code == 0
    for text in ("down", daemon.address, f"pid        {os.getpid()}", "7 requests", "groq"):
        assert text in ran.out
    assert "5 restarts, last exit: code 1" in ran.out
    assert "boom" in ran.err
    shown = xswarm("status", "--json").json
    assert shown["running"] is True
    assert shown["pid"] == os.getpid()
    assert shown["child"] == child
    assert daemon.asked[0]["key"] == "Bearer xsw-admin-key"


def test_status_says_what_is_pretend_and_what_is_not_in_force(xswarm, daemon):
    health = {"status": "healthy", "providers": {}, "requestsToday": 1, "child": {}}
    daemon.on("GET", "/v1/health", {**health, "simulated": True, "problems": ["a.json: bad"]})
    out = xswarm("status").out
    assert "1 request\n" in out
    assert "pretend" in out
    assert "a.json: bad" in out
    daemon.on("GET", "/v1/health", {**health, "simulated": False, "problems": []})
    out = xswarm("status").out
    assert "pretend" not in out
    assert "problem" not in out


def test_status_of_one_that_only_starts(xswarm, home):
    files = RunFiles(home)
    files.prepare()
    files.claim("0.1.0")
    ran = xswarm("status", "--json")
    assert (ran.code, ran.json["state"]) == (0, "starting")
    assert xswarm("models").code == 3


def test_stopped_status_is_json_too(xswarm, home):
    ran = xswarm("status", "--json")
    assert ran.code == 3
    assert ran.json == {"running": False, "state": "stopped", "home": str(home)}


def test_logs_show_the_tail(xswarm, home):
    assert xswarm("logs").code == 1
    lines = [f"line {n}" for n in range(100)]
    (home / "logs" / "freeloader.log").write_text("\n".join(lines) + "\n")
    assert xswarm("logs", "--tail", "2").out == "line 98\nline 99\n"
    assert xswarm("logs", "--tail", "0").out == ""
    assert len(xswarm("logs").out.splitlines()) == 50


def test_logs_are_json_where_programs_read_them(xswarm, home):
    (home / "logs" / "freeloader.log").write_text('one\n{"level": "INFO"}\n[1]\n')
    found = xswarm("logs", "--json", "--tail", "3").json
    assert found == {
        "file": str(home / "logs" / "freeloader.log"),
        "lines": ["one", {"level": "INFO"}, "[1]"],
    }


def test_the_tail_of_a_long_log_is_whole_lines(tmp_path):
    path = tmp_path / "long.log"
    path.write_text("".join(f"{n:09d}\n" for n in range(40_000)))
    found = daemons.tail(path, 100_000)
    assert len(found) < 40_000
    assert all(len(line) == 9 for line in found)
    assert found[-1] == "000039999"


def test_a_follower_survives_rotation_and_emptying(tmp_path):
    path = tmp_path / "a.log"
    follower = Follower(path)
    assert follower.more() == ""
    path.write_text("one\n")
    assert follower.more() == "one\n"
    with path.open("a") as file:
        file.write("two\n")
    assert follower.more() == "two\n"
    with path.open("a") as file:
        file.write("last\n")
    path.rename(tmp_path / "a.log.1")
    path.write_text("3\n")
    assert follower.more() == "last\n", "what came before it was rotated away"
    assert follower.more() == "3\n"
    path.write_text("")
    assert follower.more() == ""
    path.write_text("4\n")
    assert follower.more() == "4\n"
