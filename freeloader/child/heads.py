"""A provider's response headers, as much of them as is kept: bounded, lower case. Pure."""

from __future__ import annotations

from collections.abc import Mapping

_HEADER_CHARS = 300
#: Leaves room for status and class in a header line of 8,190 bytes after base64.
_HEADERS_BYTES = 4096
_NOISE = frozenset(
    {
        "alt-svc", "cf-cache-status", "connection", "content-encoding", "content-length",
        "content-security-policy", "date", "nel", "permissions-policy", "referrer-policy",
        "report-to", "server", "set-cookie", "strict-transport-security", "transfer-encoding",
        "vary", "via", "x-content-type-options", "x-frame-options", "x-powered-by",
    }
)  # fmt: skip


def bounded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Lower-case names, without noise, at most 4 KB together (rate-limit headers first)."""
    kept: dict[str, str] = {}
    room = _HEADERS_BYTES
    lowered = {low: value for name, value in headers.items() if (low := name.lower()) not in _NOISE}
    for name in sorted(lowered, key=lambda n: "limit" not in n and "retry" not in n):
        value = lowered[name]
        size = len(name) + len(value) + 6
        if len(value) > _HEADER_CHARS or size > room or not value.isascii():
            continue
        kept[name] = value
        room -= size
    return kept
