"""Large pages for what a start has filled: Linux alone, from 6.1 on; elsewhere nothing happens.

A request goes through most of what the daemon knows, in pieces of some hundred bytes: on pages
of 4 KB the processor looks up thousands of addresses for it, which takes longest where the
machine is itself a guest. Nothing is kept from being freed, and no memory is asked for but
what is filled for the most part already.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_LARGE = 2 << 20
_MADV_COLLAPSE = 25
#: Of a mapping that is filled less (a thread's stack) large pages would take more than there is.
_FILLED = 0.75
_MAPPING = re.compile(
    r"^(\w+)-(\w+) rw\S+ \S+ \S+ 0 *(?:\[heap\])?\nSize: +(\d+) kB\n(?:\w+: .*\n)*?Rss: +(\d+) kB",
    re.MULTILINE | re.ASCII,
)


def enlarge(mappings: Path = Path("/proc/self/smaps")) -> int:
    """Gathers filled memory on large pages; how many bytes of it were asked for. What the kernel
    cannot gather stays as it is. Takes up to half a second, in which nobody gets new memory."""
    try:
        listed = mappings.read_text("ascii", "replace")
    except OSError:
        return 0  # not Linux, or a sandbox hides it
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    asked = 0
    for begin, end, size, resident in _MAPPING.findall(listed):
        first, last = -(-int(begin, 16) // _LARGE) * _LARGE, int(end, 16) // _LARGE * _LARGE
        if first < last and int(resident) >= _FILLED * int(size):
            madvise(first, last - first, _MADV_COLLAPSE)
            asked += last - first
    return asked
