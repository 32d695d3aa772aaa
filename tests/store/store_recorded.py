"""A program that places and settles holds while every write of its files is recorded.

Arguments: the home, how many holds each of four clients places, and where the record
goes. Ends with 3 where nothing can be recorded here.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from pathlib import Path

from recording import Recorder
from store_kit import NOW, hold, open_store, usage


async def main(home: Path, count: int, recorder: Recorder) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)

    async def client(number: int) -> None:
        for n in range(count):
            name = f"{number}-{n}"
            await store.ledger.hold([hold(name, 100, task="t" * (n % 300))])
            recorder.note("held", name)
            if n % 5:
                await store.ledger.settle(f"h-{name}", usage(name), 60, "reported", NOW)
                recorder.note("settled", name)
            if n == count // 2 and number == 0:
                await asyncio.sleep(1.2)  # long enough for a checkpoint

    await asyncio.gather(*(client(number) for number in range(4)))
    await store.close()


if __name__ == "__main__":
    recorder = Recorder()
    if not recorder.install():
        raise SystemExit(3)
    home = Path(sys.argv[1])
    before = {p.name: p.read_bytes() for p in home.iterdir() if p.name.startswith("freeloader.db")}
    asyncio.run(main(home, int(sys.argv[2]), recorder))
    Path(sys.argv[3]).write_bytes(pickle.dumps((before, recorder.log)))
