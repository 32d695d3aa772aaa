"""A proposal: one change of the registry that somebody should look at. Pure.

What is applied is a fold of patches (RFC 7396, as in an overlay), so taking one
back is leaving it out of the fold. While a dearer price or a lower limit waits,
``cautious`` is the patch that makes money and quota reckon with the worse value.
Where proposals come from, and who decides, is known elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = ("new_provider", "new_model", "pricing_change", "limit_change", "model_deprecated")
#: Least sure first, as in the registry.
CONFIDENCES = ("low", "medium", "high")
_TOKEN_RATES = ("input", "output", "cacheRead", "cacheWrite")

Json = Any


@dataclass(frozen=True, slots=True)
class Proposal:
    """``before`` and ``after`` are what a person compares, ``patch`` what applying merges.

    ``patch`` is ``{provider: fragment}``; empty where only a person can act (a link to
    a provider that nobody has described). ``evidence`` says where it stands, in words.
    """

    kind: str
    provider: str
    subject: str
    before: Json
    after: Json
    source: str
    evidence: str
    confidence: str = "low"
    patch: Mapping[str, Json] = field(default_factory=dict)
    #: False where the change was concluded, so that its date is only that of the finding.
    announced: bool = True

    @property
    def key(self) -> str:
        """The same for the same change, whoever found it: nothing is proposed twice."""
        after = self.after if self.announced else "concluded"
        what = [self.kind, self.provider, self.subject, after]
        text = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def applicable(self) -> bool:
        """Whether approving it changes the registry."""
        return bool(self.patch)


def folded(patches: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """All patches as one overlay's ``providers``, later ones over earlier ones.

    A null in a patch stays a null: it has to delete what the bundled registry says.
    """
    out: dict[str, Json] = {}
    for patch in patches:
        out = _laid_over(out, patch)
    return out


def _laid_over(base: Json, patch: Json) -> Json:
    if not isinstance(patch, Mapping):
        return patch
    out = dict(base) if isinstance(base, Mapping) else {}
    for key, value in patch.items():
        out[key] = _laid_over(out.get(key), value) if isinstance(value, Mapping) else value
    return out


# ── the worse of two values ──────────────────────────────────────────────────


def cautious(proposal: Proposal) -> dict[str, Json] | None:
    """The patch to reckon with while the proposal waits; None where waiting costs nobody."""
    if proposal.kind == "pricing_change":
        return _dearer(proposal)
    if proposal.kind == "limit_change":
        return _tighter(proposal)
    return None


def _dearer(proposal: Proposal) -> dict[str, Json] | None:
    before, after = proposal.before or {}, proposal.after or {}
    pricing = worse_price(before.get("pricing"), after.get("pricing"))
    fragment: dict[str, Json] = {}
    if pricing != before.get("pricing"):
        fragment["pricing"] = pricing
    if before.get("free") and after.get("free") is False:
        fragment["free"] = False
    return _model(proposal, fragment)


def worse_price(before: Json, after: Json) -> Json:
    """At every size of input the dearer of the two rates; ``before`` itself where it is that.

    A price that one side does not know stays unknown (None), which stops paid use under a
    hard budget: worse than any number.
    """
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return None
    steps = sorted({0, *_steps(before), *_steps(after)})
    worse = [_dearest(_rates_at(before, at), _rates_at(after, at)) for at in steps]
    if all(rates == _rates_at(before, at) for rates, at in zip(worse, steps, strict=True)):
        return before
    out: dict[str, Json] = dict(worse[0])
    for flat in ("perRequest", "perImage"):
        out[flat] = max(before.get(flat) or 0, after.get(flat) or 0)
    names = (*_TOKEN_RATES, "above")
    out["tiers"] = [
        {name: value for name, value in {**rates, "above": at}.items() if name in names}
        for rates, at in zip(worse[1:], steps[1:], strict=True)
    ]
    return out


def _steps(pricing: Mapping[str, Json]) -> list[int]:
    return [int(tier["above"]) for tier in pricing.get("tiers") or ()]


def _rates_at(pricing: Mapping[str, Json], above: int) -> dict[str, float]:
    """The rates for an input just larger than ``above``; cached input without a rate is input."""
    rates: Mapping[str, Json] = pricing
    for tier in sorted(pricing.get("tiers") or (), key=lambda tier: int(tier["above"])):
        if above >= int(tier["above"]):
            rates = tier
    plain = rates.get("input") or 0
    found = {"input": plain, "output": rates.get("output") or 0}
    for name in ("cacheRead", "cacheWrite"):
        found[name] = plain if rates.get(name) is None else rates[name]
    flat = {name: pricing.get(name) or 0 for name in ("perRequest", "perImage")}
    return {**found, **flat}


def _dearest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(value, other[name]) for name, value in one.items()}


def _tighter(proposal: Proposal) -> dict[str, Json] | None:
    before, after = proposal.before or {}, proposal.after or {}
    fragment: dict[str, Json] = {}
    for bound in ("context", "maxOutput"):
        one, other = before.get(bound), after.get(bound)
        if other is not None and (one is None or other < one):
            fragment[bound] = other
    able = list(before.get("capabilities") or ())
    still = [name for name in able if name in after.get("capabilities", able)]
    if still != able:
        fragment["capabilities"] = still
    if "limits" in after:
        limits = worse_limits(before.get("limits") or (), after["limits"] or ())
        if limits != list(before.get("limits") or ()):
            fragment["limits"] = limits
    if proposal.subject:
        return _model(proposal, fragment)
    if "limits" not in fragment:
        return None
    return {proposal.provider: {"freeTier": {"limits": fragment["limits"]}}}


def worse_limits(before: Sequence[Json], after: Sequence[Json]) -> list[Json]:
    """Every limit that either side knows, with the lower amount where both do."""
    lower = {_which(limit): limit for limit in before}
    for limit in after:
        known = lower.get(_which(limit))
        if known is None or limit.get("amount", 0) < known.get("amount", 0):
            lower[_which(limit)] = limit
    return list(lower.values())


def _which(limit: Mapping[str, Json]) -> tuple[Json, ...]:
    """What makes two limits the same limit with another amount."""
    names = ("metric", "window", "scope", "tier")
    return (*(limit.get(name) for name in names), tuple(limit.get("appliesTo") or ()))


def _model(proposal: Proposal, fragment: Mapping[str, Json]) -> dict[str, Json] | None:
    if not fragment:
        return None
    return {proposal.provider: {"models": {proposal.subject: dict(fragment)}}}
