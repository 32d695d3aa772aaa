"""Who calls, and may they: credentials from headers, roles against a route's access.

Keys come in ``Authorization: Bearer`` or ``x-api-key`` only; a query or a cookie
is never looked at. Keys themselves are kept by ``manage``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from multidict import CIMultiDictProxy

from freeloader.core.model import Caller
from freeloader.errors import Forbidden, Unauthorized

PUBLIC: Final = "public"
INFO: Final = "info"
INFERENCE: Final = "inference"
ADMIN: Final = "admin"

#: Which roles may use a route of which access.
ROLES: Mapping[str, frozenset[str]] = {
    INFO: frozenset({"admin", "client", "viewer"}),
    INFERENCE: frozenset({"admin", "client"}),
    ADMIN: frozenset({"admin"}),
}
_LONGEST_KEY = 512


def credential(headers: CIMultiDictProxy[str]) -> str:
    """The one key that a request carries. Raises Unauthorized."""
    found: set[str] = set(headers.getall("x-api-key", []))
    for value in headers.getall("Authorization", []):
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Send the key as `Authorization: Bearer KEY` or as `x-api-key`.")
        found.add(token.strip())
    if not found:
        raise Unauthorized(
            "No key was sent: use `Authorization: Bearer KEY`; `xswarm env` prints yours."
        )
    if len(found) > 1:
        raise Unauthorized("Two different keys were sent; send one.")
    token = found.pop()
    if not 0 < len(token) <= _LONGEST_KEY or not token.isascii() or not token.isprintable():
        raise _wrong_key()
    return token


def authenticate(headers: CIMultiDictProxy[str], lookup: Callable[[str], Caller | None]) -> Caller:
    """The caller behind a request's key. Raises Unauthorized."""
    caller = lookup(credential(headers))
    if caller is None:
        raise _wrong_key()
    return caller


def authorize(caller: Caller, access: str) -> None:
    """Raises Forbidden where the caller's role may not use a route of this access."""
    if caller.role not in ROLES.get(access, frozenset()):
        raise Forbidden(
            f"A key of role {caller.role} may not do this; "
            f"it takes {' or '.join(sorted(ROLES.get(access, {ADMIN})))}.",
            details={"role": caller.role},
        )


def own_project(caller: Caller, wanted: str | None) -> str | None:
    """The project whose information the caller gets; admins may name any.

    A key without a project may look at all. Raises Forbidden for a project that
    is not the key's own.
    """
    if caller.role == "admin" or caller.project is None:
        return wanted
    if wanted is not None and wanted != caller.project:
        raise Forbidden(
            f"This key belongs to project {caller.project}; it cannot see another.",
            param="project",
        )
    return caller.project


def _wrong_key() -> Unauthorized:
    return Unauthorized("That key is not known here; `xswarm key list` shows which exist.")
