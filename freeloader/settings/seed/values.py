"""The seed's complete configuration in JSON → our settings, accounts, and a list of what became.

Pure: nothing is written and nobody asked. The seed's exact shape is not fixed
anywhere, so every place where a setting can reasonably stand is accepted, what
cannot be used is listed with its reason, and no key ever gets into a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from freeloader.errors import ConfigError, InvalidRequest
from freeloader.settings.load import from_mapping
from freeloader.settings.model import Settings
from freeloader.settings.seed.accounts import KEY_NAMES, SeedAccount, read_accounts
from freeloader.settings.sources import leaves, spelt, tidy
from freeloader.settings.spelling import snake

_WRAPPERS = ("freeloader", "xswarm", "xswarm_freeloader", "config", "settings")
# The seed's top-level names, and where they live with us.
_PLACES: Mapping[str, tuple[str, ...]] = {
    "strategy": ("routing", "strategy"),
    "default_strategy": ("routing", "strategy"),
    "weights": ("routing", "weights"),
    "quality_gates": ("routing", "quality_gates"),
    "gates": ("routing", "quality_gates"),
    "fallback": ("routing", "fallback"),
    "fallback_strategy": ("routing", "fallback"),
    "cost_tolerance": ("routing", "cost_tolerance"),
    "prefer_local": ("routing", "prefer_local"),
    "rules": ("routing", "rules"),
    "allocations": ("budget", "allocations"),
    "aliases": ("models", "aliases"),
    "model_aliases": ("models", "aliases"),
    "port": ("server", "port"),
    "host": ("server", "host"),
    "log_level": ("logging", "level"),
    "auto_apply_updates": ("discovery", "auto_apply_updates"),
}
_ACCOUNTS_MAX = 500


@dataclass(frozen=True, slots=True)
class Seed:
    """What a seed's file comes to."""

    changes: Mapping[str, Any]
    accounts: tuple[SeedAccount, ...]
    changed: tuple[str, ...]
    ignored: tuple[str, ...]


def translate(document: Mapping[str, Any], environ: Mapping[str, str]) -> Seed:
    """Read a seed's configuration. Raises InvalidRequest where it is not one at all."""
    for wrapper in _WRAPPERS:
        inner = next((v for k, v in document.items() if snake(k) == wrapper), None)
        if isinstance(inner, Mapping) and len(document) <= 2:
            document = inner
    if not document:
        raise InvalidRequest("The file holds no settings.", param="document")
    ignored: list[str] = []
    values: dict[str, Any] = {}
    accounts: list[SeedAccount] = []
    for written, value in document.items():
        name = snake(str(written))
        if name in ("providers", "accounts"):
            accounts += read_accounts(value, environ, ignored)
        elif name == "telemetry":
            if _on(value):
                ignored.append(
                    "telemetry: stays off; switch it on with "
                    "xswarm config set discovery.telemetry.enabled true"
                )
        elif name == "load_monitoring":
            values[name] = _load_monitoring(value, ignored)
        elif name in ("version", "schema", "$schema", "name", "description"):
            continue
        elif name in _PLACES:
            section, *rest = _PLACES[name]
            _into(values, section, rest, value)
        elif name in spelt(Settings) and isinstance(value, Mapping):
            _into(values, name, [], _without_keys(value, name, ignored))
        else:
            ignored.append(f"{written}: has no counterpart here")
    values = _accepted(_no_telemetry(values, ignored), ignored)
    changed = [".".join(place) for place in leaves(values)]
    return Seed(values, tuple(accounts[:_ACCOUNTS_MAX]), tuple(changed), tuple(ignored))


def _into(values: dict[str, Any], section: str, rest: list[str], value: Any) -> None:
    table = values.setdefault(section, {})
    if rest:
        table.setdefault(rest[0], value)
    else:
        for key, part in value.items():
            table.setdefault(key, part)


def _accepted(values: Mapping[str, Any], ignored: list[str]) -> dict[str, Any]:
    """What our settings take of ``values``; the rest is listed with its reason."""
    layer = tidy(Settings, values, "import")
    ignored += [f"{p.key}: {p.reason}" for p in layer.problems]
    kept = layer.values
    for _ in range(100):
        try:
            from_mapping(kept, "import")
        except ConfigError as error:
            place = str(error.details["key"])
            if not place or not _take_out(kept, place.split(".")):
                raise
            ignored.append(f"{place}: {error.details['reason']}")
        else:
            return kept
    raise InvalidRequest("More than 100 settings in the file cannot be used.", param="document")


def _take_out(values: dict[str, Any], place: list[str]) -> bool:
    """Drop the value at ``place``, or the nearest table above it. False if nothing is there."""
    for name in place[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            return values.pop(name, None) is not None
        values = inner
    return values.pop(place[-1], None) is not None


def _no_telemetry(values: dict[str, Any], ignored: list[str]) -> dict[str, Any]:
    discovery = values.get("discovery")
    if isinstance(discovery, Mapping):
        kept = {k: v for k, v in discovery.items() if snake(k) != "telemetry"}
        if len(kept) != len(discovery) and _on(discovery.get("telemetry")):
            ignored.append("discovery.telemetry: stays off unless asked for here")
        values["discovery"] = kept
    return values


def _on(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(v is True for k, v in value.items() if snake(str(k)) in ("enabled", "opt_in"))
    return value is True


def _without_keys(value: Mapping[str, Any], at: str, ignored: list[str]) -> dict[str, Any]:
    """A section less anything that is named like a credential: those never go into settings."""
    kept: dict[str, Any] = {}
    for name, part in value.items():
        if snake(str(name)) in KEY_NAMES or snake(str(name)).endswith(("_key", "password")):
            ignored.append(f"{at}.{name}: settings hold no keys")
        else:
            kept[name] = part
    return kept


def _load_monitoring(value: Any, ignored: list[str]) -> dict[str, Any]:
    """Thresholds by what their names speak of, however deep they stand."""
    found: dict[str, Any] = {}
    for place, part in _flat(value):
        name = "_".join(place)
        edge = "critical" if "crit" in name else "warning" if "warn" in name else None
        subject = next(
            (
                ours
                for word, ours in (
                    ("queue", "queue"),
                    ("p95", "p95_ms"),
                    ("latency", "p95_ms"),
                    ("error", "error_rate"),
                )
                if word in name
            ),
            None,
        )
        if place[-1] in ("enabled", "on_warning", "on_critical", "cooldown_minutes"):
            found[place[-1]] = part
        elif edge and subject and isinstance(part, (int, float)) and not isinstance(part, bool):
            found.setdefault(subject, {})[edge] = part
        else:
            ignored.append(f"loadMonitoring.{'.'.join(place)}: has no counterpart here")
    for subject, defaults in (("queue", (10, 50)), ("p95_ms", (2000, 5000))):
        if subject in found:
            found[subject] = {"warning": defaults[0], "critical": defaults[1]} | found[subject]
    if "error_rate" in found:
        found["error_rate"] = {"warning": 0.05, "critical": 0.15} | found["error_rate"]
    return found


def _flat(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and len(at) < 6:
        for name, part in value.items():
            yield from _flat(part, (*at, snake(str(name))))
    elif at:
        yield at, value
