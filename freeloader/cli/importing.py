"""A daemon's modules, imported without what importing them would do besides.

pydantic looks through all installed packages for plugins, aiohttp reads the system's
certificates twice, and the collector of cycles looks some thirty times at what is there to
stay: together a fifth of the time to the first answer, and 3.5 MB. Knows no module by name.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: What tells libraries to leave that alone; nothing of it stays in the environment.
_LEFT_ALONE = {
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
}


@contextmanager
def plainly() -> Iterator[None]:
    """For imports only, before there are other threads."""
    before = {name: os.environ.get(name) for name in _LEFT_ALONE}
    collecting = gc.isenabled()
    gc.disable()
    os.environ.update(_LEFT_ALONE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if collecting:
            gc.enable()
