"""Do the names that gates, rules and aliases state mean anything? A misspelt wall is no wall.

A capability that no model has is refused, and so is a provider that looks like a misspelt
one. A provider that is merely not here (yet) may be named: nothing of it can serve anyway.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from freeloader.catalog.registry import Catalog
from freeloader.core.model import CAPABILITIES, Deployment, Gates
from freeloader.errors import InvalidRequest

#: Two names so alike are one of them and a slip.
_ALIKE = 0.75
_SHOWN = 40


class Stated:
    """What is known of one catalogue and one set of deployments."""

    def __init__(self, catalog: Catalog, deployments: Iterable[Deployment]) -> None:
        self._catalog = catalog
        self._deployments = tuple(deployments)
        self._providers: frozenset[str] | None = None
        self._capabilities: frozenset[str] | None = None

    def check(self, gates: Gates) -> None:
        """Raises InvalidRequest for a name that must be a slip, with the nearest known one."""
        for field, names in (
            ("blockedProviders", gates.blocked_providers),
            ("allowedProviders", gates.allowed_providers or ()),
        ):
            for name in sorted(names):
                known = self.providers
                if name not in known and (close := _nearest(name, known)) is not None:
                    raise _unknown(field, "provider", name, f"did you mean '{close}'?")
        for name in sorted(gates.required_capabilities):
            known = self.capabilities
            if name not in known:
                close = _nearest(name, known)
                hint = f"known are: {', '.join(sorted(known))}" if close is None else ""
                raise _unknown(
                    "requiredCapabilities", "capability", name, hint or f"did you mean '{close}'?"
                )

    def provider_slip(self, name: str) -> str | None:
        """The provider that is meant, where ``name`` is none and must be a slip."""
        return None if name in self.providers else _nearest(name, self.providers)

    def model_slip(self, pattern: str) -> str | None:
        """The same for the provider in ``provider/model``, ``provider@idx/model`` or a pattern of
        them; a raw id that contains slashes is none."""
        head, slash, _ = pattern.strip().partition("/")
        head = head.partition("@")[0]
        if not slash or any(c in head for c in "*?["):
            return None
        slip = self.provider_slip(head.casefold())
        if slip is None or any(fnmatchcase(name, pattern.casefold()) for name in self._ids()):
            return None
        return slip

    def _ids(self) -> Iterable[str]:
        models = (*self._catalog.models.values(), *(d.model for d in self._deployments))
        return (name.casefold() for model in models for name in (model.id, model.family))

    @property
    def providers(self) -> frozenset[str]:
        """The registry's, and those with an account."""
        if self._providers is None:
            own = (deployment.provider.id for deployment in self._deployments)
            self._providers = frozenset((*self._catalog.providers, *own))
        return self._providers

    @property
    def capabilities(self) -> frozenset[str]:
        """Those that some model has, and those that anybody may ask for."""
        if self._capabilities is None:
            models = (*self._catalog.models.values(), *(d.model for d in self._deployments))
            self._capabilities = CAPABILITIES.union(*(model.capabilities for model in models))
        return self._capabilities


def _nearest(name: str, known: Iterable[str]) -> str | None:
    folded = {one.casefold(): one for one in sorted(known)}
    found = difflib.get_close_matches(name.casefold()[:100], folded, n=1, cutoff=_ALIKE)
    return folded[found[0]] if found else None


def _unknown(field: str, kind: str, name: str, hint: str) -> InvalidRequest:
    shown = "".join(c if c.isprintable() else "?" for c in name[:_SHOWN])
    return InvalidRequest(
        f"qualityGates.{field}: unknown {kind} '{shown}'; {hint}", param=f"qualityGates.{field}"
    )
