"""A provider's response headers, as much of them as is kept: bounded, lower case. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    lowered = {low: value for name, value in headers.items() if (low := name.lower()) not in _NOISE}
    kept, whole = _fitting(lowered, lowered)
    if whole:
        return kept
    return _fitting(sorted(lowered, key=_less_telling), lowered)[0]


def _fitting(names: Iterable[str], headers: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Those that there is room for, and whether that are all that may be kept."""
    kept: dict[str, str] = {}
    room, whole = _HEADERS_BYTES, True
    for name in names:
        value = headers[name]
        if len(value) > _HEADER_CHARS or not value.isascii():
            continue
        size = len(name) + len(value) + 6
        if size > room:
            whole = False
            continue
        kept[name] = value
        room -= size
    return kept, whole


def _less_telling(name: str) -> bool:
    return "limit" not in name and "retry" not in name
