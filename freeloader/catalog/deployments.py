"""Accounts × models → deployments. Pure but for the price rows the catalog hands out.

An account's own model list restricts what the registry offers. What the list has
and the registry has not becomes a model too: at a local host free of charge, with
the intelligence of its family; elsewhere with LiteLLM's price, or none known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from freeloader.catalog.families import Families, Family
from freeloader.catalog.prices import Row
from freeloader.core.model import Account, Deployment, Limit, Model, Provider
from freeloader.money import Price

#: Names that are not chat models, where nothing else says what they are.
_NOT_CHAT = re.compile(
    r"embed|whisper|(?:^|[-/])tts|dall-e|rerank|moderation|transcri|speech|imagen|veo-|sora"
    r"|stable-diffusion|flux|guard|-ocr|realtime|bge-|minilm|text-to-|(?:^|[-/])e5-|colbert"
    r"|davinci|babbage|-audio|-image",
    re.IGNORECASE,
)
#: Ollama shows cloud models among its local ones; they leave the machine and have quotas.
_CLOUD_TAG = re.compile(r"[-:]cloud$", re.IGNORECASE)
#: Evidence of a deprecation that the owner (or a rule of the owner's) accepted.
DEPRECATION = "deprecation"
_FIELD = re.compile(r"\{([a-z_]+)\}")


class Source(Protocol):
    """What is needed of the catalog."""

    @property
    def providers(self) -> Mapping[str, Provider]: ...
    @property
    def models(self) -> Mapping[tuple[str, str], Model]: ...
    @property
    def families(self) -> Families: ...
    def listed_completely(self, provider: str) -> bool: ...
    def retired(self, model: Model) -> bool: ...
    def rows(self, wanted: Callable[[str, str], bool]) -> tuple[Row, ...]: ...
    def from_row(self, provider: Provider, row: Row) -> Model: ...


def expand(catalog: Source, accounts: Sequence[Account]) -> tuple[Deployment, ...]:
    """All deployments of the enabled ``accounts``."""
    made = _Maker(catalog, accounts)
    out: list[Deployment] = []
    for account in accounts:
        provider = catalog.providers.get(account.provider)
        if provider is None or not provider.routable:
            continue
        url = base_url(provider, account)
        if url is None and _needs_url(provider):
            continue
        stem = entry_stem(provider, url)
        models = made.models(provider, account)
        out.extend(_deployment(provider, account, model, stem, url) for model in models)
    return tuple(out)


def sharing(accounts: Iterable[Account]) -> list[Account]:
    """Two keys of one account share its bucket, and so the limits that its owner gave it.

    Without this the key that says nothing would bring the registry's limits into the same
    bucket, and be free of what the owner limits besides. The root's word goes first, then
    that of the first key that has one; a key's own is never replaced.
    """
    known = list(accounts)
    own: dict[tuple[str, int], tuple[Limit, ...]] = {}
    for account in sorted(known, key=lambda a: a.same_account_as is not None):
        if account.limits:
            own.setdefault(_root(account), account.limits)
    return [a if a.limits else replace(a, limits=own.get(_root(a), ())) for a in known]


def _root(account: Account) -> tuple[str, int]:
    shared = account.same_account_as
    return account.provider, account.idx if shared is None else shared


def _deployment(
    provider: Provider, account: Account, model: Model, stem: str, url: str | None
) -> Deployment:
    return Deployment(
        id=f"{account.name}/{model.id}",
        provider=provider,
        account=account,
        model=model,
        entry=f"{stem}/{model.id}".replace(",", "%2C"),
        base_url=url,
    )


def base_url(provider: Provider, account: Account) -> str | None:
    """Where the account's calls go: its own endpoint, else the provider's, fields filled in.

    None: LiteLLM's own default, or (for a base URL with fields) a field is missing.
    A bare ``http://host:port`` gets the path that the provider's API has.
    """
    if account.endpoint:
        return _with_path(account.endpoint.strip().rstrip("/"), provider.base_url)
    if provider.base_url is None:
        endpoint = account.params.get("endpoint")
        return endpoint.strip().rstrip("/") if endpoint else None
    if any(not account.params.get(field) for field in _FIELD.findall(provider.base_url)):
        return None
    return _FIELD.sub(lambda found: account.params[found[1]], provider.base_url).rstrip("/")


def entry_stem(provider: Provider, url: str | None) -> str:
    """``provider``, or ``provider.<8 hex>`` where the account's endpoint is another one."""
    usual = provider.base_url.rstrip("/") if provider.base_url else None
    if url is None or url == usual:
        return provider.id
    return f"{provider.id}.{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def _needs_url(provider: Provider) -> bool:
    return bool(provider.base_url and _FIELD.search(provider.base_url)) or (
        provider.base_url is None and "endpoint" in provider.auth_fields
    )


def _with_path(endpoint: str, usual: str | None) -> str:
    given, wanted = urlsplit(endpoint), urlsplit(usual or "")
    path = given.path
    if not path and wanted.path and "{" not in wanted.path:
        path = wanted.path.rstrip("/")
    elif not wanted.path and usual and path in ("/v1", "/api"):
        path = ""
    return urlunsplit((given.scheme, given.netloc, path, "", "")).rstrip("/")


class _Maker:
    """Models by provider and name; each is made once, however many accounts serve it."""

    def __init__(self, catalog: Source, accounts: Iterable[Account]) -> None:
        self._catalog = catalog
        self._registry: dict[str, dict[str, Model]] = {}
        for (provider, name), model in catalog.models.items():
            self._registry.setdefault(provider, {})[name] = model
        self._made: dict[tuple[str, str], Model | None] = {}
        self._rows = self._price_rows(accounts)

    def models(self, provider: Provider, account: Account) -> list[Model]:
        known = self._registry.get(provider.id, {})
        if account.models is None:
            return [m for m in known.values() if m.mode == "chat" and not self._catalog.retired(m)]
        names = list(dict.fromkeys(n.removeprefix("models/") for n in account.models if n))
        listed = set(names)
        out = [known[n] for n in names if n in known and self._served(known[n])]
        if not self._catalog.listed_completely(provider.id):
            out += [
                m
                for n, m in known.items()
                if n not in listed and m.mode == "chat" and m.free and not self._catalog.retired(m)
            ]
        made = (self._unknown(provider, n) for n in names if n not in known)
        return out + [m for m in made if m is not None]

    def _served(self, model: Model) -> bool:
        """A model of the registry that an account lists. The list is newer than the registry's
        date, but not than an accepted notice that the model goes."""
        noticed = DEPRECATION in model.evidence and self._catalog.retired(model)
        return model.mode == "chat" and not noticed

    def _unknown(self, provider: Provider, name: str) -> Model | None:
        key = (provider.id, name)
        if key not in self._made:
            self._made[key] = self._make(provider, name)
        return self._made[key]

    def _make(self, provider: Provider, name: str) -> Model | None:
        if _NOT_CHAT.search(name):
            return None
        if provider.local:
            if provider.id.startswith("ollama") and _CLOUD_TAG.search(name):
                return None
            return self._local(provider, name)
        row = self._rows.get((provider.prefix, name))
        if row is not None:
            return self._catalog.from_row(provider, row) if row.mode == "chat" else None
        return self._listed(provider, name)

    def _local(self, provider: Provider, name: str) -> Model:
        family, known = self._catalog.families.inherit(name, local=True)
        model = Model(name, provider.id, family, price=Price(0, 0), free=True)
        return _inheriting(model, known, "runs on this machine")

    def _listed(self, provider: Provider, name: str) -> Model:
        """At a cloud host only the pool that its limits name is known to be free."""
        family, known = self._catalog.families.inherit(name, local=False)
        pools = {pattern for limit in provider.limits for pattern in limit.applies_to}
        free = any(fnmatchcase(name, pattern) for pattern in pools)
        price = Price(0, 0) if free else None
        model = Model(name, provider.id, family, price=price, free=free)
        return _inheriting(model, known, "only the provider's own model list, confidence low")

    def _price_rows(self, accounts: Iterable[Account]) -> dict[tuple[str, str], Row]:
        wanted: set[tuple[str, str]] = set()
        for account in accounts:
            provider = self._catalog.providers.get(account.provider)
            if provider is None or provider.local or account.models is None:
                continue
            if provider.prefix == "openai" and provider.id != "openai":
                continue
            known = self._registry.get(provider.id, {})
            names = (n.removeprefix("models/") for n in account.models)
            wanted |= {(provider.prefix, n) for n in names if n not in known}
        if not wanted:
            return {}
        rows = self._catalog.rows(lambda prefix, name: (prefix, name) in wanted)
        return {(row.prefix, row.id): row for row in rows}


def _inheriting(model: Model, family: Family | None, facts: str) -> Model:
    if family is None:
        return replace(
            model,
            capabilities=frozenset({"streaming"}),
            evidence=MappingProxyType({"facts": facts}),
        )
    return replace(
        model,
        intelligence=family.intelligence,
        strengths=family.strengths,
        capabilities=family.capabilities | {"streaming"},
        evidence=MappingProxyType({**family.evidence, "facts": facts}),
    )
