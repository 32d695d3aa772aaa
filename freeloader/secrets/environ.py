"""Takes secrets out of this process's environment, also where the kernel shows it to others.

Changes nothing in the shell that the process was started from, and knows no provider.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable


def forget(names: Iterable[str]) -> None:
    """Removes variables from ``os.environ`` and blanks their values where they were handed over.

    ``/proc/PID/environ`` and ``ps e`` show the memory in which a process got its
    environment, not what it made of it: unsetting alone would leave the values there.
    """
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_void_p
    library.getenv.argtypes = [ctypes.c_char_p]
    for name in names:
        place = library.getenv(os.fsencode(name))
        if place:
            ctypes.memset(place, 0, len(ctypes.string_at(place)))
        os.environ.pop(name, None)
