"""Seals bytes that are kept for a while under a key of this home: first answers, say.

In this process, because it is done for single requests; the cipher's library costs
memory only from the first use on. Whoever deletes the key's file makes all that was
sealed unreadable, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from freeloader.errors import SecretStoreError
from freeloader.settings.files import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY, _NONCE = 32, 12


class Box:
    """AES-256-GCM under the key in ``path`` (0600), which is made when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cipher: AESGCM | None = None

    def seal(self, plain: bytes, name: str) -> bytes:
        """``plain`` under this key; it opens under the same ``name`` only."""
        nonce = os.urandom(_NONCE)
        return nonce + self._opened().encrypt(nonce, plain, name.encode())

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """What ``seal`` was given. Raises ValueError for damage, or another key or name."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._opened().decrypt(sealed[:_NONCE], sealed[_NONCE:], name.encode())
        except InvalidTag:
            raise ValueError("another key, or damaged") from None

    def _opened(self) -> AESGCM:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key())
        return self._cipher

    def _key(self) -> bytes:
        try:
            if not self._path.exists():
                write_private(self._path, os.urandom(_KEY))
            key = self._path.read_bytes()
        except OSError as error:
            raise SecretStoreError(
                f"{self._path} cannot be used: {error.strerror or error}. Fix its owner, try again."
            ) from error
        if len(key) != _KEY:
            raise SecretStoreError(f"{self._path} is no key of ours. Delete it, and try again.")
        return key
