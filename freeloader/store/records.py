"""The owner's records in the ledger's file: accounts, app keys, settings history, jobs, audit.

Every write is durable when it returns. Nothing secret comes here: of keys the
hash, of accounts what is not a credential. No rule about who may do what.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from freeloader.core.model import Account, Limit
from freeloader.core.rows import AlertRow
from freeloader.errors import Conflict, NotFound, Unavailable
from freeloader.store.file import DatabaseFile
from freeloader.store.memory import Memory
from freeloader.store.rows import AuditRow, ConfigRow, JobState, KeyRow
from freeloader.store.sql import meta, owner


class Records:
    """See the module. All methods raise Unavailable (``ledger_unavailable``) where the file does.

    ``now`` is always wall seconds.
    """

    def __init__(self, file: DatabaseFile, memory: Memory | None = None) -> None:
        """``memory`` answers for accounts and keys while the file cannot be read."""
        self._file = file
        self._memory = memory

    # ── accounts ─────────────────────────────────────────────────────────────

    async def accounts(self) -> list[Account]:
        """All accounts, by provider and index."""

        rows = await self._remembered("accounts", owner.ACCOUNTS)
        return [_account_from(row["data"]) for row in rows]

    async def put_account(self, account: Account, now: float, *, fresh: bool = False) -> None:
        """Write an account over what was there; with ``fresh``, Conflict if it exists."""

        def piece(conn: sqlite3.Connection) -> None:
            if fresh and conn.execute(owner.ACCOUNT_GET, _place(account)).fetchone():
                raise Conflict(f"The account {account.name} exists already.")
            conn.execute(owner.ACCOUNT_PUT, _account_params(account, now))

        await self._file.submit(piece)

    async def update_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], now: float
    ) -> Account:
        """Change fields of ``core.model.Account`` by name; the account as it is then.

        Raises NotFound.
        """

        def piece(conn: sqlite3.Connection) -> Account:
            row = conn.execute(owner.ACCOUNT_GET, {"provider": provider, "idx": idx}).fetchone()
            if row is None:
                raise _no_account(provider, idx)
            account = replace(_account_from(row["data"]), **changes)
            conn.execute(owner.ACCOUNT_PUT, _account_params(account, now))
            return account

        return await self._file.submit(piece)

    async def delete_account(self, provider: str, idx: int) -> None:
        """Remove an account; its usage stays. Raises NotFound."""

        def piece(conn: sqlite3.Connection) -> None:
            if conn.execute(owner.ACCOUNT_DELETE, {"provider": provider, "idx": idx}).rowcount == 0:
                raise _no_account(provider, idx)

        await self._file.submit(piece)

    # ── app keys ─────────────────────────────────────────────────────────────

    async def keys(self) -> list[KeyRow]:
        """All app keys, revoked ones too, oldest first."""

        return [_key_from(row) for row in await self._remembered("keys", owner.KEYS)]

    async def put_key(self, key: KeyRow) -> None:
        """Add an app key. Raises Conflict if its id or hash is known."""
        params = asdict(key)
        params["rate_limit"] = json.dumps(key.rate_limit)
        params["budget"] = json.dumps(key.budget)

        def piece(conn: sqlite3.Connection) -> None:
            try:
                conn.execute(owner.KEY_INSERT, params)
            except sqlite3.IntegrityError as error:
                raise Conflict(f"The key {key.id} exists already.") from error

        await self._file.submit(piece)

    async def revoke_key(self, key_id: str, now: float) -> None:
        """Revoke a key for good. Raises NotFound if no such key is in force."""

        def piece(conn: sqlite3.Connection) -> None:
            if conn.execute(owner.KEY_REVOKE, {"id": key_id, "now": now}).rowcount == 0:
                raise NotFound(f"No key {key_id} is in force; `xswarm key list` shows them.")

        await self._file.submit(piece)

    async def _remembered(self, name: str, statement: str) -> list[dict[str, Any]]:
        def query(conn: sqlite3.Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in conn.execute(statement)]

        try:
            rows = await self._file.read(query)
        except Unavailable:
            found = None if self._memory is None else await self._memory.recall(name)
            if found is None:
                raise
            return found
        if self._memory is not None:
            self._memory.note(name, rows)
        return rows

    # ── settings ─────────────────────────────────────────────────────────────

    async def add_config(self, config: Mapping[str, Any], who: str, what: str, now: float) -> int:
        """Keep one accepted version of the settings (no secrets); its version number."""
        params = {"at": now, "who": who, "what": what, "config": json.dumps(dict(config))}

        def piece(conn: sqlite3.Connection) -> int:
            return int(conn.execute(owner.CONFIG_INSERT, params).fetchone()[0])

        return await self._file.submit(piece)

    async def history(self, limit: int = 50) -> list[ConfigRow]:
        """The newest versions, newest first, without their content."""
        params = {"limit": limit}

        def query(conn: sqlite3.Connection) -> list[ConfigRow]:
            return [ConfigRow(**dict(row)) for row in conn.execute(owner.CONFIG_LIST, params)]

        return await self._file.read(query)

    async def config(self, version: int) -> ConfigRow:
        """One version with its content. Raises NotFound."""

        def query(conn: sqlite3.Connection) -> ConfigRow:
            row = conn.execute(owner.CONFIG_GET, {"version": version}).fetchone()
            if row is None:
                raise NotFound(
                    f"There is no settings version {version}; `xswarm config history` lists all."
                )
            return ConfigRow(**{**dict(row), "config": json.loads(row["config"])})

        return await self._file.read(query)

    async def meta_get(self, key: str) -> str | None:
        """A small value kept under ``key``."""

        def query(conn: sqlite3.Connection) -> str | None:
            row = conn.execute(meta.META_GET, {"key": key}).fetchone()
            return None if row is None else str(row["value"])

        return await self._file.read(query)

    async def meta_set(self, key: str, value: str) -> None:
        """Keep ``value`` under ``key`` (``epoch``, ``instance`` … are the ledger's own)."""
        if key in ("epoch", "instance", "usage_since", "doubt"):
            raise ValueError(f"meta key {key} is the ledger's own")
        await self._file.submit(
            lambda conn: _run(conn, meta.META_SET, {"key": key, "value": value})
        )

    # ── jobs and audit ───────────────────────────────────────────────────────

    async def jobs(self) -> dict[str, JobState]:
        """What is remembered of each job, by name."""

        def query(conn: sqlite3.Connection) -> dict[str, JobState]:
            return {row["name"]: JobState(**dict(row)) for row in conn.execute(owner.JOBS)}

        return await self._file.read(query)

    async def save_job(self, state: JobState) -> None:
        await self._file.submit(lambda conn: _run(conn, owner.JOB_PUT, asdict(state)))

    async def alerts_since(self, number: int, limit: int) -> list[dict[str, Any]]:
        """Alerts with an id above ``number``, oldest first."""

        def query(conn: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = conn.execute(owner.ALERTS_SINCE, {"number": number, "limit": limit})
            return [dict(row) for row in rows]

        return await self._file.read(query)

    async def audit(self, row: AuditRow) -> None:
        """Append one line to the audit, which has no way to change or remove one."""
        params = asdict(row) | {"detail": json.dumps(dict(row.detail))}
        await self._file.submit(lambda conn: _run(conn, owner.AUDIT_INSERT, params))

    async def audits(
        self, limit: int = 100, before: float | None = None, what: str | None = None
    ) -> list[AuditRow]:
        """Audit lines, newest first, from before a moment; ``what``: how the act's name begins."""
        params = {"limit": limit, "before": before, "what": what}

        def query(conn: sqlite3.Connection) -> list[AuditRow]:
            rows = conn.execute(owner.AUDIT_LIST, params)
            return [AuditRow(**{**dict(r), "detail": json.loads(r["detail"])}) for r in rows]

        return await self._file.read(query)

    # ── alerts ───────────────────────────────────────────────────────────────

    async def put_alerts(self, rows: Sequence[AlertRow]) -> None:
        """Write warnings down, soon; each once per type, scope and period."""
        params = [_alert_params(row) for row in rows]

        def piece(conn: sqlite3.Connection) -> None:
            conn.executemany(owner.ALERT_PUT, params)

        self._file.post(piece)

    def note_alert(self, row: AlertRow) -> bool:
        """The same for one. False: not taken, try again."""
        return self._file.post(lambda conn: _run(conn, owner.ALERT_PUT, _alert_params(row)))

    async def put_alert(self, row: AlertRow) -> None:
        """The same, on disk on return."""
        await self._file.submit(lambda conn: _run(conn, owner.ALERT_PUT, _alert_params(row)))

    async def load_alerts(self, since: float) -> list[AlertRow]:
        """All warnings from a moment on, oldest first."""
        return (await self.alerts(since, 10_000))[::-1]

    async def alerts(self, since: float = 0.0, limit: int = 100) -> list[AlertRow]:
        """Warnings, newest first, from a moment on (wall seconds)."""

        def query(conn: sqlite3.Connection) -> list[AlertRow]:
            rows = conn.execute(owner.ALERTS, {"since": since, "limit": limit})
            return [AlertRow(**{**dict(r), "data": json.loads(r["data"])}) for r in rows]

        return await self._file.read(query)


def _alert_params(row: AlertRow) -> dict[str, Any]:
    return asdict(row) | {"data": json.dumps(dict(row.data))}


def _run(conn: sqlite3.Connection, statement: str, params: Mapping[str, Any]) -> None:
    conn.execute(statement, params)


def _no_account(provider: str, idx: int) -> NotFound:
    return NotFound(f"There is no account {provider}@{idx}; `xswarm account list` shows them.")


def _place(account: Account) -> dict[str, Any]:
    return {"provider": account.provider, "idx": account.idx}


def _account_params(account: Account, now: float) -> dict[str, Any]:
    data = {f.name: getattr(account, f.name) for f in fields(account)}
    data["limits"] = [asdict(limit) for limit in account.limits]
    data["params"] = dict(account.params)
    params = {"enabled": int(account.enabled), "now": now, "data": json.dumps(data)}
    return _place(account) | params


def _account_from(text: str) -> Account:
    data = json.loads(text)
    data["limits"] = tuple(_limit_from(limit) for limit in data["limits"])
    data["models"] = None if data["models"] is None else tuple(data["models"])
    return Account(**data)


def _limit_from(data: Mapping[str, Any]) -> Limit:
    lists = {name: tuple(data[name]) for name in ("applies_to", "excludes")}
    return Limit(**{**data, **lists})


def _key_from(row: Mapping[str, Any]) -> KeyRow:
    data = dict(row)
    data["rate_limit"] = json.loads(data["rate_limit"])
    data["budget"] = json.loads(data["budget"])
    return KeyRow(**data)
