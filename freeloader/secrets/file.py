"""The encrypted file in the home, where no keyring answers.

Guards against reading by others, backups that take one file, and lost writes
between processes; not against someone who is this user.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from freeloader.errors import SecretStoreError
from freeloader.secrets.sealing import seal, unseal
from freeloader.settings.files import locked, tighten, write_private
from freeloader.settings.home import Home

_FILE_MAX = 16_000_000

Fields = Mapping[str, str]


class SecretFile:
    """``secrets.enc``: AES-256-GCM under ``secrets.key`` (0600). All methods block."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._path = str(home.secrets)  # every request asks for the stamp

    def __repr__(self) -> str:
        return f"<SecretFile {self._home.secrets}>"

    def stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever the file does; None if there is none."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def change(self, name: str, fields: Fields | None) -> None:
        """Set one secret, or with None take it out. Raises SecretStoreError."""
        self._home.create()
        try:
            with locked(self._home.run / "secrets.lock"):
                kept = self.read()
                if fields is None:
                    if kept.pop(name, None) is None:
                        return
                else:
                    kept[name] = dict(fields)
                write_private(self._home.secrets, self._seal(kept))
        except OSError as error:  # TimeoutError is one
            raise SecretStoreError(
                f"The secrets file {self._home.secrets} cannot be written: "
                f"{error.strerror or error}. Free space or fix its owner, and try again."
            ) from error

    def read(self) -> dict[str, dict[str, str]]:
        """All secrets by name; empty where there is no file. Raises SecretStoreError."""
        path = self._home.secrets
        try:
            if path.stat().st_size > _FILE_MAX:
                raise SecretStoreError(f"The secrets file {path} is too large to be ours.")
            sealed = path.read_bytes()
            tighten(path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SecretStoreError(
                f"The secrets file {path} cannot be read: {error.strerror}"
            ) from error
        return self._open(sealed, self._key(make=False))

    def _open(self, sealed: bytes, key: bytes) -> dict[str, dict[str, str]]:
        try:
            kept: dict[str, dict[str, str]] = json.loads(unseal(sealed, key))
        except ValueError:
            raise self._damaged() from None
        except OSError as error:
            raise SecretStoreError(f"{self._home.secrets} cannot be read: {error}") from None
        return kept

    def _seal(self, kept: Mapping[str, Fields]) -> bytes:
        return seal(json.dumps(kept).encode(), self._key(make=True))

    def _key(self, *, make: bool) -> bytes:
        path: Path = self._home.secrets_key
        try:
            tighten(path)
            key = base64.b64decode(path.read_bytes().strip(), validate=True)
        except FileNotFoundError:
            if not make:
                raise SecretStoreError(
                    f"{path} is gone, so {self._home.secrets} cannot be read. Put it back, or "
                    "move the secrets file away and add the accounts again."
                ) from None
            key = os.urandom(32)
            write_private(path, base64.b64encode(key) + b"\n")
        except (OSError, binascii.Error) as error:
            raise SecretStoreError(f"{path} cannot be used: {type(error).__name__}") from None
        if len(key) != 32:
            raise SecretStoreError(f"{path} cannot be used: it does not hold a key of ours.")
        return key

    def _damaged(self) -> SecretStoreError:
        return SecretStoreError(
            f"{self._home.secrets} cannot be decrypted with {self._home.secrets_key}. Put the "
            "right pair back, or move the secrets file away and add the accounts again."
        )
