"""Writes many rows at once where SQLite can put no temporary file; a program of its own, since
SQLite looks for that place once in a process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from store_kit import NOW, open_store, usage

#: Under names all over the place, so that a few rows change more pages than SQLite keeps by itself.
ROWS, STEP = 3_000, 7_919


async def main(home: Path) -> None:
    store = open_store(home)
    await store.ledger.boot(NOW)
    assert all(store.ledger.record_usage(usage(str(n * STEP % 100_003))) for n in range(ROWS))
    assert await store.ledger.requests_since(NOW, NOW + 900) == ROWS
    assert store.ledger.problem is None
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
