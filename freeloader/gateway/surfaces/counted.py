"""The counted fields of an inference body: what they multiply, and what they cost besides tokens.

``n`` and ``best_of`` multiply the output; a dearer service tier multiplies the price; a
web search costs beside the tokens. All of it is in the hold, and in the charge: a tier or
a search that the provider did not bill is charged all the same, since no answer proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.errors import InvalidRequest
from freeloader.gateway.surfaces.fields import Sorted
from freeloader.money import LIST, Surcharge, pico_from_usd

#: Tiers at list price: they are not passed on, and so are what the provider does by itself.
_PLAIN_TIERS = frozenset({"auto", "default", "standard", "on_demand"})
#: Cheaper where it is offered, and slower. Held and charged at list price.
_CHEAPER_TIERS = frozenset({"flex"})
#: Times list price. The dearest factor in LiteLLM's price file is 2.5 (gpt-5.5).
_DEARER_TIERS: Mapping[str, int] = {"priority": 3}
#: One answer may search several times; OpenAI, Anthropic and Google bill $0.01 to $0.035 each.
_SEARCHES, _SEARCH_USD = 5, "0.05"


def multiplier(counted: Mapping[str, Any], out: Sorted) -> int:
    """How many answers are produced for one input. Raises InvalidRequest."""
    n = _count(counted, "n")
    best_of = _count(counted, "best_of")
    if "best_of" in counted:
        if best_of < n:
            raise InvalidRequest("best_of must not be smaller than n.", param="best_of")
        out.drop("best_of")  # chat models have no such thing; it is held for all the same
    return max(n, best_of)


def surcharge(counted: Mapping[str, Any], out: Sorted, choices: int) -> Surcharge:
    """What the body's fields add to list price. Raises InvalidRequest for a tier nobody knows."""
    tier = counted.get("service_tier")
    factor = 1
    if tier is not None:
        known = sorted({*_PLAIN_TIERS, *_CHEAPER_TIERS, *_DEARER_TIERS})
        if not isinstance(tier, str) or tier not in known:
            raise InvalidRequest(
                f"service_tier must be one of {', '.join(known)}: nothing bounds "
                "what another one costs.",
                param="service_tier",
            )
        factor = _DEARER_TIERS.get(tier, 1)
        if tier in _CHEAPER_TIERS:
            out.drop("service_tier")  # most providers refuse it, and it is never held for less
    if "web_search_options" not in counted:
        return Surcharge(factor) if factor > 1 else LIST
    if not isinstance(counted["web_search_options"], dict):
        raise InvalidRequest("web_search_options must be an object.", param="web_search_options")
    return Surcharge(factor, _SEARCHES * pico_from_usd(_SEARCH_USD) * choices)


def passed_on(counted: Mapping[str, Any]) -> dict[str, Any]:
    """The counted fields that go to the provider as they are."""
    out: dict[str, Any] = {}
    if counted.get("n", 1) > 1:
        out["n"] = counted["n"]
    if counted.get("service_tier") in _DEARER_TIERS:
        out["service_tier"] = counted["service_tier"]
    if "web_search_options" in counted:
        out["web_search_options"] = counted["web_search_options"]
    return out


def _count(counted: Mapping[str, Any], name: str) -> int:
    value = counted.get(name, 1)
    if type(value) is not int or not 1 <= value <= 128:
        raise InvalidRequest(f"{name} must be a whole number from 1 to 128.", param=name)
    return value
