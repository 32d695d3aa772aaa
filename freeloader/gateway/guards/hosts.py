"""Which ``Host`` and ``Origin`` may speak to the daemon. Pure text; no DNS, no I/O.

Loopback is no defence by itself: a web page can make the browser resolve its
own name to 127.0.0.1 (DNS rebinding) or post to us (CSRF). So the raw ``Host``
must be one we know, and a browser's origin must be ours or listed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_LOOPBACK_NAMES = frozenset({"localhost", "host.docker.internal"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class HostPort:
    """A parsed ``Host``: lower case, no trailing dot, no brackets; ``port`` None where absent."""

    name: str
    port: int | None


def parse_host(raw: str) -> HostPort | None:
    """The parts of a raw ``Host`` value; None for anything that is not exactly host[:port]."""
    match = _HOST.fullmatch(raw)
    if match is None:
        return None
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 0 < port < 65536:
        return None
    if match["v6"] is not None:
        address = _address(match["v6"])
        return HostPort(str(address), port) if isinstance(address, IPv6Address) else None
    name = match["name"].lower()
    name = name.removesuffix(".")
    if not name or name.endswith(".") or ".." in name:
        return None
    return HostPort(name, port)


def host_allowed(host: HostPort, bound: Collection[str], allowed: Collection[str]) -> bool:
    """True for loopback, a bound address, Docker's name for us, and what the owner listed.

    ``allowed`` entries are names or addresses, with or without a port, or
    ``*.suffix`` for all names below a suffix. ``bound`` are the configured
    address and the one that the connection arrived at.
    """
    if host.name in _LOOPBACK_NAMES or _is_loopback(host.name):
        return True
    if any(_same_address(host.name, one) for one in bound):
        return True
    return any(_listed(host, entry) for entry in allowed)


def origin_allowed(
    origin: str,
    host: HostPort,
    scheme: str,
    bound: Collection[str],
    allowed_hosts: Collection[str],
    cors_origins: Collection[str],
) -> bool:
    """True for our own pages (any name of ours, same port) and for the listed origins."""
    if is_listed(origin, cors_origins):
        return True
    parts = urlsplit(origin) if _is_origin(origin) else None
    if parts is None or parts.scheme not in _DEFAULT_PORTS:
        return False
    own = parse_host(parts.netloc)
    if own is None or not host_allowed(own, bound, allowed_hosts):
        return False
    ours = host.port or _DEFAULT_PORTS.get(scheme, 80)
    theirs = own.port or _DEFAULT_PORTS[parts.scheme]
    # Behind a TLS proxy the page is https and Host carries no port: equal as written is enough.
    return ours == theirs or (host.port is None and own.port is None)


def is_listed(origin: str, cors_origins: Collection[str]) -> bool:
    """True for an origin that the owner listed; ``null`` and ``*`` never are."""
    clean = _clean_origin(origin)
    return clean != "null" and clean in {_clean_origin(one) for one in cors_origins}


def cross_site(values: Sequence[str]) -> bool:
    """True where the browser says that another site caused the request."""
    return any(value.strip().lower() == "cross-site" for value in values)


def _is_origin(origin: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", origin) is not None


def _clean_origin(origin: str) -> str:
    return origin.strip().lower().rstrip("/")


def _listed(host: HostPort, entry: str) -> bool:
    if entry.startswith("*."):
        suffix = entry[1:].lower().rstrip(".")
        return len(suffix) > 1 and host.name.endswith(suffix)
    known = parse_host(entry) or parse_host(f"[{entry}]")
    if known is None:
        return False
    return _same_address(host.name, known.name) and known.port in (None, host.port)


def _same_address(one: str, other: str) -> bool:
    if one == other.lower().rstrip("."):
        return True
    left, right = _address(one), _address(other)
    return left is not None and left == right


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
