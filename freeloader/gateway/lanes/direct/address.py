"""Where a deployment is spoken to directly, and with which headers. Pure.

A deployment can go this way where the provider's wire is OpenAI's own (Ollama offers it
too) and its credentials are one key. What only LiteLLM's adapter would understand (further
parameters, other wires, signed requests) goes by the child. The key goes into the
one header of the one request to this address, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from freeloader.core.model import Deployment

#: Fields of an account that are the key, or part of the address.
_PLAIN_FIELDS = frozenset({"api_key", "account_id", "endpoint", "organization"})
#: Wires spoken here. Ollama's address is that of its own API; OpenAI's is beside it, under /v1.
_WIRES = frozenset({"openai", "ollama"})
#: What stands for no key: providers that serve without one want no header at all.
_NO_KEY = frozenset({"", "none"})
_AGENT = "xswarm-freeloader"
#: Deployments whose headers are remembered.
_KNOWN_MAX = 1_000


def base_of(deployment: Deployment) -> str | None:
    """The address of its OpenAI-compatible API; None where it cannot be spoken to directly."""
    provider = deployment.provider
    if provider.wire not in _WIRES or provider.params.keys() - {"api_base"}:
        return None
    if not _PLAIN_FIELDS.issuperset(provider.auth_fields):
        return None
    own = None if deployment.account.endpoint else provider.params.get("api_base")
    base = str(own or deployment.base_url or "").rstrip("/")
    if base and provider.wire == "ollama":
        base = base.removesuffix("/api").removesuffix("/v1") + "/v1"
    return base if _sound(base) else None


def headers_of(deployment: Deployment, credentials: Mapping[str, str]) -> dict[str, str]:
    """The request's headers, key included. Raises ValueError for a key that no header can carry."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Accept-Encoding": "identity",
        "User-Agent": _AGENT,
    }
    key = credentials.get("api_key", "").strip()
    if key not in _NO_KEY:
        if not key.isascii() or not key.isprintable():
            raise ValueError("the key holds characters that no header can carry")
        headers["Authorization"] = f"Bearer {key}"
    organization = deployment.account.params.get("organization")
    if organization and organization.isascii() and organization.isprintable():
        headers["OpenAI-Organization"] = organization
    return headers


class HeadersOf:
    """``headers_of``, worked out once for each deployment and its credentials."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Deployment, Mapping[str, str], Mapping[str, str]]] = {}

    def __call__(self, deployment: Deployment, credentials: Mapping[str, str]) -> Mapping[str, str]:
        """The same object for the same request; not to be changed. Raises ValueError."""
        known = self._known.get(deployment.id)
        if known is not None and known[0] is deployment and known[1] == credentials:
            return known[2]
        made = headers_of(deployment, credentials)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[deployment.id] = (deployment, credentials, made)
        return made


def _sound(base: str) -> bool:
    """True for a plain http(s) address: no user name, no field that was not filled in."""
    if any(char in base for char in "{}<>\\ ") or not base.isprintable():
        return False
    try:
        parts = urlsplit(base)
        _ = parts.port
    except ValueError:
        return False
    host = bool(parts.hostname) and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and host and not parts.query and not parts.fragment
