"""The child dies, the daemon dies: nothing hangs, nothing is left behind, it is said."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
from farm import House, Simulator, furnish, running, until


def _family(house: House) -> list[psutil.Process]:
    assert house.daemon is not None
    mine = psutil.Process(house.daemon.pid)
    return [mine, *mine.children(recursive=True)]


def test_a_killed_child_is_back_and_the_crash_is_visible(
    tmp_path: Path, simulator: Simulator
) -> None:
    house = House(tmp_path / "home")
    house.xswarm("init")
    furnish(house, simulator)
    with running(house):
        first = house.child_pid()
        assert first
        answers: list[int] = []
        stop = threading.Event()

        def traffic() -> None:
            while not stop.is_set():
                answers.append(house.chat()[0])

        threads = [threading.Thread(target=traffic) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(answers) > 5, 30, "traffic flows")
        os.kill(first, signal.SIGKILL)
        until(
            lambda: (pid := house.child_pid()) and pid != first and house.get("/v1/health"),
            60,
            "another child",
        )
        until(lambda: house.get("/v1/health")["child"]["state"] == "ready", 60, "it is ready")
        stop.set()
        for thread in threads:
            thread.join(60)
        child = house.get("/v1/health")["child"]
        assert child["restarts"] >= 1
        assert "9" in str(child["lastExit"]) or "KILL" in str(child["lastExit"])
        assert "restarts" in house.xswarm("status")
        assert house.chat()[0] == 200
        assert set(answers) <= {200, 502, 503, 504}


def test_kill_9_of_the_daemon_leaves_no_process(tmp_path: Path, simulator: Simulator) -> None:
    house = House(tmp_path / "home")
    house.xswarm("init")
    furnish(house, simulator)
    house.start()
    family = _family(house)
    assert len(family) >= 2
    house.kill()
    until(
        lambda: not [p for p in family if p.is_running() and p.status() != "zombie"],
        5,
        "all processes of the daemon are gone",
    )
    house.start()  # what the dead one left behind does not stand in the way
    assert house.chat()[0] == 200
    assert house.stop() == 0


def test_sigterm_lets_a_running_stream_finish(tmp_path: Path, simulator: Simulator) -> None:
    house = House(tmp_path / "home")
    house.xswarm("init")
    furnish(house, simulator)
    house.start()
    simulator.fault("alpha", "slow", seconds=3)
    got: list[tuple[int, object]] = []
    worker = threading.Thread(
        target=lambda: got.append(house.chat(model="alpha/twin", stream=True)[::2])
    )
    worker.start()
    until(lambda: simulator.state()["running"] > 0, 20, "the stream is under way")
    assert house.stop() == 0
    worker.join(30)
    status, text = got[0]
    assert status == 200
    assert "[DONE]" in str(text)


def test_one_daemon_per_home(house: House) -> None:
    said = house.xswarm("start", ok=False)
    assert str(house.daemon.pid if house.daemon else "") in said
