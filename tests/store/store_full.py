"""A program whose disk is full for a while: a file-size limit stands in for the disk.

Argument: the home. Prints what happened as JSON. A limit set low makes every write
beyond it fail, as a full disk does; set back, the disk has room again.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
from pathlib import Path

from store_kit import NOW, hold, open_store, usage

from freeloader.errors import Unavailable


async def main(home: Path) -> dict[str, object]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = open_store(home)
    await store.ledger.boot(NOW)
    await store.ledger.hold([hold("before", 100)])
    await store.ledger.spent(NOW, NOW + 900)  # a reader is there, as there always is
    size = (home / "freeloader.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, hard))
    placed, refused = [], None
    for n in range(1000):
        try:
            await store.ledger.hold([hold(str(n), 100)])
        except Unavailable as error:
            refused = error
            break
        placed.append(str(n))
    assert refused is not None
    problem = store.ledger.problem
    settled: object = "done"
    try:
        await store.ledger.settle("h-before", usage("before"), 60, "reported", NOW)
    except Unavailable:
        settled = "kept"
    taken = store.ledger.record_usage(usage("free"))
    readable = await store.ledger.spent(NOW, NOW + 900)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    waits = 0
    while store.ledger.problem and waits < 500:
        waits += 1
        await asyncio.sleep(0.01)
    await store.ledger.hold([hold("after", 100)])
    held = sorted(row.hold_id[2:] for row in await store.ledger.open_holds())
    report = {
        "code": refused.code,
        "problem": problem,
        "settled": settled,
        "taken": taken,
        "readable": readable,
        "held": held == sorted([*placed, "after"]),
        "spent": await store.ledger.spent(NOW, NOW + 900),
        "requests": await store.ledger.requests_since(NOW, NOW + 900),
        "sound": await store.ledger.integrity(thorough=True),
        "lost": store.stats()["freeloader"]["lost"],
    }
    await store.close()
    return report


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
