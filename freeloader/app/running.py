"""Runs one daemon in this process until a signal ends it."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable

from freeloader import logs
from freeloader.app import listening, pages
from freeloader.app.daemon import Daemon
from freeloader.app.manager import ServiceManager
from freeloader.banner import Banner
from freeloader.errors import FreeloaderError
from freeloader.manage.onboard import key_variables
from freeloader.secrets import forget
from freeloader.secrets.credentials import with_credentials
from freeloader.settings import Home, load

_log = logging.getLogger(__name__)

#: What ending may take beyond the drain of requests: the child, the files (seconds).
_AFTER_DRAIN_S = 20.0
#: New objects until the collector of cycles looks at them.
_GC_YOUNG = 10_000
#: How often (seconds) freed memory goes back.
_GIVE_BACK_S = 60.0
#: When (seconds after the start) pages are gathered.
_GATHER_AFTER_S = 5.0
#: glibc's ``mallopt``: blocks from so many bytes on go back to the system as soon as they are
#: freed, and so does what is free at the end of a heap beyond that. (Less would make bodies of
#: a few hundred kilobytes slower by a third: JSON is read with twelve times as much room.)
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD, _BLOCK_BYTES = -3, -1, 16 << 20


def run(home: Home, *, announce: Callable[[Banner], None], foreground: bool = True) -> int:
    """Serves until SIGTERM or SIGINT; a second one ends it at once. Returns the exit code.

    The home's lock must be held. Raises FreeloaderError or OSError where it
    cannot start.
    """
    tune()
    manager = ServiceManager.of(os.environ)
    environ = with_credentials(os.environ)
    settings = load(home, environ)
    listening.require_wish(settings.server.host, settings.server.allow_remote)
    redactor = logs.Redactor()
    wanted = settings.logging
    written = logs.setup(
        home.create().logs,
        redactor,
        level=wanted.level,
        as_json=wanted.as_json,
        foreground=False,
        file_bytes=wanted.file_bytes_max,
        files=wanted.files,
    )
    try:
        daemon = Daemon(home, settings, environ, redactor, written=written)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(daemon, announce, manager))
    finally:
        written.close()


async def _serve(
    daemon: Daemon, announce: Callable[[Banner], None], manager: ServiceManager
) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def ask_to_stop() -> None:
        if stopping.is_set():
            _log.warning("told to stop twice: at once")
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        stopping.set()

    reloads: set[asyncio.Task[None]] = set()

    def ask_to_reload() -> None:
        task = asyncio.create_task(_reload(daemon), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask_to_stop)
    loop.add_signal_handler(signal.SIGHUP, ask_to_reload)
    # Fed while we start and drain as well: the loop runs then too.
    beat = asyncio.create_task(manager.beat(daemon.summary), name="service manager")
    try:
        banner = await daemon.start()
        # What was taken over is in the secret store now; the environment can be read by `ps`.
        forget(key_variables(os.environ, daemon.world.catalog))
        announce(banner)
        manager.ready(daemon.summary())
        memory = (
            asyncio.create_task(give_back(), name="freed memory"),
            asyncio.create_task(gather(), name="large pages"),
        )
        await stopping.wait()
        for task in memory:
            task.cancel()
    finally:
        manager.stopping(daemon.settings.server.drain_seconds + _AFTER_DRAIN_S)
        await daemon.stop()
        beat.cancel()
    return 0


async def _reload(daemon: Daemon) -> None:
    """What SIGHUP asks for. Nobody waits for it: that it failed is read in the log or nowhere."""
    try:
        await daemon.reload()
    except (FreeloaderError, OSError) as problem:
        told = " ".join(str(problem).split()).rstrip(".")
        _log.error("the reload failed, part of what was in force before still is: %s; "
                   "then reload again: kill -HUP %d", told, os.getpid(),
                   extra={"fields": {"event": "settings.failed"}})  # fmt: skip
    except Exception:  # noqa: BLE001 - the task's boundary: nobody reads its end
        _log.exception("the reload ended by a defect; `xswarm restart` takes the files over")


def tune() -> None:
    """Process-wide settings of the interpreter, once, before anything runs."""
    # A core holds every key that the process knows; the child inherits that. What a crash
    # leaves instead is where it happened: names of functions, and no values.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    # The writer threads make JSON and SQL rows; at Python's usual 5 ms they would hold up
    # an answer for longer than the whole front takes.
    sys.setswitchinterval(0.0005)
    # Requests leave few cycles behind: at Python's usual 700 objects, 32 in flight cost a
    # twentieth of the time in looking through what is still in use.
    gc.set_threshold(_GC_YOUNG)
    # glibc raises this by itself to 32 MB, and the second to 64: every thread that once read a
    # large body would keep so much for the next.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other libraries have none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _BLOCK_BYTES)


async def give_back() -> None:
    """Freed memory that glibc keeps for later goes back to the system, now and then: a start
    leaves 6 MB of it. That takes a fifth of a millisecond."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        trim(0)
        await asyncio.sleep(_GIVE_BACK_S)


async def gather() -> None:
    """What a start has filled is gathered on large pages, once, and not while the first answers
    are given: nobody gets memory from the system meanwhile, which can take half a second."""
    await asyncio.sleep(_GATHER_AFTER_S)
    await asyncio.to_thread(pages.enlarge)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is there: about a third less time per request in the front."""
    if sys.platform == "win32":
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
