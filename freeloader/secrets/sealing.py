"""AES-256-GCM over bytes, in a process of its own: what needs it is done in 50 ms.

The cipher's library would stay in the daemon for life, at 9 MB, to open one small
file now and then. Key and text go through pipes, never through arguments or the
environment. Run as a script this file is that process; it imports nothing of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys

MAGIC = b"XSF1"
_KEY = 32
_NONCE = 12
#: A busy machine takes a hundredth of this.
_SECONDS = 30.0
_DAMAGED = 3


def seal(plain: bytes, key: bytes) -> bytes:
    """``plain`` encrypted under a key of 32 bytes. Raises OSError where it cannot be done."""
    return _apart("seal", key, plain)


def unseal(sealed: bytes, key: bytes) -> bytes:
    """What ``seal`` was given. Raises ValueError for another key or damage, OSError as ``seal``."""
    return _apart("unseal", key, sealed)


def _apart(what: str, key: bytes, data: bytes) -> bytes:
    if len(key) != _KEY:
        raise ValueError("not a key of ours")
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-P", __file__, what],
            input=key + data,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError("the cipher's process does not answer") from None
    if done.returncode == _DAMAGED:
        raise ValueError("another key, or damaged")
    if done.returncode != 0:
        raise OSError(f"the cipher's process ended with {done.returncode}")
    return done.stdout


def _main(what: str, data: bytes) -> int:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    cipher, rest = AESGCM(data[:_KEY]), data[_KEY:]
    if what == "seal":
        nonce = os.urandom(_NONCE)
        sys.stdout.buffer.write(MAGIC + nonce + cipher.encrypt(nonce, rest, MAGIC))
        return 0
    nonce, body = rest[len(MAGIC) :][:_NONCE], rest[len(MAGIC) + _NONCE :]
    if not rest.startswith(MAGIC) or len(nonce) != _NONCE:
        return _DAMAGED
    try:
        sys.stdout.buffer.write(cipher.decrypt(nonce, body, MAGIC))
    except InvalidTag:
        return _DAMAGED
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.stdin.buffer.read()))
