"""Where everything lives: the home and the names inside it.

Only names and directories: what is in the files is other rooms' business.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freeloader.errors import ConfigError
from freeloader.settings.files import make_private_dir


@dataclass(frozen=True, slots=True)
class Home:
    """One home directory; all paths are absolute."""

    path: Path

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Home:
        """``$XSWARM_HOME``, else ``~/.xswarm``. Makes nothing."""
        named = environ.get("XSWARM_HOME", "").strip()
        user = environ.get("HOME") or str(Path.home())
        if not named:
            return cls(Path(user).absolute() / ".xswarm")
        if named == "~" or named.startswith("~/"):
            named = user + named[1:]
        return cls(Path(named).absolute())

    def create(self) -> Home:
        """Make the home and its directories, 0700 under any umask.

        Raises ConfigError where that is not possible.
        """
        try:
            for path in (self.path, self.run, self.logs, self.registry):
                make_private_dir(path)
        except OSError as error:
            raise ConfigError(
                f"The home {self.path} cannot be used: {error.strerror or error}. "
                "Make it writable, or set XSWARM_HOME to another directory.",
                details={"file": str(self.path), "key": None, "reason": str(error)},
            ) from error
        return self

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def ledger(self) -> Path:
        return self.path / "freeloader.db"

    @property
    def journal(self) -> Path:
        return self.path / "journal.db"

    @property
    def registry(self) -> Path:
        """Overlays over the bundled registry, ``*.json``."""
        return self.path / "registry"

    @property
    def client_key(self) -> Path:
        return self.path / "client.key"

    @property
    def admin_key(self) -> Path:
        return self.path / "admin.key"

    @property
    def secrets(self) -> Path:
        """The encrypted secrets of the file backend."""
        return self.path / "secrets.enc"

    @property
    def secrets_key(self) -> Path:
        return self.path / "secrets.key"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def lock(self) -> Path:
        """Held by the one daemon of this home."""
        return self.run / "daemon.lock"

    @property
    def pid(self) -> Path:
        return self.run / "daemon.pid"

    @property
    def identity(self) -> str:
        """Twelve hex digits that tell this home from others of the same user."""
        return hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:12]
