"""A program to be killed: places and settles holds, and says on standard output what is done.

Arguments: the home, a prefix for names. Each line is written in one piece after the ledger
acknowledged: ``h NAME`` or ``s NAME``. Knows its amounts: a hold is 100, a charge 60.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from store_kit import NOW, hold, open_store, usage


def tell(what: str, name: str) -> None:
    os.write(1, f"{what} {name}\n".encode())


async def client(store, prefix: str, number: int) -> None:
    for n in range(100_000):
        name = f"{prefix}-{number}-{n}"
        await store.ledger.hold([hold(name, 100)])
        tell("h", name)
        await store.ledger.settle(f"h-{name}", usage(name), 60, "reported", NOW)
        tell("s", name)


async def main(home: str, prefix: str) -> None:
    store = open_store(Path(home))
    await store.ledger.boot(NOW)
    await asyncio.gather(*(client(store, prefix, number) for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
