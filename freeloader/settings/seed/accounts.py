"""The accounts in a seed's configuration, in whatever shape they stand there. Pure.

A key is taken as given, or from the environment where the file only names a
variable; keys never get into a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.settings.spelling import snake

KEY_NAMES = ("api_key", "apikey", "key", "token", "secret")
_TIERS = {"pay-as-go": "paid", "pay-as-you-go": "paid", "payg": "paid", "pay_as_go": "paid"}
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|env:([A-Za-z_][A-Za-z0-9_]*)")
_EXAMPLE = re.compile(r"(?i)^$|\.\.\.|…|<.*>|^your[-_ ]|xxxx|^changeme$")
_ENDPOINTS = ("endpoint", "base_url", "api_base", "url")
_PARAMS = (
    "account_id",
    "api_version",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_region_name",
)
_UNDERSTOOD = frozenset(
    {"provider", "id", "name", "idx", "tier", "priority", "enabled", "type", "kind", *_PARAMS}
)


@dataclass(frozen=True, slots=True)
class SeedAccount:
    """One account of the seed's file. ``key`` is not shown anywhere."""

    provider: str
    key: str | None = field(default=None, repr=False)
    tier: str | None = None
    priority: int = 100
    endpoint: str | None = None
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    enabled: bool = True


def read_accounts(value: Any, environ: Mapping[str, str], ignored: list[str]) -> list[SeedAccount]:
    """By provider (a table, a list or the key alone), or a list of entries that name theirs."""
    entries: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        entries = [(str(name), part) for name, part in value.items()]
    elif isinstance(value, list):
        for part in value:
            fields = _fields(part)
            name = next((fields[k] for k in ("provider", "id", "name") if fields.get(k)), None)
            if isinstance(name, str):
                entries.append((name, part))
            else:
                ignored.append("providers: an entry that names no provider")
    found: list[SeedAccount] = []
    for name, part in entries:
        found += _of_provider(name, part, environ, ignored)
    return found


def _of_provider(
    provider: str, part: Any, environ: Mapping[str, str], ignored: list[str]
) -> list[SeedAccount]:
    if isinstance(part, str):
        part = {"apiKey": part}
    if isinstance(part, list):
        return [a for one in part for a in _of_provider(provider, one, environ, ignored)]
    common = _fields(part)
    inner = common.pop("accounts", None)
    if isinstance(inner, Mapping):
        inner = list(inner.values())
    if not isinstance(inner, list) or not inner:
        inner = [{}]
    found = []
    for one in inner:
        fields = {**common, **_fields({"apiKey": one} if isinstance(one, str) else one)}
        account = _account(provider, fields, environ, ignored)
        if account is not None:
            found.append(account)
    return found


def _account(
    provider: str, fields: dict[str, Any], environ: Mapping[str, str], ignored: list[str]
) -> SeedAccount | None:
    key, why = _key(fields, environ)
    endpoint = next((fields[k] for k in _ENDPOINTS if isinstance(fields.get(k), str)), None)
    if why is not None or (key is None and endpoint is None and not _named(fields)):
        ignored.append(f"account {provider}: {why or 'no key is given'}")
        return None
    tier = fields.get("tier")
    priority = fields.get("priority")
    left = sorted(set(fields) - _UNDERSTOOD - set(KEY_NAMES) - set(_ENDPOINTS))
    ignored += [
        f"providers.{provider}.{name}: the registry and the provider say this" for name in left
    ]
    return SeedAccount(
        provider=provider,
        key=key,
        tier=_TIERS.get(tier.strip().lower(), tier) if isinstance(tier, str) else None,
        priority=priority
        if isinstance(priority, int) and not isinstance(priority, bool) and priority >= 0
        else 100,
        endpoint=endpoint,
        params={k: str(fields[k]) for k in _PARAMS if fields.get(k) is not None},
        enabled=fields.get("enabled") is not False,
    )


def _named(fields: Mapping[str, Any]) -> bool:
    """An entry without a key that still means an account: a local server, or cloud parameters."""
    local = fields.get("type") == "local" or fields.get("kind") == "local"
    return local or any(fields.get(name) for name in _PARAMS)


def _key(fields: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The key, or why the one given cannot be used."""
    given = next((fields[k] for k in KEY_NAMES if isinstance(fields.get(k), str)), None)
    if given is None:
        return None, None
    variable = _VARIABLE.fullmatch(given.strip())
    if variable is not None:
        name = variable[1] or variable[2]
        value = environ.get(name, "").strip()
        return (value, None) if value else (None, f"the variable {name} is not set")
    if _EXAMPLE.search(given.strip()):
        return None, "its key is only an example"
    return given, None


def _fields(part: Any) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        return {}
    found = {snake(str(name)): value for name, value in part.items()}
    inner = found.pop("credentials", None) or found.pop("auth", None)
    return {**_fields(inner), **found}
