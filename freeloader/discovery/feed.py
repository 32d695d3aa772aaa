"""The registry feed: contract §2's document at an address, signed, only ever newer.

Of a provider that is known only its models and free tier are compared: no feed can
move a provider to another address, where the owner's key would go. What the
signature is, is ``signing``'s; what differs, ``compare``'s.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from freeloader.catalog.documents import parse_document
from freeloader.discovery import compare, signing
from freeloader.discovery.fetching import Web
from freeloader.discovery.source import Found, Memory, Says
from freeloader.errors import UpstreamFailed

MEMORY = "discovery.feed"
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,5}", re.ASCII)
_NOTES_MAX = 5

#: The registry in force: (version, raw providers).
Registry = Callable[[], Awaitable[tuple[str, Mapping[str, Any]]]]


@dataclass(frozen=True, slots=True)
class FeedRules:
    """Where the feed is, and the public keys (base64) that may sign it."""

    url: str | None
    keys: tuple[str, ...] = ()


class Feed:
    """A ``Source``; ``rules`` and ``registry`` are asked anew at each look."""

    name = "registry"

    def __init__(
        self, web: Web, memory: Memory, registry: Registry, rules: Callable[[], FeedRules]
    ) -> None:
        self._web, self._memory = web, memory
        self._registry, self._rules = registry, rules

    async def look(self, progress: Says) -> Found:
        rules = self._rules()
        if rules.url is None or not rules.keys:
            missing = "url" if rules.url is None else "keys"
            return Found(notes=(f"not read: discovery.registry.{missing} is not set",))
        known = await self._known(rules)
        progress.say(f"reading {rules.url}")
        page = await self._web.get(rules.url, etag=known.get("etag"), given=True)
        if page.status == 304:
            return Found(notes=("unchanged",))
        signatures = await self._web.get(signature_url(page.url), given=True)
        signing.verified(page.body, signatures.body, rules.keys)
        try:
            document = await asyncio.to_thread(parse_document, page.body)
        except ValueError as problem:
            raise UpstreamFailed(f"The feed is {problem}.") from None
        current_version, current = await self._registry()
        version = newer(document, current_version, known.get("version", ""))
        remember = {MEMORY: json.dumps({**_place(rules), "etag": page.etag, "version": version})}
        progress.say(f"comparing version {version}")
        checked = compare.checked(document, current)
        faults = tuple(f"refused: {fault}" for fault in checked.faults[:_NOTES_MAX])
        evidence = f"signed feed {rules.url}, version {version}"
        found = tuple(compare.proposals(checked.providers, current, self.name, evidence))
        return Found(found, (f"version {version}", *faults), remember)

    async def _known(self, rules: FeedRules) -> dict[str, str]:
        """What was seen last at this address under these keys; nothing for another one."""
        text = await self._memory.meta_get(MEMORY)
        known = json.loads(text) if text else {}
        if any(known.get(name) != value for name, value in _place(rules).items()):
            return {}
        return {name: value for name, value in known.items() if isinstance(value, str)}


def newer(document: Mapping[str, Any], *versions: str) -> str:
    """The document's version. Raises UpstreamFailed where it is not after all of ``versions``."""
    version = document.get("version")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise UpstreamFailed("The feed has no version such as 2026.11.20: refused.")
    # A registry with overlays says so behind a plus sign.
    latest = max((v.split("+")[0] for v in versions if v), key=_ordered, default="0")
    if _ordered(version) < _ordered(latest):
        raise UpstreamFailed(
            f"The feed's version {version} is older than {latest}, which is known: refused."
        )
    return version


def signature_url(url: str) -> str:
    """Where the signatures of a document are: its path with ``.sig`` at the end."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path + signing.SUFFIX))


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")) if _VERSION.fullmatch(version) else ()


def _place(rules: FeedRules) -> dict[str, str]:
    return {"url": rules.url or "", "keys": " ".join(sorted(rules.keys))}
