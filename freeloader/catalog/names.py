"""What a name in ``model`` means: auto, alias, deployment, provider/model, raw id, family.

Rebuilt whenever catalog, accounts or aliases change; ``resolve`` is pure and does
not depend on the order of the deployments. It chooses no deployment: it says which
ones a name stands for, or what a substitute must at least be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import chain, islice

from freeloader.catalog.nearest import nearest
from freeloader.catalog.registry import Catalog
from freeloader.catalog.stated import Stated
from freeloader.core.model import Deployment, Gates, Model, Resolution
from freeloader.core.policy import PRESETS
from freeloader.errors import AmbiguousModel, ConfigError, InvalidRequest, ModelNotFound

_POLICIES = ("similar", "error", "auto")
#: What may be named instead of a model (contract §2).
AUTOMATIC = ("auto", *(f"auto:{strategy}" for strategy in PRESETS))
_MOST_HOPS = 8
_LONGEST = 300
_MOST_NEAR = 4000
#: Names whose meaning is remembered; all are forgotten when there are more.
_KNOWN_MAX = 1024
_Index = dict[str, set[str]]


class Names:
    """Names over one set of deployments. Raises ConfigError for an unknown ``unknown``."""

    def __init__(
        self,
        catalog: Catalog,
        deployments: Iterable[Deployment],
        aliases: Mapping[str, str],
        unknown: str = "similar",
    ) -> None:
        if unknown not in _POLICIES:
            raise ConfigError(f"models.unknown is {unknown!r}; it may be {', '.join(_POLICIES)}.")
        self._catalog = catalog
        self._unknown = unknown
        self._aliases = dict(aliases)
        self._patterns = [(k, v) for k, v in aliases.items() if any(c in k for c in "*?[")]
        self._ids: dict[str, Deployment] = {}
        self._public: _Index = {}
        self._raw: _Index = {}
        self._family: _Index = {}
        self._best: dict[frozenset[str], float] = {}
        self._known: dict[tuple[str, frozenset[str]], Resolution] = {}
        some = tuple(deployments)
        for deployment in some:
            self._add(deployment)
        self._stated = Stated(catalog, some)
        self._folded = _fold(self._public, self._raw, self._family)

    def _add(self, deployment: Deployment) -> None:
        model, key = deployment.model, deployment.id
        self._ids[key] = deployment
        self._public.setdefault(deployment.public_model, set()).add(key)
        self._raw.setdefault(model.id, set()).add(key)
        self._family.setdefault(model.family, set()).add(key)
        if model.intelligence is not None:
            best = self._best.get(model.capabilities, 0.0)
            self._best[model.capabilities] = max(best, model.intelligence)

    def resolve(self, wanted: str, needs: frozenset[str] = frozenset()) -> Resolution:
        """What ``wanted`` stands for, for a request that ``needs`` these capabilities.

        Raises ModelNotFound, AmbiguousModel, or InvalidRequest (no name, aliases in a circle).
        """
        known = self._known.get((wanted, needs))
        if known is None:
            known = self._resolved(wanted, needs)
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[wanted, needs] = known
        return known

    def _resolved(self, wanted: str, needs: frozenset[str]) -> Resolution:
        name = wanted.strip()
        if not name or len(name) > _LONGEST:
            raise InvalidRequest(
                f"'model' must be a name of 1 to {_LONGEST} characters; "
                "use 'auto' to let the router choose.",
                param="model",
            )
        target, alias = self._unaliased(name)
        if _automatic(target):
            _, colon, strategy = target.casefold().partition(":")
            if colon and not strategy.strip():
                raise InvalidRequest(
                    f"{_clean(target)!r} names no strategy; write 'auto', or 'auto:cost-first' "
                    "and the like.",
                    param="model",
                )
            return Resolution("auto", wanted, strategy=strategy.strip() or None, alias=alias)
        found = self._served(target, wanted)
        if found:
            return Resolution("named", wanted, deployments=frozenset(found), alias=alias)
        return self._unserved(target, wanted, needs, alias)

    def check(self, gates: Gates) -> None:
        """Raises InvalidRequest for a provider or capability in ``gates`` that must be a slip."""
        self._stated.check(gates)

    def _unaliased(self, name: str) -> tuple[str, str | None]:
        """Follow aliases: an exact one before patterns, patterns in the order given."""
        seen, first = [name], None
        while len(seen) <= _MOST_HOPS:
            if _automatic(name):
                return name, first
            key = self._alias_of(name)
            if key is None or self._aliases[key] == name:
                return name, first
            first, name = first or key, self._aliases[key].strip()
            if name in seen:
                break
            seen.append(name)
        raise InvalidRequest(
            f"The alias {_clean(seen[0])!r} leads in a circle: {' → '.join(map(_clean, seen))}. "
            "Change one of them with: xswarm config set --alias 'NAME=TARGET'",
            param="model",
        )

    def _alias_of(self, name: str) -> str | None:
        if name in self._aliases:
            return name
        return next((p for p, _ in self._patterns if fnmatchcase(name, p)), None)

    def _served(self, name: str, wanted: str) -> set[str]:
        """The deployments a name stands for; empty where no account serves it."""
        if name in self._ids:
            return {name}
        if name in self._public:
            return self._public[name]
        if name in self._raw:
            return self._unambiguous(self._raw[name], wanted)
        if name in self._family:
            return self._family[name]
        folded = self._folded.get(name.casefold())
        if folded is not None and folded != name:
            return self._served(folded, wanted)
        if self._gone(name) is not None:
            return set()
        known = self._catalog.families.find(name)
        head = name.partition("/")[0]
        if known is None or (head in self._catalog.providers and self._knows(name)):
            return set()
        ids = self._family.get(known.id, set())
        own = {i for i in ids if self._ids[i].provider.id == head}
        return own if "/" in name and own else ids  # who names a provider means that one

    def _unambiguous(self, ids: set[str], wanted: str) -> set[str]:
        families = {self._ids[i].model.family for i in ids}
        if len(families) == 1:
            return ids
        choices = sorted({self._ids[i].public_model for i in ids})
        raise AmbiguousModel(
            f"The model {_clean(wanted)!r} could be any of these: {', '.join(choices)}. "
            "Name one of them in full.",
            param="model",
            details={"choices": choices},
        )

    def _unserved(
        self, name: str, wanted: str, needs: frozenset[str], alias: str | None
    ) -> Resolution:
        if self._unknown == "auto":
            return Resolution("auto", wanted, alias=alias)
        gone = self._gone(name)
        if gone is not None and gone.replaced_by:
            heirs = self._public.get(f"{gone.provider}/{gone.replaced_by}")
            if alias is None or heirs is None:  # a name that was pinned is never replaced
                raise self._replaced(gone, wanted)
            return Resolution("named", wanted, frozenset(heirs), alias=alias, redirected=True)
        # Who names one account means that one: nothing stands in for it, unless its model is gone.
        pinned = _names_an_account(name) and gone is None
        if self._unknown == "similar" and not pinned:
            level, able = self._known_level(name)
            able |= needs
            if level is not None and self._anyone(level, able):
                return Resolution(
                    "similar", wanted, min_intelligence=level, capabilities=able, alias=alias
                )
        raise self._not_found(name, wanted)

    def _knows(self, name: str) -> bool:
        provider, _, model = name.partition("/")
        return (provider, model) in self._catalog.models

    def _candidates(self, name: str) -> list[Model]:
        """The registry's models of this name (``provider/model``, with or without the account's
        ``@idx``, or raw id), served or not."""
        provider, _, model = name.partition("/")
        if _names_an_account(name):
            provider = provider.partition("@")[0]
        exact = self._catalog.models.get((provider, model))
        if exact is not None:
            return [exact]
        return [m for (_, raw), m in self._catalog.models.items() if raw == name]

    def _of_family(self, name: str) -> list[Model]:
        """The registry's models of a family; its last one may be gone while requests still come."""
        return [m for m in self._catalog.models.values() if m.family == name]

    def _gone(self, name: str) -> Model | None:
        found = self._candidates(name)
        gone = [m for m in found if self._catalog.retired(m)]
        if not found or len(gone) < len(found):
            return None
        return min(gone, key=lambda m: (m.replaced_by is None, m.provider))

    def _known_level(self, name: str) -> tuple[float | None, frozenset[str]]:
        """Intelligence and capabilities that a substitute must have at least."""
        named = self._candidates(name) or self._of_family(name)
        models = [m for m in named if m.intelligence is not None]
        if models:
            model = min(models, key=lambda m: (-(m.intelligence or 0), m.provider))
            return model.intelligence, model.capabilities
        family = self._catalog.families.find(name)
        if family is None:
            return None, frozenset()
        return family.intelligence, family.capabilities

    def _anyone(self, level: float, able: frozenset[str]) -> bool:
        return any(best >= level and able <= have for have, best in self._best.items())

    def _replaced(self, gone: Model, wanted: str) -> ModelNotFound:
        name = f"{gone.provider}/{gone.replaced_by}"
        return ModelNotFound(
            f"The model {_clean(wanted)!r} is gone since {gone.deprecated_on}; its replacement "
            f"is {name!r}. To send the old name there: "
            f"xswarm config set --alias '{_quoted(wanted)}={name}'",
            param="model",
            details={"replacedBy": name, "deprecatedOn": gone.deprecated_on},
        )

    def _not_found(self, name: str, wanted: str) -> ModelNotFound:
        near = self._nearest(name)
        hint = f" Nearest: {', '.join(near)}."
        if not near:
            near = ["auto", *self._strongest()]
            hint = f" No name here is like it; these are answered: {', '.join(near)}."
        meant = f" (an alias of {_clean(name)!r})" if name != wanted.strip() else ""
        return ModelNotFound(
            f"No account serves a model named {_clean(wanted)!r}{meant}.{hint} To let the router "
            f"answer this name: xswarm config set --alias '{_quoted(wanted)}=auto'",
            param="model",
            details={"nearest": near},
        )

    def _nearest(self, name: str) -> list[str]:
        """Up to three names that would be answered, those that are served before those that a
        like model stands in for."""
        served = ((text, frozenset(ids)) for ids_of in (self._family, self._raw, self._public)
                  for text, ids in sorted(ids_of.items()))  # fmt: skip
        aliases = sorted(name for name in self._aliases if self._leads_somewhere(name))
        own = ((text, text) for text in (*AUTOMATIC, *aliases))
        others = (
            (family.id, family.id)
            for family in self._catalog.families.known.values()
            if self._unknown == "similar"
            and family.id not in self._family
            and family.intelligence is not None
            and self._anyone(family.intelligence, family.capabilities)
        )
        return nearest(name, islice(chain(own, served), _MOST_NEAR), others)

    def _leads_somewhere(self, alias: str) -> bool:
        """True where it is a name (no pattern) that ends at the router or at a served model."""
        if any(alias == pattern for pattern, _ in self._patterns):
            return False
        try:
            target, _ = self._unaliased(alias)
            return _automatic(target) or bool(self._served(target, alias))
        except InvalidRequest:  # in a circle, or it could be any of several
            return False

    def _strongest(self) -> list[str]:
        """The two most intelligent models that are served."""
        some = {d.public_model: d.model.intelligence or 0.0 for d in self._ids.values()}
        return sorted(some, key=lambda name: (-some[name], name))[:2]


def _names_an_account(name: str) -> bool:
    """``provider@idx/model``."""
    provider, slash, _ = name.partition("/")
    _, at, idx = provider.partition("@")
    return bool(slash and at) and idx.isdecimal()


def _automatic(name: str) -> bool:
    folded = name.casefold()
    return folded == "auto" or folded.startswith("auto:")


def _fold(*indexes: _Index) -> dict[str, str]:
    """Lower-case spelling → the spelling that is served, earlier indexes first."""
    out: dict[str, str] = {}
    for index in indexes:
        for name in sorted(index):
            out.setdefault(name.casefold(), name)
    return out


def _clean(text: str) -> str:
    """Fit to print: no control characters, not endless."""
    kept = "".join(c if c.isprintable() else "?" for c in text[:100])
    return kept + ("…" if len(text) > 100 else "")


def _quoted(text: str) -> str:
    """For use between single quotes in a shell."""
    return _clean(text).replace("'", "'\\''")
