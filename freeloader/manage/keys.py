"""App keys: who may call. Made here, shown once, kept as hashes, looked up in memory.

A key is 32 random bytes, so a plain SHA-256 is enough to keep it; nothing here
is for passwords. What a role may do is the gateway's business.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from freeloader.clock import Clock, iso
from freeloader.core.model import Caller, Level
from freeloader.errors import Conflict, NotFound
from freeloader.manage.bodies import wanted
from freeloader.manage.ports import KeyLedger
from freeloader.money import pico_from_usd
from freeloader.settings import Home, read
from freeloader.settings.files import tighten, write_private
from freeloader.settings.read import Wrong
from freeloader.store.rows import AuditRow, KeyRow

PREFIX = "xs-"
KEYS_MAX = 1000
ROLES = ("admin", "client", "viewer")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHAPE = re.compile(r"xs-[A-Za-z0-9_-]{43}", re.ASCII)
_LONGEST = 512
Row = dict[str, Any]


def _project(value: Any) -> str:
    if not isinstance(value, str) or not _PROJECT.fullmatch(value):
        raise Wrong("must be letters, digits, dots, dashes and underscores, 64 at most")
    return value


def _name(value: Any) -> str:
    text = read.text(value)
    if len(text) > 100 or not text.isprintable():
        raise Wrong("must be one line of at most 100 characters")
    return text


def _rate_limit(value: Any) -> Row:
    per_minute = read.integer(1, 1_000_000)
    if isinstance(value, Mapping):
        return {
            "requestsPerMinute": read.fields(value, {"requests_per_minute": per_minute}).get(
                "requests_per_minute"
            )
        }
    return {"requestsPerMinute": per_minute(value)}


def _budget(value: Any) -> Row:
    found = read.fields(
        value, {"daily": read.money, "monthly": read.money, "per_request": read.money}
    )
    names = {"per_request": "perRequest"}
    return {names.get(name, name): float(amount) for name, amount in found.items()}


_CREATE: Mapping[str, Callable[[Any], Any]] = {
    "role": read.one_of(ROLES),
    "project": _project,
    "name": _name,
    "rate_limit": _rate_limit,
    "budget": _budget,
}


class AppKeys:
    """The keys in force, by hash. ``load`` once before ``authenticate``."""

    def __init__(
        self,
        ledger: KeyLedger,
        clock: Clock,
        random_key: Callable[[], str] = lambda: PREFIX + secrets.token_urlsafe(32),
        changed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``changed`` is told of each key made or revoked: their budgets are in the books."""
        self._ledger = ledger
        self._clock = clock
        self._random_key = random_key
        self._changed = changed
        self._callers: dict[str, tuple[str, Caller]] = {}
        self._rows: dict[str, KeyRow] = {}
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<AppKeys: {len(self._callers)}>"

    async def load(self) -> None:
        """Read the keys again; those revoked meanwhile are out."""
        rows = await self._ledger.keys()
        live = [row for row in rows if row.revoked_at is None]
        self._callers = {row.hash: (row.hash, _caller(row)) for row in live}
        self._rows = {row.id: row for row in live}

    def authenticate(self, token: str) -> Caller | None:
        """The caller behind a key, or None. Microseconds; no I/O."""
        if not 0 < len(token) <= _LONGEST:
            return None
        digest = key_hash(token)
        # The table is keyed by the hash, which nobody can steer; the compare is for the rest.
        kept = self._callers.get(digest)
        if kept is None or not hmac.compare_digest(kept[0], digest):
            return None
        return kept[1]

    def ids(self) -> tuple[str, ...]:
        """The keys in force."""
        return tuple(self._rows)

    def rate_limit(self, key_id: str) -> int | None:
        """Requests per minute that a key may make, or None for no limit."""
        row = self._rows.get(key_id)
        limit = row.rate_limit if row is not None else None
        return int(limit["requestsPerMinute"]) if isinstance(limit, Mapping) else None

    def budget(self, key_id: str) -> Mapping[str, float]:
        """A key's own budget in dollars: ``daily, monthly, perRequest``, those that are set."""
        row = self._rows.get(key_id)
        found = row.budget if row is not None else None
        return dict(found) if isinstance(found, Mapping) else {}

    async def list_keys(self) -> list[Row]:
        """All keys, revoked ones too; never the keys themselves."""
        return [_shown(row) for row in await self._ledger.keys()]

    async def create_key(self, body: Mapping[str, Any], actor: str) -> Row:
        """Make a key; ``key`` in the answer is the only time it can be seen."""
        found = wanted(body, _CREATE)
        key = self._random_key()
        row = await self._add(key, actor, **found)
        return {**_shown(row), "key": key}

    async def revoke_key(self, key_id: str, actor: str) -> Row:
        """Take a key out of force, now. The last admin key stays. Raises NotFound, Conflict."""
        async with self._turn:
            live = [row for row in await self._ledger.keys() if row.revoked_at is None]
            row = next((row for row in live if row.id == key_id), None)
            if row is None:
                raise NotFound(f"No key {key_id[:40]!r} is in force; see: xswarm key list")
            if row.role == "admin" and sum(other.role == "admin" for other in live) == 1:
                raise Conflict(
                    "This is the last admin key. Make another first: xswarm key create --role admin"
                )
            now = self._clock.now().wall
            await self._ledger.revoke_key(key_id, now)
            await self._ledger.audit(AuditRow(now, actor, "key.revoke", key_id, {}))
            await self._take_over()
        return {"revoked": True, "id": key_id}

    async def ensure_files(self, home: Home, actor: str = "init") -> list[str]:
        """``admin.key`` and ``client.key`` of a home, made or taken up again.

        A file whose key is not known (the database is new) is adopted; one whose key
        was revoked, or that holds something else, is replaced. Returns what was made.
        """
        made: list[str] = []
        for role, path in (("admin", home.admin_key), ("client", home.client_key)):
            rows = {row.hash: row for row in await self._ledger.keys()}
            key = await asyncio.to_thread(_read, path)
            if key is not None and key_hash(key) in rows:
                if rows[key_hash(key)].revoked_at is None:
                    continue
                key = None
            if key is None:
                key = self._random_key()
                await asyncio.to_thread(write_private, path, f"{key}\n".encode())
            await self._add(key, actor, role=role, name=path.name)
            made.append(path.name)
        await self.load()
        return made

    async def _add(
        self,
        key: str,
        actor: str,
        *,
        role: str = "client",
        project: str | None = None,
        name: str = "",
        rate_limit: Row | None = None,
        budget: Row | None = None,
    ) -> KeyRow:
        async with self._turn:
            rows = await self._ledger.keys()
            if sum(row.revoked_at is None for row in rows) >= KEYS_MAX:
                raise Conflict(f"There are {KEYS_MAX} keys already; revoke some.")
            now = self._clock.now().wall
            taken = {row.id for row in rows}
            digest = key_hash(key)
            row = KeyRow(
                id=_new_id(digest, taken),
                hash=digest,
                role=role,
                created_at=now,
                project=project,
                name=name,
                rate_limit=rate_limit,
                budget=budget or None,
            )
            await self._ledger.put_key(row)
            detail = {"role": role, "project": project, "name": name}
            await self._ledger.audit(AuditRow(now, actor, "key.create", row.id, detail))
            await self._take_over()
        return row

    async def _take_over(self) -> None:
        await self.load()
        if self._changed is not None:
            await self._changed()


def is_app_key(text: str) -> bool:
    """True for what has the form of a key made here, in force or not, of this home or another."""
    return _SHAPE.fullmatch(text) is not None


def key_hash(key: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _new_id(digest: str, taken: set[str]) -> str:
    # From a hash of the hash: an id appears in logs, and must say nothing of the key.
    stretched = hashlib.sha256(digest.encode()).hexdigest()
    return next(
        f"key_{stretched[:length]}"
        for length in range(8, 65)
        if f"key_{stretched[:length]}" not in taken
    )


def _caller(row: KeyRow) -> Caller:
    budget = row.budget if isinstance(row.budget, Mapping) else {}
    cap = budget.get("perRequest")
    level = Level("key", max_cost=None if cap is None else pico_from_usd(cap))
    return Caller(row.id, row.role, row.project, level, row.name)


def _shown(row: KeyRow) -> Row:
    return {
        "id": row.id,
        "role": row.role,
        "project": row.project,
        "name": row.name,
        "rateLimit": row.rate_limit,
        "budget": row.budget,
        "createdAt": iso(row.created_at),
        "revokedAt": None if row.revoked_at is None else iso(row.revoked_at),
    }


def _read(path: Path) -> str | None:
    """A key file of ours; None where there is none or it holds something else."""
    try:
        key = path.read_text("utf-8").strip()
        tighten(path)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return None
    return key if is_app_key(key) else None
