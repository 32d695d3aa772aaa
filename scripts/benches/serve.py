"""A daemon for the overhead bench: says on standard output how to reach its own child.

That is why it is here and not an option of the product: the child's door is
private to the daemon, and only a measurement of both may use it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

import uvloop

from freeloader import logs
from freeloader.app.daemon import Daemon
from freeloader.app.running import tune
from freeloader.settings import Home, load


async def serve() -> None:
    home = Home.find(os.environ).create()
    daemon = Daemon(home, load(home, os.environ), os.environ, logs.Redactor())
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await daemon.start()
    began = time.perf_counter()
    await daemon.keeper.wait_ready(120)
    spent = time.perf_counter() - began
    with daemon.keeper.lease() as lease:
        door = {
            "socket": lease.session.connector.path,  # type: ignore[union-attr]
            "master_key": lease.master_key,
            "child_pid": daemon.keeper.status()["pid"],
            "child_start_s": spent,
            "entry": daemon.world.deployments[0].entry,
        }
    sys.stdout.write(json.dumps(door) + "\n")
    sys.stdout.flush()
    await stopping.wait()
    await daemon.stop()


if __name__ == "__main__":
    tune()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
