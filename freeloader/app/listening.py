"""Where the daemon may listen: on this machine, and beyond it only where that was meant.

A wish for it (``server.allow_remote``, `xswarm start --allow-remote`) and a key are both
needed; without TLS, whoever can read the network reads the keys too, which is said. It
binds nothing itself.
"""

from __future__ import annotations

import ipaddress
import socket

from freeloader.errors import ConfigError


def beyond(host: str) -> bool:
    """True where others than this machine could connect; a name counts by all it stands for."""
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=_FLAGS)
    except OSError:
        return True  # nobody knows: whoever binds it will say so
    return not all(_loopback(str(where[0])) for _, _, _, _, where in found)


def require_wish(host: str, allowed: bool) -> None:
    """Raises ConfigError where ``host`` is beyond this machine, and nobody asked for that."""
    if beyond(host) and not allowed:
        raise ConfigError(
            f"server.host = {host!r} would let other machines in. If that is meant: "
            "xswarm config set server.allow_remote true (or xswarm start --allow-remote); "
            "if not: xswarm config set server.host 127.0.0.1",
            param="server.host",
        )


def require_key(host: str, keys: int) -> None:
    """Raises ConfigError where ``host`` is beyond this machine, and there is no key to ask for."""
    if beyond(host) and not keys:
        raise ConfigError(
            f"There is no key yet, and server.host = {host!r} is open to other machines. "
            "Make one first: xswarm key create",
            param="server.host",
        )


def warning(host: str) -> str | None:
    """What the owner should know of an address beyond this machine, else None."""
    if not beyond(host):
        return None
    return (
        f"listening on {host or 'every address'}: other machines can connect, with a key, "
        "unencrypted; put a TLS proxy before it outside a network you trust"
    )


_FLAGS = socket.AI_PASSIVE


def _loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
