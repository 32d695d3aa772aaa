"""From a home to a running daemon: in the foreground, or in the background and waited for.

It composes ``lifecycle`` (who runs) with ``freeloader.app`` (what runs). It
does not serve anything itself.
"""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeloader import __version__
from freeloader.banner import Banner
from freeloader.cli import importing, lifecycle
from freeloader.cli.client import Client
from freeloader.cli.lifecycle import Lock, RunFiles
from freeloader.cli.shell import Failure, duration, is_key, note, tell
from freeloader.clock import Clock, SystemClock

if TYPE_CHECKING:
    from freeloader.settings import Settings

CONSOLE = "console.log"
TAIL_BYTES = 256 * 1024
TICK_SECONDS = 0.2


def settings_of(home: Path) -> Settings:
    """The settings of a home, environment included. Raises ConfigError."""
    with importing.plainly():
        from freeloader.settings import Home, load

    return load(Home(home), os.environ)


def url(host: str, port: int) -> str:
    """Where a client on this machine reaches a daemon bound to ``host`` and ``port``."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def address_of(home: Path) -> str:
    """The daemon's address: the running one's, else the one in the settings."""
    record = RunFiles(home).running()
    if record is not None and record.address:
        return record.address
    server = settings_of(home).server
    return url(server.host, server.port)


def take_lock(home: Path) -> Lock:
    """The home's lock, for the daemon to come. Raises Failure naming who has it."""
    files = RunFiles(home)
    try:
        lock = files.lock
        if lock.acquire_soon(lambda: files.running() is not None, SystemClock()):
            return lock
    except OSError as error:
        raise Failure(
            f"the home {home} cannot be used: {error.strerror or error}. "
            "Make it writable, or set XSWARM_HOME to another directory."
        ) from error
    record = files.running()
    if record is None:
        raise Failure("another xswarm is starting, stopping or changing this home; try again.")
    where = f" at {record.address}" if record.address else ""
    raise Failure(
        f"the daemon of {home} already runs{where} (pid {record.pid}); "
        "see `xswarm status`, or `xswarm restart`."
    )


def serve(home: Path, tell_owner: Callable[[Banner], None]) -> int:
    """Runs the daemon in this process until it is stopped; the lock must be held.

    Returns its exit code; the run files are removed on the way out.
    """
    with importing.plainly():
        from freeloader import app
        from freeloader.settings import Home

    files = RunFiles(home)
    records = [files.claim(__version__)]

    def announce(banner: Banner) -> None:
        records.append(files.announce(records[-1], banner.address))
        tell_owner(banner)

    try:
        return app.run(Home(home), announce=announce)
    finally:
        files.clear(records[-1])


class Readiness:
    """The wait until a daemon answers requests, with a remark for each state it goes through."""

    def __init__(self, home: Path, seconds: float, clock: Clock) -> None:
        self._home = home
        self._seconds = seconds
        self._clock = clock
        self._began = clock.now()
        self._shown = ""

    def wait(self, address: str, pause: Callable[[], object]) -> None:
        """Until `/ready` says yes. Raises Failure when the child is fatal, or the time is up."""
        client = Client(address, self._admin_key())
        while (state := self._state(client)) != "ready":
            self.still(state)
            pause()

    def still(self, state: str) -> None:
        """Remarks on a new state. Raises Failure when the time is up."""
        if self._clock.now().mono - self._began.mono > self._seconds:
            raise Failure(
                f"not ready after {duration(self._seconds)} ({state}); it goes on starting: "
                "`xswarm status` shows how far it is, `xswarm stop` ends it."
            )
        if state != self._shown:
            note(f"{state} …")
            self._shown = state

    def _state(self, client: Client) -> str:
        """``ready``, or in words what it still waits for."""
        if client.probe("/ready")[0] == 200:
            return "ready"
        health = client.probe("/v1/health")[1]
        child = health.get("child") if isinstance(health, Mapping) else None
        state = child.get("state") if isinstance(child, Mapping) else None
        if state == "fatal":
            raise Failure(
                "LiteLLM does not start; the daemon runs on without it. `xswarm status` shows its "
                "last words, `xswarm doctor` what to do."
            )
        return "starting" if state in (None, "ready") else f"LiteLLM is {state}"

    def _admin_key(self) -> str | None:
        try:
            key = (self._home / "admin.key").read_text("ascii", "replace").strip()
            return key if is_key(key) else None
        except OSError:
            return None  # only the reason of a long wait is lost


class Launch:
    """One daemon being started in the background, and the wait until it is ready."""

    def __init__(self, home: Path, clock: Clock | None = None) -> None:
        self._home = home
        self._clock = clock or SystemClock()
        self._console = home / "logs" / CONSOLE
        self._buffer = b""
        self._reader = -1
        self.pid = 0

    def fork(self, lock: Lock) -> None:
        """Starts it; the daemon keeps the lock, this process lets go of it."""
        self._console.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.pid, self._reader = lifecycle.spawn(self._body, self._console, self._home)
        lock.release()

    def wait(self, seconds: float) -> Banner:
        """Waits until it answers. Raises Failure when it ended, or the time is up."""
        readiness = Readiness(self._home, seconds, self._clock)
        try:
            while (banner := self._banner()) is None:
                readiness.still(f"starting (pid {self.pid})")
            readiness.wait(banner.address, self._banner)
        finally:
            os.close(self._reader)
        return banner

    def _body(self, writer: int) -> int:
        """In the daemon: serves, and tells the waiting parent where."""
        try:
            return serve(self._home, lambda banner: _send(writer, banner))
        except Exception as error:  # noqa: BLE001 - the process's boundary: into console.log
            return tell(error)

    def _banner(self) -> Banner | None:
        """What the daemon said in the last fifth of a second. Raises Failure if it ended."""
        if not select.select([self._reader], [], [], TICK_SECONDS)[0]:
            return None
        piece = os.read(self._reader, 65_536)
        if not piece:
            raise Failure(f"the daemon ended while starting.{self._last_words()}")
        self._buffer += piece
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            return None
        self._buffer = rest
        return _banner_from(json.loads(line))

    def _last_words(self) -> str:
        last = tail(self._console, 10)
        for line in last:
            note(f"  {line}")
        return " Its last words are above." if last else f" See {self._console}."


def greet_when_ready(
    home: Path, banner: Banner, seconds: float, greet: Callable[[Banner], None]
) -> None:
    """For the foreground: greets once the daemon answers, so that what is printed works as pasted.

    Waits in a thread of its own (the caller is the daemon's event loop); what
    goes wrong is told, and the daemon runs on.
    """

    def wait() -> None:
        try:
            readiness = Readiness(home, seconds, SystemClock())
            readiness.wait(banner.address, lambda: lifecycle.pause(TICK_SECONDS))
        except Failure as failure:
            tell(failure)
        greet(banner)

    threading.Thread(target=wait, name="greeting", daemon=True).start()


def _send(writer: int, banner: Banner) -> None:
    """To the parent, if it still waits: through a pipe, because the key is in it."""
    try:
        os.write(writer, json.dumps(asdict(banner)).encode() + b"\n")
    except BrokenPipeError:
        return  # nobody waits any more; the daemon runs all the same


def _banner_from(data: dict[str, Any]) -> Banner:
    return Banner(**{**data, "found": tuple(data["found"]), "problems": tuple(data["problems"])})


def tail(path: Path, count: int) -> list[str]:
    """The last ``count`` lines of a text file (at most 256 KB of it); none if it is missing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read()
    except FileNotFoundError:
        return []
    whole = text.decode("utf-8", "replace").splitlines()
    if size > TAIL_BYTES:
        whole = whole[1:]  # the first one is cut
    return whole[-count:] if count else []
