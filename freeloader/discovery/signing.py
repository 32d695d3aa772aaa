"""Signatures of a registry feed: ed25519 over the document's very bytes.

They come beside the document, at its address with ``.sig`` added, one per line:
``ed25519 PUBLIC-KEY SIGNATURE`` in base64. A feed is trusted where one line holds
under a key that the owner trusts. Makes keys and signatures too (``scripts/registry``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING

from freeloader.errors import UpstreamFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX = ".sig"
_LINES_MAX = 64


def verified(document: bytes, signatures: bytes, trusted: Iterable[str]) -> str:
    """The trusted key (base64) under which the document is signed. Raises UpstreamFailed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    keys = {_raw(key, 32): key for key in trusted}
    seen = 0
    for line in signatures.decode("ascii", "replace").splitlines()[:_LINES_MAX]:
        parts = line.split()
        if len(parts) != 3 or parts[0] != "ed25519":
            continue
        seen += 1
        key, signature = _raw(parts[1], 32), _raw(parts[2], 64)
        if key is None or signature is None or key not in keys:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, document)
        except InvalidSignature:
            raise UpstreamFailed(
                "The feed's signature does not fit its content: refused, nothing was taken over."
            ) from None
        return keys[key]
    what = "is signed, but not by a key in discovery.registry.keys" if seen else "is not signed"
    raise UpstreamFailed(f"The feed {what}: refused, nothing was taken over.")


def sign(document: bytes, private: str) -> bytes:
    """The lines for ``.sig``. ``private`` is 32 bytes in base64. Raises ValueError."""
    key = _private(private)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(key.sign(document)).decode()
    return f"ed25519 {public} {signature}\n".encode()


def public_of(private: str) -> str:
    """The public key (base64) that belongs to a private one. Raises ValueError."""
    return base64.b64encode(_private(private).public_key().public_bytes_raw()).decode()


def new_private() -> str:
    """A new private key, base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def _private(text: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = _raw(text, 32)
    if raw is None:
        raise ValueError("not a private key: 32 bytes in base64 are wanted")
    return Ed25519PrivateKey.from_private_bytes(raw)


def _raw(text: str, size: int) -> bytes | None:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == size else None
