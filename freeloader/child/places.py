"""Where the child's files are: sockets, configs, working directories, the record of pids.

All private (0700). A unix socket's path may have 107 bytes on Linux and 103 on
macOS; under a longer home the sockets go to a temporary directory instead.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from freeloader.child import records

_SOCKET_BYTES = 100
_LONGEST = "g999999-99.sock"


class Places:
    """Paths below ``run_dir``; ``prepare`` makes them and sweeps what an earlier daemon left."""

    def __init__(self, run_dir: Path) -> None:
        self._root = run_dir / "child"
        self._sockets = self._root
        self.records = run_dir / "child.json"

    def prepare(self) -> None:
        """End recorded processes, clear old files, make the directories. Blocks; raises OSError."""
        records.sweep(self.records)
        vacate(self._root)
        self._root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root.mkdir(mode=0o700)
        self._root.chmod(0o700)
        if len(os.fsencode(self._root / _LONGEST)) > _SOCKET_BYTES:
            self._sockets = Path(tempfile.mkdtemp(prefix="xswarm-"))

    def clear(self) -> None:
        """Remove everything again."""
        vacate(self._root)
        if self._sockets != self._root:
            shutil.rmtree(self._sockets, ignore_errors=True)
        self.records.unlink(missing_ok=True)

    def socket(self, generation: int, index: int) -> Path:
        return self._sockets / f"g{generation}-{index}.sock"

    def generation(self, generation: int) -> Path:
        return self._root / f"g{generation}"

    def config(self, generation: int) -> Path:
        """The config's path, in a directory of the generation's own."""
        folder = self.generation(generation)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / "litellm.yaml"

    def cwd(self, generation: int, index: int) -> Path:
        """An empty directory for one worker to work in and call its home."""
        folder = self.generation(generation) / f"home-{index}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def vacate(path: Path) -> None:
    """Nothing is at ``path`` any more, whatever it was: a socket, a file, a directory, a link
    (whose target stays). What cannot be removed stays; who needs the place finds out."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError:  # a directory
        shutil.rmtree(path, ignore_errors=True)
