"""LiteLLM's own price file, read as a file: LiteLLM is never imported for it.

Rows are taken one at a time and dropped again, so that 3 MB of text do not become
24 MB of objects; only what is asked for is kept. Rates are converted through
Decimal. What the file says fills gaps of the registry and never overrules it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any

from freeloader.core.model import Model
from freeloader.money import Price, PriceTier, pico_from_usd, rate_from_usd

_FILE = "litellm/model_prices_and_context_window_backup.json"
_ENDPOINTS = "provider_endpoints_support_backup.json"
_SKIP = ("sample_spec", "fallback_generalizations")
_SPACE = re.compile(r"[\s,]*")
_TIER_KEY = re.compile(
    r"(input_cost_per_token|output_cost_per_token|cache_read_input_token_cost"
    r"|cache_creation_input_token_cost)_above_(\d+)k_tokens"
)
_PART = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
_CAPABILITY = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json",
    "supports_reasoning": "reasoning",
    "supports_web_search": "search",
}
#: Labels of the file that belong to one prefix.
_LABELS = (("vertex_ai-", "vertex_ai"), ("fireworks_ai-", "fireworks_ai"))
_SAME = {"bedrock_converse": "bedrock", "cohere_chat": "cohere_chat", "azure_text": "azure"}


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the file: ``prefix`` is LiteLLM's, ``id`` the model's name without it."""

    prefix: str
    id: str
    mode: str
    price: Price | None
    context: int | None
    max_output: int | None
    capabilities: frozenset[str]
    deprecated_on: str | None


def find() -> Path | None:
    """Where the file is, or None without LiteLLM. Asks the package's metadata only."""
    try:
        path = Path(str(metadata.distribution("litellm").locate_file(_FILE)))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def rows(path: Path, wanted: Callable[[str, str], bool]) -> Iterator[Row]:
    """The rows for which ``wanted(prefix, id)``. Raises OSError or ValueError (a broken file)."""
    for key, raw in _entries(path.read_text("utf-8")):
        label = raw.get("litellm_provider")
        if key in _SKIP or not isinstance(label, str):
            continue
        prefix = prefix_of(label)
        name = key.removeprefix(f"{label}/").removeprefix(f"{prefix}/")
        if wanted(prefix, name):
            yield _row(prefix, name, raw)


def prefix_of(label: str) -> str:
    """The prefix that a label of the file is called by."""
    for start, prefix in _LABELS:
        if label.startswith(start):
            return prefix
    return _SAME.get(label, label)


def described(path: Path, prefix: str) -> str | None:
    """LiteLLM's display name of a prefix it can chat with, or None."""
    table = path.with_name(_ENDPOINTS)
    if not table.is_file():
        return None
    entry = json.loads(table.read_text("utf-8")).get("providers", {}).get(prefix)
    if not isinstance(entry, dict) or not entry.get("endpoints", {}).get("chat_completions"):
        return None
    name = str(entry.get("display_name", prefix))
    return name.split(" (`")[0]


def fill(model: Model, row: Row) -> Model:
    """``model`` with its gaps filled. A missing price part is filled at the dearer reading."""
    return replace(
        model,
        price=row.price if model.price is None else _merged(model.price, row.price),
        context=model.context or row.context,
        max_output=model.max_output or row.max_output,
        capabilities=model.capabilities | row.capabilities,
        deprecated_on=model.deprecated_on or row.deprecated_on,
    )


def _merged(ours: Price, theirs: Price | None) -> Price:
    """Cache rates only where both agree on the base; tiers never cheaper than our base."""
    if theirs is None or (ours.input == 0 and ours.output == 0):
        return ours
    if (ours.input, ours.output) == (theirs.input, theirs.output):
        read = theirs.cache_read if ours.cache_read is None else ours.cache_read
        write = theirs.cache_write if ours.cache_write is None else ours.cache_write
        return replace(ours, cache_read=read, cache_write=write, tiers=ours.tiers or theirs.tiers)
    tiers = tuple(
        PriceTier(t.above, max(t.input, ours.input), max(t.output, ours.output))
        for t in theirs.tiers
    )
    return replace(ours, tiers=ours.tiers or tiers)


def _entries(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The members of the outer object, parsed one by one."""
    decode = json.JSONDecoder().raw_decode
    at = text.find("{") + 1
    if at == 0:
        raise ValueError("not a JSON object")
    while True:
        at = _end(_SPACE, text, at)
        if at >= len(text):
            raise ValueError("the file ends in the middle")
        if text[at] == "}":
            return
        key, at = decode(text, at)
        at = text.index(":", at) + 1
        value, at = decode(text, _end(_SPACE, text, at))
        if isinstance(value, dict):
            yield str(key), value


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _row(prefix: str, name: str, raw: Mapping[str, Any]) -> Row:
    capabilities = {"streaming"} | {c for key, c in _CAPABILITY.items() if raw.get(key)}
    return Row(
        prefix=prefix,
        id=name,
        mode=str(raw.get("mode") or "chat"),
        price=_price(prefix, raw),
        context=_whole(raw.get("max_input_tokens") or raw.get("max_tokens")),
        max_output=_whole(raw.get("max_output_tokens")),
        capabilities=frozenset(capabilities),
        deprecated_on=_day(raw.get("deprecation_date")),
    )


def _price(prefix: str, raw: Mapping[str, Any]) -> Price | None:
    ranges = raw.get("tiered_pricing")
    if isinstance(ranges, list) and ranges and "input_cost_per_token" not in raw:
        return _from_ranges(ranges)
    rates = _rates(raw)
    if "input" not in rates or "output" not in rates:
        return None
    tiers: dict[int, dict[str, int]] = {}
    for key, value in raw.items():
        found = _TIER_KEY.fullmatch(key)
        if found and isinstance(value, (int, float)):
            tiers.setdefault(int(found[2]) * 1000, {})[_PART[found[1]]] = _rate(value)
    return Price(
        input=rates["input"],
        output=rates["output"],
        cache_read=rates.get("cache_read"),
        cache_write=rates.get("cache_write"),
        per_request=_per_request(prefix, raw),
        tiers=tuple(_tier(above, rates | parts) for above, parts in sorted(tiers.items())),
    )


def _from_ranges(ranges: list[Any]) -> Price | None:
    parsed = [(int(r["range"][0]), _rates(r)) for r in ranges if "range" in r]
    if not parsed or any("input" not in p or "output" not in p for _, p in parsed):
        return None
    parsed.sort(key=lambda item: item[0])
    base = parsed[0][1]
    return Price(
        input=base["input"],
        output=base["output"],
        cache_read=base.get("cache_read"),
        cache_write=base.get("cache_write"),
        tiers=tuple(_tier(above, parts) for above, parts in parsed[1:]),
    )


def _rates(raw: Mapping[str, Any]) -> dict[str, int]:
    """The base rates. Reasoning that costs more than output sets output's rate: nobody
    tells the two apart in time."""
    out = {
        part: _rate(value)
        for key, part in _PART.items()
        if isinstance(value := raw.get(key), (int, float))
    }
    thinking = raw.get("output_cost_per_reasoning_token")
    if "output" in out and isinstance(thinking, (int, float)):
        out["output"] = max(out["output"], _rate(thinking))
    return out


def _tier(above: int, rates: Mapping[str, int]) -> PriceTier:
    return PriceTier(
        above, rates["input"], rates["output"], rates.get("cache_read"), rates.get("cache_write")
    )


def _per_request(prefix: str, raw: Mapping[str, Any]) -> int:
    """Picodollars per call. Perplexity searches on every call, at a price of its own."""
    usd = Decimal(str(raw.get("input_cost_per_request") or 0))
    search = raw.get("search_context_cost_per_query")
    if prefix == "perplexity" and isinstance(search, dict) and search:
        usd += max(Decimal(str(v)) for v in search.values())
    return pico_from_usd(usd)


def _rate(per_token: float) -> int:
    return rate_from_usd(Decimal(str(per_token)) * 1_000_000)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value > 0 else None


def _day(value: object) -> str | None:
    text = str(value or "")
    return text if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
