"""Large pages: only for memory that is filled already, and nothing in it changes."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest

from freeloader.app.pages import enlarge

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux gathers pages")
_MB = 2**20
_FROM, _TO = 0x10000000, 0x10A00000  # ten megabytes where nothing of this process is


def _mapping(
    mode: str = "rw-p", inode: str = "0", name: str = "", resident: int = 10_240, end: int = _TO
) -> str:
    head = f"{_FROM:x}-{end:x} {mode} 00000000 00:00 {inode}                    {name}\n"
    size = (end - _FROM) // 1024
    return f"{head}Size: {size:15} kB\nKernelPageSize: 4 kB\nRss: {resident:16} kB\nPss: 0 kB\n"


@pytest.mark.parametrize(
    ("mapping", "asked_mb"),
    [
        (_mapping(), 10),
        (_mapping(name="[heap]"), 10),
        (_mapping(resident=7_680), 10),
        (_mapping(resident=7_600), 0),  # a thread's stack
        (_mapping(name="[stack]"), 0),
        (_mapping(mode="r-xp"), 0),
        (_mapping(inode="26723", name="/usr/lib/libc.so.6"), 0),
        (_mapping(end=_FROM + _MB, resident=1_024), 0),
        (_mapping(resident=7_600) + _mapping(), 10),
    ],
)
def test_only_what_is_filled_and_private_is_gathered(
    tmp_path: Path, mapping: str, asked_mb: int
) -> None:
    told = tmp_path / "smaps"
    told.write_text(mapping)
    assert enlarge(told) == asked_mb * _MB


def test_what_is_in_it_stays_as_it_is() -> None:
    size = 8 * _MB
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(bytes(range(256)) * (size // 256))
        assert enlarge() >= size - 2 * _MB
        assert memory[:] == bytes(range(256)) * (size // 256)


def test_without_the_kernel_s_list_nothing_happens(tmp_path: Path) -> None:
    assert enlarge(tmp_path / "nothing") == 0
