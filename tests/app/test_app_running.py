"""Running the daemon: what the process gives back of its memory."""

import asyncio
import ctypes

import psutil
import pytest

from freeloader.app.running import give_back

#: Blocks that the C library hands out, of a size that Python's own allocator leaves to it.
_BLOCKS, _BYTES = 40_000, 1_000


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc has it")
async def test_freed_memory_in_the_middle_of_a_heap_goes_back() -> None:
    process = psutil.Process()
    blocks = [bytes(_BYTES) for _ in range(_BLOCKS)]
    last = bytes(_BYTES)  # after them: the heap cannot shrink at its end
    del blocks
    before = process.memory_info().rss
    giving = asyncio.create_task(give_back())
    await asyncio.sleep(0)
    given = before - process.memory_info().rss
    giving.cancel()
    assert last
    assert given > _BLOCKS * _BYTES / 4
