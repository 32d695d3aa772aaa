"""Which base URL LiteLLM wants for a provider: not always the one in the registry.

The registry gives the address of a provider's OpenAI-compatible API; LiteLLM's
native adapters append their own paths to something else. Read from the
adapters of the pinned LiteLLM version; unknown prefixes are taken as
OpenAI-compatible. Decides nothing about models or accounts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from freeloader.core.model import Deployment

#: Adapters that build their own address from the region, the model or a constant:
#: the registry's address would break them, so only an account's own endpoint counts.
_OWN_ADDRESS = frozenset(
    {"bedrock", "cohere", "cohere_chat", "huggingface", "sagemaker", "vertex_ai", "watsonx"}
)
#: What the adapter appends by itself, and is therefore cut off.
_APPENDED: Mapping[str, tuple[str, ...]] = {
    "gemini": ("/openai",),
    "ollama": ("/v1", "/api"),
    "ollama_chat": ("/v1", "/api"),
    "anthropic": ("/v1",),
}
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}|<([^<>]+)>")


def api_base_of(deployment: Deployment) -> str | None:
    """The ``api_base`` for the deployment's entry, or None to leave it to LiteLLM."""
    provider, account = deployment.provider, deployment.account
    prefix = provider.prefix.rstrip("/")
    base = account.endpoint or provider.params.get("api_base")
    if base is None and prefix not in _OWN_ADDRESS:
        base = deployment.base_url
    if not base:
        return None
    filled = _fill(str(base), account.params)
    return None if filled is None else _trim(prefix, filled)


def _fill(base: str, params: Mapping[str, str]) -> str | None:
    """The address with ``{account_id}`` and the like filled in; None where one is not known."""
    known = {_squash(key): value for key, value in params.items()}
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = _squash(match[1] or match[2])
        for key, found in known.items():
            if key == name or name.endswith(key):
                return found
        missing = True
        return ""

    filled = _PLACEHOLDER.sub(value, base)
    return None if missing else filled


def _squash(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _trim(prefix: str, base: str) -> str:
    trimmed = base.rstrip("/")
    for suffix in _APPENDED.get(prefix, ()):
        trimmed = trimmed.removesuffix(suffix)
    return trimmed.rstrip("/")
