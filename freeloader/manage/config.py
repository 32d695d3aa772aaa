"""Settings as an owner works with them: show, change, go back, take over; every step kept.

``settings`` reads, checks and writes the file; here are the history, the audit
and the rule that nothing is written that could not be loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freeloader import settings as files
from freeloader.clock import Clock, iso
from freeloader.errors import ConfigError, FreeloaderError
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.ports import Changed, ConfigLedger, unchanged
from freeloader.settings import Home, Settings
from freeloader.settings.load import file_values
from freeloader.settings.seed import SeedAccount, translate
from freeloader.settings.sources import leaves, merge, tidy
from freeloader.settings.spelling import snake
from freeloader.store.rows import AuditRow

# A listening socket and an open secret store are not exchanged while they are in use.
_NEEDS_RESTART = (
    "server.host",
    "server.port",
    "server.allow_remote",
    "secrets.backend",
    "upstream.workers",
    "logging.otlp_endpoint",
)
_SHORT = {
    "strategy": "routing.strategy",
    "targets": "routing.targets",
    "selection": "routing.selection",
    "aggregation": "routing.aggregation",
    "weights": "routing.weights",
    "quality_gates": "routing.quality_gates",
    "fallback": "routing.fallback",
    "fallback_strategy": "routing.fallback",
    "prefer_local": "routing.prefer_local",
    "max_wait_seconds": "routing.max_wait_seconds",
    "aliases": "models.aliases",
    "lane": "upstream.lane",
    "port": "server.port",
    "host": "server.host",
    "daily_budget": "budget.hard.daily",
    "monthly_budget": "budget.hard.monthly",
    "per_request_budget": "budget.hard.per_request",
    "log_level": "logging.level",
}
Row = dict[str, Any]


class Config:
    """The settings of one home. ``environ`` is the environment the daemon was started with.

    ``in_force`` gives a running daemon's own settings; without it the file's count.
    ``slips`` names what must be misspelt in settings: a change may not add any.
    """

    def __init__(
        self,
        home: Home,
        environ: Mapping[str, str],
        ledger: ConfigLedger,
        clock: Clock,
        *,
        accounts: Accounts | None = None,
        changed: Changed = unchanged,
        in_force: Callable[[], Settings] | None = None,
        slips: Callable[[Settings], Sequence[str]] = lambda _: (),
    ) -> None:
        self._home = home
        self._environ = environ
        self._ledger = ledger
        self._clock = clock
        self._accounts = accounts
        self._changed = changed
        self._in_force = in_force
        self._slips = slips
        self._turn = asyncio.Lock()

    async def show_config(self) -> Row:
        """All settings in force, camelCase, defaults included. Raises ConfigError."""
        return (await self._now()).as_dict(camel_case=True)

    async def get_config(self, name: str) -> Any:
        """One setting or section by its dotted name, in either spelling. Raises ConfigError."""
        found: Any = (await self._now()).as_dict()
        for part in files.place_of(_SHORT.get(snake(name), name)):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    async def _now(self) -> Settings:
        if self._in_force is not None:
            return self._in_force()
        return await asyncio.to_thread(files.load, self._home, self._environ)

    async def change_config(self, changes: Mapping[str, Any], actor: str) -> Row:
        """Write ``changes``: nested, or by dotted or short names; null takes a key out.

        Raises ConfigError, and changes nothing, if the result could not be loaded.
        """
        nested = nest(changes)
        async with self._turn:
            return await self._write(lambda: files.save(self._home, nested), nested, actor, "set")

    async def config_history(self, limit: int = 50) -> list[Row]:
        rows = await self._ledger.history(limit)
        return [{"version": r.version, "at": iso(r.at), "who": r.who, "what": r.what} for r in rows]

    async def rollback_config(self, version: int, actor: str) -> Row:
        """Make the settings what they were in ``version``; a change like any other."""
        async with self._turn:
            wanted = (await self._ledger.config(version)).config
            return await self._write(
                lambda: files.replace(self._home, wanted), wanted, actor, f"rollback to {version}"
            )

    async def import_config(self, document: Mapping[str, Any], actor: str) -> Row:
        """Take over a seed's complete configuration; keys go to the secret store.

        What was changed, what was left out and why is listed, without any key.
        """
        seed = translate(document, self._environ)
        async with self._turn:
            answer = await self._write(
                lambda: files.save(self._home, seed.changes), seed.changes, actor, "import"
            )
        done, left = list(seed.changed), list(seed.ignored)
        added = [await self._take_in(account, actor, done, left) for account in seed.accounts]
        return answer | {
            "imported": True,
            "changes": done + [f"not taken over: {line}" for line in left],
            "changed": done,
            "ignored": left,
            "accounts": [row for row in added if row is not None],
        }

    async def _take_in(
        self, seed: SeedAccount, actor: str, done: list[str], left: list[str]
    ) -> Row | None:
        if self._accounts is None:
            left.append(f"account {seed.provider}: accounts cannot be added here")
            return None
        try:
            row = await self._accounts.add(
                seed.provider,
                seed.key,
                tier=seed.tier,
                priority=seed.priority,
                endpoint=seed.endpoint,
                params=seed.params,
                enabled=seed.enabled,
                actor=actor,
            )
        except FreeloaderError as error:
            left.append(f"account {seed.provider}: {error.message}")
            return None
        done.append(f"account {row['provider']}@{row['idx']} (tier {row['tier']})")
        done += [f"  {warning}" for warning in row["warnings"]]
        return row

    async def _write(
        self, act: Callable[[], Settings], wanted: Mapping[str, Any], actor: str, how: str
    ) -> Row:
        before = await asyncio.to_thread(file_values, self._home)
        if not await self._ledger.history(1):
            await self._remember(before, "init", "before the first change")
        known = await self._known_slips()
        await asyncio.to_thread(act)
        try:
            found = await asyncio.to_thread(files.load, self._home, self._environ)
            if added := [slip for slip in self._slips(found) if slip not in known]:
                raise ConfigError(added[0])
        except ConfigError:
            # Good by itself, but not together with the environment, or with what exists.
            await asyncio.to_thread(files.replace, self._home, before)
            raise
        after = await asyncio.to_thread(file_values, self._home)
        keys = _differing(before, after)
        if keys:
            version = await self._remember(after, actor, f"{how}: {', '.join(keys)}"[:500])
            name = f"config.{how.split()[0]}"
            detail = {"changed": {key: _step(before, after, key) for key in keys[:100]}}
            row = AuditRow(self._clock.now().wall, actor, name, str(version), detail)
            await self._ledger.audit(row)
            await self._changed()
        warnings = list(_overridden(keys, self._environ))
        return {
            "updated": True,
            "config": found.as_dict(camel_case=True),
            "appliesAt": self._clock.now().iso(),
            "changed": keys,
            "restartNeeded": [key for key in keys if key in _NEEDS_RESTART],
            "warnings": warnings,
        }

    async def _known_slips(self) -> Sequence[str]:
        """Those that the file has already, which hinder no other change."""
        try:
            return self._slips(await asyncio.to_thread(files.load, self._home, self._environ))
        except ConfigError:
            return ()

    async def _remember(self, values: Mapping[str, Any], actor: str, what: str) -> int:
        # What is in the file went through ``Settings``, which knows no key for a secret.
        layer = tidy(Settings, values, "history")
        kept = _plain(layer.values)
        return await self._ledger.add_config(kept, actor, what, self._clock.now().wall)


def reload(
    home: Home, environ: Mapping[str, str], last_good: Settings
) -> tuple[Settings, ConfigError | None]:
    """The settings anew, or the last good ones and what is wrong with the file."""
    try:
        return files.load(home, environ), None
    except ConfigError as error:
        return last_good, error


def nest(changes: Mapping[str, Any]) -> dict[str, Any]:
    """``{"server.port": 1}`` and ``{"daily-budget": 5}`` as nested tables."""
    nested: dict[str, Any] = {}
    for name, value in changes.items():
        dotted = _SHORT.get(snake(name), name)
        part: Any = value
        for key in reversed(dotted.split(".")):
            part = {key: part}
        nested = merge(nested, part)
    return nested


def differing(before: Settings, after: Settings) -> list[str]:
    """The dotted names of the settings in which two differ; no value."""
    return _differing(before.as_dict(), after.as_dict())


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    places = {*leaves(before), *leaves(after)}
    return sorted(".".join(p) for p in places if _at(before, p) != _at(after, p))


def _step(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> dict[str, Any]:
    place = tuple(key.split("."))
    return {"from": _plain(_at(before, place)), "to": _plain(_at(after, place))}


def _at(values: Any, place: tuple[str, ...]) -> Any:
    for name in place:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _overridden(keys: list[str], environ: Mapping[str, str]) -> list[str]:
    found = ((key, "XSWARM_" + key.replace(".", "__").upper()) for key in keys)
    return [
        f"{name} is set in the environment and wins over {key}."
        for key, name in found
        if name in environ
    ]


def _plain(value: Any) -> Any:
    """JSON-ready: amounts of money as numbers, sequences as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
