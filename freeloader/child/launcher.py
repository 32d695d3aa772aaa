"""What runs in the child: LiteLLM's proxy app under uvicorn on a private unix socket.

``python -m freeloader.child.launcher SOCKET CONFIG``, with one line of JSON on
standard input: ``{"parent": pid, "masterKey": "…", "environ": {…}, "gentle": bool}``
(gentle: another child answers meanwhile, and has precedence). Standard input then
stays open for life: its end means the daemon is gone. Secrets come in only that
way and go into ``os.environ`` after start, which ``/proc`` does not show. Exit
codes: 0 after SIGTERM, 78 (``EX_CONFIG``) where starting again cannot help,
anything else may be tried again.

It opens no port, and nothing reaches outside before a request does.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any

from freeloader.child.inside import collecting

EX_CONFIG = 78
_PR_SET_PDEATHSIG = 1
_LINE_BYTES = 1 << 20
#: Seconds for running streams after SIGTERM; the keeper's own deadline is later.
GRACE_SECONDS = 5
#: A third of the processor that the serving child gets, where both want the same one.
_GENTLE = 5


def main(argv: list[str]) -> int:
    """Run until told to stop; the return value is the exit code."""
    faulthandler.enable()  # a crash in native code leaves its stack in the child's log
    if len(argv) != 3:
        return _fail("usage: python -m freeloader.child.launcher SOCKET CONFIG")
    socket_path, config_path = argv[1], argv[2]
    orders = _read_orders()
    if orders is None:
        return _fail("no orders on standard input")
    _die_with(int(orders["parent"]))
    os.environ.update(orders.get("environ") or {})
    os.environ["LITELLM_MASTER_KEY"] = str(orders["masterKey"])
    os.environ["CONFIG_FILE_PATH"] = config_path
    problem = _config_problem(config_path) or _place_problem()
    if problem:
        return _fail(problem)
    collecting.while_loading()
    if orders.get("gentle") and sys.platform == "linux":
        _import_gently()
    return _serve(socket_path)


def _fail(reason: str) -> int:
    print(f"launcher: {reason}", file=sys.stderr, flush=True)  # noqa: T201 - its log is its output
    return EX_CONFIG


def _read_orders() -> dict[str, Any] | None:
    """The one line of JSON, read without buffering so that nothing of the pipe is lost."""
    line = bytearray()
    while len(line) < _LINE_BYTES:
        piece = os.read(0, 65536)
        line += piece
        if not piece or piece.endswith(b"\n"):
            break
    try:
        orders = json.loads(line)
    except ValueError:
        return None
    return orders if isinstance(orders, dict) and {"parent", "masterKey"} <= orders.keys() else None


def _die_with(parent: int) -> None:
    """End with the daemon, whatever ends it: a signal on Linux, the pipe's end everywhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(1)
    threading.Thread(target=_watch_pipe, name="watch-pipe", daemon=True).start()


def _watch_pipe() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def _config_problem(path: str) -> str | None:
    """Why LiteLLM could never start with this config, or None."""
    import yaml

    try:
        with open(path, encoding="utf-8") as stream:
            config = yaml.safe_load(stream)
    except (OSError, yaml.YAMLError) as error:
        return f"cannot use {os.path.basename(path)}: {error}"
    if not isinstance(config, dict) or not isinstance(config.get("model_list"), list):
        return f"{os.path.basename(path)} has no model_list"
    return None


def _place_problem() -> str | None:
    """A certificate file that is not there: LiteLLM would crash on it again and again."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            return f"{name} names a file that is not there: {path}"
    return None


def _import_gently() -> None:
    """Import LiteLLM, two thirds of a start, with less priority than who answers meanwhile.

    In a thread of its own: Linux has priorities per thread, and without privileges
    none can take its own back. Raises what the import does.
    """
    failed: list[BaseException] = []

    def work() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GENTLE)
        try:
            importlib.import_module("litellm.proxy.proxy_server")
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            failed.append(error)

    thread = threading.Thread(target=work, name="gentle-import")
    thread.start()
    thread.join()
    if failed and not isinstance(failed[0], ImportError):  # ``_serve`` speaks of those
        raise failed[0]


def _serve(socket_path: str) -> int:
    try:
        import uvicorn
        from litellm.proxy.proxy_server import app

        from freeloader.child.inside import lighter, mends, tap
        from freeloader.child.inside.door import Door
    except ImportError as error:
        return _fail(f"LiteLLM cannot be imported: {error}")
    tap.install()
    mends.install()
    lighter.install(app)
    os.umask(0o077)  # uvicorn makes the socket 0666 all the same: its directory is what is private
    config = uvicorn.Config(
        Door(app, os.environ["LITELLM_MASTER_KEY"], collecting.loaded),
        uds=socket_path,
        # Not uvloop: LiteLLM leaves connectors to the garbage collector, and closing their
        # sockets from there is where the process was seen to die (SIGSEGV) under uvloop.
        loop="asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        # uvicorn's 5 s would close connections that the front's pool still holds for 15 s
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=2048,
    )
    server = uvicorn.Server(config)
    collecting.loaded()
    server.run()
    if not server.started:
        return _fail("LiteLLM did not start up: see the lines above")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
