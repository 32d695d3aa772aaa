"""Private files: written whole or not at all, readable by their owner alone.

Holds no opinion on what is in them. All functions block (they fsync): call
them in a worker thread from the event loop.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIR = 0o700


def make_private_dir(path: Path) -> None:
    """Make ``path`` and its parents; ``path`` ends at 0700 under any umask. Raises OSError."""
    path.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != PRIVATE_DIR:
        path.chmod(PRIVATE_DIR)


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step, 0600 under any umask. Raises OSError."""
    # A link (dotfiles kept elsewhere) stays a link: its target is replaced.
    target = path.resolve() if path.is_symlink() else path
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), PRIVATE_FILE)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync_dir(target.parent)


def tighten(path: Path) -> bool:
    """Take a file's rights from everyone but its owner; True if that was needed."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        path.chmod(PRIVATE_FILE)
        return True
    return False


@contextlib.contextmanager
def locked(path: Path, tries: int = 200) -> Iterator[None]:
    """Hold the lock file ``path`` against other processes and threads.

    Tries every 50 ms (10 s by default), then raises TimeoutError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    pause = threading.Event()
    try:
        for _ in range(tries):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pause.wait(0.05)
        else:
            raise TimeoutError(f"{path.name} is held by another process")
        os.fchmod(descriptor, PRIVATE_FILE)
        yield
    finally:
        os.close(descriptor)  # closing lets the lock go


def _sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
