"""The catalog: what exists. Immutable; a change of the registry makes a new one.

Knows providers, models and families, and turns accounts into deployments. Holds no
account, no secret and no price table: LiteLLM's price file is read again, row by
row, in the rare case that an account needs a model the registry does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from freeloader.catalog import build, prices
from freeloader.catalog.deployments import expand, sharing
from freeloader.catalog.documents import read_document
from freeloader.catalog.families import Families
from freeloader.catalog.prices import Row
from freeloader.catalog.schema import ProviderDoc
from freeloader.core.model import Account, Deployment, Model, Provider

_LOCAL_PREFIXES = frozenset(
    ("docker_model_runner", "lemonade", "llamafile", "oobabooga", "triton", "vllm", "xinference")
)
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_SIMULATED = Path(__file__).parent / "simulated.json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that was skipped: ``file``, ``key`` in it (may be empty), ``reason``."""

    file: str
    key: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.reason) if part)


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """All providers and models. ``version`` changes with the registry and its overlays.

    ``price_file`` is LiteLLM's (None: do without); ``partial`` names the providers
    whose own model list leaves out models that work; ``today`` is the date it was read.
    """

    providers: Mapping[str, Provider]
    models: Mapping[tuple[str, str], Model]
    families: Families
    version: str
    problems: tuple[Problem, ...] = ()
    price_file: Path | None = None
    partial: frozenset[str] = frozenset()
    today: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "providers", MappingProxyType(dict(self.providers)))
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))

    def of(self, provider: str) -> tuple[Model, ...]:
        """The models that the registry lists at a provider, retired ones too."""
        return tuple(m for (name, _), m in self.models.items() if name == provider)

    def listed_completely(self, provider: str) -> bool:
        """False where the provider's own model list leaves out models that work."""
        return provider not in self.partial

    @property
    def day(self) -> str:
        """``2026-11-20``: models retired by then are not served. Today, or the registry's date
        where that is later (a clock that runs behind brings nobody back)."""
        return max(self.version.split("+")[0].replace(".", "-"), self.today)

    def retired(self, model: Model) -> bool:
        """Whether the model is gone."""
        return model.deprecated_on is not None and model.deprecated_on <= self.day

    def rows(self, wanted: Callable[[str, str], bool]) -> tuple[Row, ...]:
        """Rows of the price file. An unusable file gives none (``problems`` names it at load)."""
        if self.price_file is None:
            return ()
        try:
            return tuple(prices.rows(self.price_file, wanted))
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
            return ()

    def provider_from_prefix(self, prefix: str) -> Provider | None:
        """The provider for a LiteLLM prefix: the registry's own, else one made from LiteLLM's
        files (confidence low, free tier unknown, no limits known). None: LiteLLM has no such
        chat provider."""
        own = self.providers.get(prefix) or next(
            (p for p in self.providers.values() if p.prefix == prefix != "openai"), None
        )
        if own is not None or not _NAME.fullmatch(prefix):
            return own
        name = prices.described(self.price_file, prefix) if self.price_file is not None else None
        if name is None and not self.rows(lambda p, _: p == prefix):
            return None
        local = prefix in _LOCAL_PREFIXES
        return Provider(
            id=prefix,
            display_name=name or prefix,
            kind="local" if local else "cloud",
            status="active" if local else "uncertain",
            prefix=prefix,
            wire="openai",
            base_url=None,
            auth_env=() if local else (f"{prefix.upper().replace('-', '_')}_API_KEY",),
            keyless=local,
            free_type="unlimited" if local else "none",
            free_confidence="low",
            free_source="LiteLLM's price file: free tier unknown",
        )

    def including(self, names: Iterable[str]) -> Catalog:
        """This catalog with the named providers that only LiteLLM knows, and with LiteLLM's
        models for providers of whom the registry lists none. Itself where nothing is missing."""
        wanted = sorted(set(names))
        providers = dict(self.providers)
        for name in wanted:
            found = None if name in providers else self.provider_from_prefix(name)
            if found is not None and found.id == name:
                providers[name] = found
        listed = {provider for provider, _ in self.models}
        bare = {
            p.prefix: p.id
            for n in wanted
            if (p := providers.get(n)) and p.id not in listed and not p.local
            if p.prefix != "openai" and p.kind != "simulated"
        }
        if not bare:
            return (
                self
                if len(providers) == len(self.providers)
                else replace(self, providers=providers)
            )
        added = {
            (bare[row.prefix], row.id): self.from_row(providers[bare[row.prefix]], row)
            for row in self.rows(lambda prefix, _: prefix in bare)
            if row.mode == "chat"
        }
        return replace(self, providers=providers, models={**self.models, **added})

    def from_row(self, provider: Provider, row: Row) -> Model:
        """A model that only the price file describes: no free tier is claimed for it."""
        family, known = self.families.inherit(row.id, provider.local)
        model = Model(
            id=row.id,
            provider=provider.id,
            family=family,
            mode=row.mode,
            evidence=MappingProxyType({"pricing": "LiteLLM's price file, confidence low"}),
        )
        model = prices.fill(model, row)
        if known is None:
            return model
        return replace(model, intelligence=known.intelligence, strengths=known.strengths)

    def with_simulated(self, base_url: str) -> Catalog:
        """This catalog and the pretend providers at ``base_url`` (they replace namesakes)."""
        root = base_url.rstrip("/")
        providers, models = {}, {}
        for name, raw in read_document(_SIMULATED)["providers"].items():
            doc = ProviderDoc.model_validate(raw)
            found = build.provider(name, doc)
            url = (found.base_url or "").replace("{base}", root)
            providers[name] = replace(found, base_url=url)
            for model, entry in doc.models.items():
                models[name, model] = build.model(model, name, entry, doc.free_tier)
        kept = {k: m for k, m in self.models.items() if k[0] not in providers}
        return replace(self, providers={**self.providers, **providers}, models={**kept, **models})

    def as_rows(self) -> tuple[dict[str, dict[str, Any]], dict[tuple[str, str], dict[str, Any]]]:
        """Providers and models as JSON-ready rows, for a copy to be read: what is known of each."""
        providers = {
            p.id: {"displayName": p.display_name, "kind": p.kind, "status": p.status,
                   "freeTier": p.free_type, "confidence": p.free_confidence}
            for p in self.providers.values()
            if p.kind != "simulated"
        }  # fmt: skip
        models = {
            key: {"family": m.family, "intelligence": m.intelligence, "speed": m.speed,
                  "context": m.context, "maxOutput": m.max_output, "free": m.free,
                  "capabilities": sorted(m.capabilities), "deprecatedOn": m.deprecated_on,
                  "pricing": None if m.price is None else {
                      "input": m.price.input / 1e6, "output": m.price.output / 1e6}}
            for key, m in self.models.items()
            if key[0] in providers
        }  # fmt: skip
        return providers, models

    def deployments(self, accounts: Iterable[Account]) -> tuple[Deployment, ...]:
        """Every enabled account × the chat models it serves, in the order of the accounts."""
        chosen = [account for account in sharing(accounts) if account.enabled]
        return expand(self.including(a.provider for a in chosen), chosen)
