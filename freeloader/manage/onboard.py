"""Take over what is already on this machine: keys in the environment, local model servers.

Idempotent: what was taken over once is not added again, and what the owner
removed since stays removed (a fingerprint is remembered, never a key). A key
that changed in its variable is changed in its account. No provider is asked
but by ``Accounts``, no port but the local servers' own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.model import Account, Provider
from freeloader.errors import Conflict, FreeloaderError
from freeloader.manage.accounts import forms
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.keys import is_app_key
from freeloader.manage.ports import AccountLedger, Catalog, Fetch
from freeloader.settings.env import disabled_providers

_MEMORY = "onboarded"
_MEMORY_MAX = 500
# Looked for on their own ports even if nothing names them; the others only if a variable does.
_LOOKED_FOR = ("ollama", "lm_studio")
_ENDINGS = ("_API_KEY", "_API_TOKEN", "_TOKEN", "_SECRET_KEY", "_KEY")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that could become an account. ``source``: the variable, or the address."""

    provider: Provider
    source: str
    key: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    params: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def fingerprint(self) -> str:
        parts = [
            self.provider.id,
            self.key or "",
            self.endpoint or "",
            *sorted(self.params.items()),
        ]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


@dataclass(slots=True)
class Report:
    """What came of it. Rows are JSON-ready and hold no key."""

    added: list[Row] = field(default_factory=list)
    skipped: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> Row:
        return {"added": self.added, "skipped": self.skipped, "problems": self.problems}


class Onboarding:
    """``probe`` asks a local server for its models, with a short time limit."""

    def __init__(
        self,
        accounts: Accounts,
        ledger: AccountLedger,
        catalog: Callable[[], Catalog],
        environ: Mapping[str, str],
        probe: Fetch,
    ) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self._catalog = catalog
        self._environ = environ
        self._probe = probe

    async def run(self, actor: str = "start") -> Report:
        """Look, add, remember. Never raises for what it finds; problems are in the report."""
        report = Report()
        off, problems = disabled_providers(self._environ)
        report.problems += [f"{p.file} {p.reason}" for p in problems]
        memory = await self._memory()
        finds = keys_in(self._environ, self._catalog()) + await self._local(off, report)
        for find in finds:
            if find.provider.id in off:
                report.skipped.append(_row(find, "switched off in the environment"))
            elif find.key is not None and is_app_key(find.key):
                # What `xswarm env` exports for clients is no provider's, and goes to none.
                report.skipped.append(_row(find, "a key of this program, not of a provider"))
            else:
                await self._take(find, memory, report, actor)
        await self._remember(memory)
        return report

    async def _take(self, find: Found, memory: dict[str, Row], report: Report, actor: str) -> None:
        there = [a for a in await self._ledger.accounts() if a.provider == find.provider.id]
        before = memory.get(find.source)
        if before is not None and before.get("fingerprint") == find.fingerprint:
            kept = any(a.idx == before.get("idx") for a in there)
            report.skipped.append(_row(find, "taken over before" if kept else "removed by you"))
            return
        # An account that the owner made by hand is theirs, whatever the variable says later.
        ours = before is not None and not before.get("own")
        mine = next((a for a in there if ours and before and a.idx == before.get("idx")), None)
        if there and mine is None:
            same = await self._same(find, there)
            if same is None:
                why = "there is an account already; add this one: xswarm account add"
                report.skipped.append(_row(find, f"{why} {find.provider.id}"))
            else:
                memory[find.source] = {"fingerprint": find.fingerprint, "idx": same, "own": True}
                report.skipped.append(_row(find, "is there already"))
            return
        try:
            if mine is not None:
                row = await self._renew(find, mine, actor)
            else:
                row = await self._accounts.add(
                    find.provider.id,
                    find.key,
                    endpoint=find.endpoint,
                    params=find.params,
                    actor=actor,
                )
        except Conflict as known:
            report.skipped.append(_row(find, "is there already"))
            idx = known.details.get("idx")
            memory[find.source] = {"fingerprint": find.fingerprint, "idx": idx, "own": True}
            return
        except FreeloaderError as error:
            report.skipped.append(_row(find, error.message))
            return
        memory[find.source] = {"fingerprint": find.fingerprint, "idx": row["idx"]}
        report.added.append({"source": find.source, **row})

    async def _renew(self, find: Found, mine: Account, actor: str) -> Row:
        """The variable has another value now: the account it made follows."""
        changes: Row = {"key": find.key, "endpoint": find.endpoint, "fields": dict(find.params)}
        given = {name: value for name, value in changes.items() if value}
        await self._accounts.change_account(mine.provider, mine.idx, given, actor)
        return await self._accounts.test_account(mine.provider, mine.idx, actor)

    async def _same(self, find: Found, there: list[Account]) -> int | None:
        """The account that has this very key, or stands for this address."""
        for account in there:
            if find.key is not None:
                if find.key in (await self._accounts.credentials(account)).values():
                    return account.idx
            elif _place(account.endpoint, find.provider) == _place(find.endpoint, find.provider):
                return account.idx
        return None

    async def _local(self, off: frozenset[str], report: Report) -> list[Found]:
        """The local servers that answer and have at least one model."""
        found: list[Found] = []
        for name, provider in sorted(self._catalog().providers.items()):
            if not provider.local or name in off:
                continue
            variables = provider.field_env.get("endpoint", ())
            variable = next((v for v in variables if self._environ.get(v, "").strip()), None)
            if variable is None and name not in _LOOKED_FOR:
                continue
            try:
                endpoint = self._endpoint(provider, variable)
            except FreeloaderError as error:
                report.problems.append(f"{variable}: {error.message}")
                continue
            where = endpoint or provider.base_url or ""
            draft = Account(provider=name, idx=0, endpoint=endpoint)
            listing = await self._probe(provider, draft, {})
            if listing.ok and listing.models:
                found.append(Found(provider, variable or where, endpoint=endpoint))
            elif listing.ok:
                report.skipped.append(
                    {"provider": name, "source": variable or where, "reason": "it has no model yet"}
                )
            elif variable is not None:
                report.problems.append(f"{variable}: {listing.reason}")
        return found

    def _endpoint(self, provider: Provider, variable: str | None) -> str | None:
        """The address a variable names, or None for the provider's usual one."""
        if variable is None:
            return None
        text = self._environ[variable].strip()
        if "://" not in text:
            # OLLAMA_HOST is often "0.0.0.0:11434" or a bare host.
            bare = ":" not in text.rsplit("]", 1)[-1]
            text = f"http://{text}:11434" if bare and provider.id == "ollama" else f"http://{text}"
        endpoint = forms.check_endpoint(provider, text)
        return None if _place(endpoint, provider) == _place(None, provider) else endpoint

    async def _memory(self) -> dict[str, Row]:
        text = await self._ledger.meta_get(_MEMORY)
        found = json.loads(text) if text else {}
        return dict(found) if isinstance(found, dict) else {}

    async def _remember(self, memory: dict[str, Row]) -> None:
        newest = dict(list(memory.items())[-_MEMORY_MAX:])
        await self._ledger.meta_set(_MEMORY, json.dumps(newest, sort_keys=True))


def keys_in(environ: Mapping[str, str], catalog: Catalog) -> list[Found]:
    """Keys that the registry's variables hold; a variable of several providers is the first's."""
    found: list[Found] = []
    used: set[str] = set()
    for name in sorted(catalog.providers):
        provider = catalog.providers[name]
        if not provider.routable or provider.local:
            continue
        variable = next((v for v in provider.auth_env if environ.get(v, "").strip()), None)
        if variable is None or variable in used:
            continue
        used.add(variable)
        endpoint = _first(environ, provider.field_env.get("endpoint", ()))
        params = {
            part: value
            for part in provider.auth_fields
            if part not in (forms.key_field(provider), "endpoint")
            and (value := _first(environ, _variables(provider, part, variable)))
        }
        found.append(Found(provider, variable, environ[variable].strip(), endpoint, params))
    return found


def key_variables(environ: Mapping[str, str], catalog: Catalog) -> frozenset[str]:
    """The variables in ``environ`` that hold a part of a credential which is nobody's to see."""
    names: set[str] = set()
    for provider in catalog.providers.values():
        if provider.local:
            continue
        names.update(provider.auth_env)
        for part in provider.auth_fields:
            if not forms.is_public(part):
                for variable in provider.auth_env:
                    names.update(_variables(provider, part, variable))
    return frozenset(name for name in names if environ.get(name))


def _variables(provider: Provider, part: str, variable: str) -> tuple[str, ...]:
    """Where another part of a credential may stand: ``CLOUDFLARE_ACCOUNT_ID`` by the key's stem."""
    stem = next((variable.removesuffix(e) for e in _ENDINGS if variable.endswith(e)), variable)
    return (*provider.field_env.get(part, ()), f"{stem}_{part.upper()}", part.upper())


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[n].strip() for n in names if environ.get(n, "").strip()), None)


def _place(endpoint: str | None, provider: Provider) -> str:
    """An address with the loopback's names made one."""
    return (endpoint or provider.base_url or "").rstrip("/").replace("localhost", "127.0.0.1")


def _row(find: Found, reason: str) -> Row:
    return {"provider": find.provider.id, "source": find.source, "reason": reason}
