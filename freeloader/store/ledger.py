"""The ledger: holds, charges and quota windows that must survive, and add up.

A hold is on disk before ``hold`` returns; a charge is made once, however often
it is settled; what a dead daemon left held is charged in full at the next boot.
Which amounts are right, and whether a budget allows them, is not decided here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress

from freeloader.errors import Unavailable
from freeloader.money import usd_from_pico
from freeloader.store import registry
from freeloader.store.charging import charges, columns, holds, slots
from freeloader.store.faults import unavailable
from freeloader.store.file import DatabaseFile
from freeloader.store.memory import Memory
from freeloader.store.mending import evidence
from freeloader.store.records import Records
from freeloader.store.reports import analytics
from freeloader.store.reports import sql as reports
from freeloader.store.rows import HoldRow, Settled, UsageRow, WindowRow, check_pico
from freeloader.store.sql import amounts, meta, owner

SLOTS_KEPT_S = 400 * 86_400.0
"""Sums per quarter of an hour stay for more than a year beyond their rows."""
SLICE, PAUSE_S = 8, 0.02
"""Rows that go in one transaction: a hold that comes just then waits for it, and for the pages
that their indexes are on. 400 rows a second are more than any day brings."""


class Ledger(Records):
    """See the module. Amounts are picodollars, times wall seconds.

    Durable writes raise Unavailable (code ``ledger_unavailable``) while
    ``problem`` is set. ``settle``, ``release`` and ``adjust`` stay queued then
    and are done when the fault ends; calling them again is harmless.
    """

    def __init__(self, file: DatabaseFile, memory: Memory | None = None) -> None:
        super().__init__(file, memory)
        self._epoch: int | None = None
        self._doubt: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the file just now, for people; None: nothing.

        Also that after a repair it is not known what was spent (see ``mending``).
        """
        return self._file.problem or self._doubt

    @property
    def epoch(self) -> int:
        """This run's number. RuntimeError before ``boot``: holds must know whose they are."""
        if self._epoch is None:
            raise RuntimeError("the ledger was not booted")
        return self._epoch

    async def boot(self, now: float) -> int:
        """Begin a new epoch, and charge in full what earlier ones left held.

        For the daemon alone, once, holding the home's lock. Returns the epoch;
        ``expired`` shows what was charged, and so does the audit.
        """

        def piece(conn: sqlite3.Connection) -> tuple[int, str | None]:
            epoch = int(conn.execute(meta.META_NEXT, {"key": "epoch"}).fetchone()[0])
            if dead := holds.bury(conn, epoch, now):
                conn.execute(owner.AUDIT_INSERT, _recovered(dead, now))
            doubt = conn.execute(meta.META_GET, {"key": "doubt"}).fetchone()
            return epoch, None if doubt is None else str(doubt["value"])

        epoch, self._doubt = await self._file.submit(piece)
        self._epoch = epoch
        return epoch

    async def look(self) -> None:
        """Finds out whether it can be written, where nobody has tried for long: see ``problem``."""
        if self._epoch is not None:
            with suppress(Unavailable):
                await self._file.submit(lambda _: None)

    # ── holds and charges ────────────────────────────────────────────────────

    async def set_doubt(self, doubt: str) -> None:
        """Nothing is paid for, from now on and after every start, until the owner has looked."""
        await self._file.submit(lambda conn: evidence.set_doubt(conn, doubt))
        self._doubt = doubt

    async def hold(self, rows: Sequence[HoldRow]) -> None:
        """Place all holds, or none; durable when it returns.

        After a cancelled wait they may be there: release them by id.
        Raises Conflict if one of the holds or attempts has one.
        """
        epoch = self.epoch
        if self._doubt is not None:
            raise unavailable(self._doubt, retry_after=None)
        await self._file.submit(lambda conn: holds.place(conn, rows, epoch))

    async def settle(
        self, hold_id: str, usage: UsageRow, amount: int, basis: str, now: float
    ) -> Settled:
        """Charge ``amount`` (its ``cost_pico`` is ignored) and end the hold, once and for all."""
        check_pico("amount", amount)
        return await self._file.submit(
            lambda conn: holds.settle(conn, hold_id, usage, amount, basis, now), keep=True
        )

    async def release(self, hold_id: str, now: float) -> Settled:
        """End the hold without a charge: only where provably nothing was consumed."""
        return await self._file.submit(lambda conn: holds.release(conn, hold_id, now), keep=True)

    async def adjust(self, attempt_id: str, amount: int, reason: str, now: float) -> Settled:
        """Later knowledge: ``amount`` more (or less) for an attempt that was charged."""
        return await self._file.submit(
            lambda conn: charges.adjust(conn, attempt_id, amount, reason, now)
        )

    def record_usage(self, usage: UsageRow) -> bool:
        """Note an attempt that needed no hold, some time soon. False: not taken, and counted."""
        return self._file.gather(charges.record_all, usage)

    async def settle_dead(self, now: float) -> list[HoldRow]:
        """Charge in full what earlier epochs hold; normally nothing is left of them after boot."""
        if self._epoch is None:
            raise unavailable(self._file.problem or "the ledger has not been opened yet")
        epoch = self._epoch
        return await self._file.submit(lambda conn: holds.bury(conn, epoch, now))

    async def open_holds(self) -> list[HoldRow]:
        """What is held now, oldest first."""

        def query(conn: sqlite3.Connection) -> list[HoldRow]:
            return [columns.hold_from(row) for row in conn.execute(amounts.HOLDS_OPEN)]

        return await self._file.read(query)

    async def expired(self, since: float = 0.0, limit: int = 100) -> list[HoldRow]:
        """Holds charged in full because their daemon died, newest first."""
        params = {"since": since, "limit": limit}

        def query(conn: sqlite3.Connection) -> list[HoldRow]:
            return [columns.hold_from(row) for row in conn.execute(amounts.HOLDS_EXPIRED, params)]

        return await self._file.read(query)

    # ── sums ─────────────────────────────────────────────────────────────────

    async def spent(
        self, since: float, until: float, project: str | None = None, key: str | None = None
    ) -> int:
        """Picodollars charged in [since, until), adjustments included; free of history's size.

        Exact for bounds on a quarter of an hour, which all calendar periods have;
        other bounds are taken outward. ``project`` ``""``: those without one.
        """
        return (await self._sum(since, until, project, key))[0]

    async def requests_since(
        self, since: float, until: float, project: str | None = None, key: str | None = None
    ) -> int:
        """How many requests' first attempts were recorded in the same period."""
        return (await self._sum(since, until, project, key))[1]

    async def sums(self, since: float, until: float) -> dict[tuple[str, str], tuple[int, int]]:
        """(picodollars, requests) of the same period by project (``""``: none) and key.

        Read from sums of days: a month costs what a day does.
        """
        params = slots.days_and_slots(since, until)

        def query(conn: sqlite3.Connection) -> dict[tuple[str, str], tuple[int, int]]:
            return {
                (row["project"], row["key_id"]): (
                    row["micro"] * 1_000_000 + row["pico"],
                    int(row["requests"]),
                )
                for row in conn.execute(amounts.SPENT_SUMS, params)
            }

        return await self._file.read(query)

    async def spent_by_project(self, since: float, until: float) -> dict[str, int]:
        """Picodollars per project (``""``: none)."""
        return await self._sums(amounts.SPENT_BY_PROJECT, since, until)

    async def spent_by_slot(self, since: float, until: float) -> dict[int, int]:
        """Picodollars by quarter hour (Unix seconds / 900); those without any are left out."""

        def query(conn: sqlite3.Connection) -> dict[int, int]:
            rows = conn.execute(amounts.SPENT_BY_SLOT, slots.slots(since, until))
            return {row["slot"]: row["micro"] * 1_000_000 + row["pico"] for row in rows}

        return await self._file.read(query)

    async def usage_of(self, request_id: str) -> list[UsageRow]:
        """What the attempts of one request consumed, in order."""
        params = {"request_id": request_id}

        def query(conn: sqlite3.Connection) -> list[UsageRow]:
            return [
                columns.usage_from(row) for row in conn.execute(amounts.USAGE_BY_REQUEST, params)
            ]

        return await self._file.read(query)

    async def _sum(
        self, since: float, until: float, project: str | None, key: str | None
    ) -> tuple[int, int]:
        params = {**slots.slots(since, until), "project": project, "key_id": key}

        def query(conn: sqlite3.Connection) -> tuple[int, int]:
            row = conn.execute(amounts.SPENT, params).fetchone()
            return row["micro"] * 1_000_000 + row["pico"], int(row["requests"])

        return await self._file.read(query)

    async def _sums(self, statement: str, since: float, until: float) -> dict[str, int]:
        def query(conn: sqlite3.Connection) -> dict[str, int]:
            return charges.total(conn.execute(statement, slots.slots(since, until)))

        return await self._file.read(query)

    # ── quota windows ────────────────────────────────────────────────────────

    async def save_windows(self, rows: Sequence[WindowRow], *, durable: bool = False) -> None:
        """Write the rows over what was there: on return if ``durable``, else soon: whoever
        saves them has waited for company already."""
        params = [
            {
                "key": row.key,
                "provider": row.provider,
                "state": json.dumps(dict(row.state)),
                "at": row.at,
                "expires_at": row.expires_at,
            }
            for row in rows
        ]

        def piece(conn: sqlite3.Connection) -> None:
            conn.executemany(amounts.WINDOW_PUT, params)

        if durable:
            await self._file.submit(piece)
        else:
            self._file.post(piece, soon=True)

    async def load_windows(self) -> list[WindowRow]:
        """All windows as last saved."""

        def query(conn: sqlite3.Connection) -> list[WindowRow]:
            rows = conn.execute(amounts.WINDOWS)
            return [WindowRow(**{**dict(r), "state": json.loads(r["state"])}) for r in rows]

        return await self._file.read(query)

    async def drop_expired_windows(self, now: float) -> int:
        """Forget windows whose ``expires_at`` has passed; how many."""
        return await self._file.submit(
            lambda conn: conn.execute(amounts.WINDOWS_EXPIRED, {"now": now}).rowcount
        )

    def keep_registry(self, providers: registry.Rows, models: registry.Models, now: float) -> None:
        """Note the registry in force, soon, where it changed (see ``registry``)."""
        self._file.post(registry.keeping(providers, models, now))

    # ── upkeep ───────────────────────────────────────────────────────────────

    async def trim(
        self,
        before: float,
        max_rows: int | None = None,
        max_bytes: int | None = None,
        *,
        slice_rows: int = SLICE,
        pause_s: float = PAUSE_S,
    ) -> int:
        """Delete usage from before ``before``, of which the daily sums stay; how many rows went.

        With ``max_rows``, at most that many stay; with ``max_bytes``, as many as a file of
        that size holds. Ended holds of that age go too. Sums for budgets are not touched,
        but for those that no period asks for any more.
        """
        cutoff = await self._file.cutoff(
            before, max_rows, max_bytes, amounts.USAGE_COUNT, amounts.USAGE_NTH
        )
        await self._file.submit(lambda conn: analytics.forget_before(conn, cutoff))
        rolled = await self._file.in_slices(_trim_usage, cutoff, slice_rows, pause_s)
        await self._file.in_slices(_trim_holds, cutoff, slice_rows, pause_s)
        old = min(before, cutoff) - SLOTS_KEPT_S
        await self._file.in_slices(_trim_slots, old, slice_rows, pause_s)
        await self._file.in_slices(_trim_days, old, slice_rows, pause_s)
        hours = await self._file.submit(analytics.forget_hours)
        await self._file.in_slices(_trim_hours, hours, slice_rows, pause_s)
        await self._file.in_slices(_trim_latencies, hours, slice_rows, pause_s)
        return rolled

    async def integrity(self, *, thorough: bool = False) -> list[str]:
        """See ``DatabaseFile.integrity``."""
        return await self._file.integrity(thorough=thorough)


def _recovered(dead: Sequence[HoldRow], now: float) -> dict[str, object]:
    """The audit's line about holds that nobody was left to settle."""
    charged = usd_from_pico(sum(hold.charged_pico or 0 for hold in dead))
    named = sorted({hold.request_id for hold in dead})
    detail = {"holds": len(dead), "chargedUsd": charged, "decisions": named[:50]}
    text = json.dumps(detail)
    subject = "holds of a run that ended without settling them, charged in full"
    return {"at": now, "who": "daemon", "what": "ledger.recover", "subject": subject,
            "detail": text}  # fmt: skip


def _trim_usage(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    return conn.execute(amounts.USAGE_TRIM, {"before": before, "slice": slice_rows}).rowcount


def _trim_slots(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    params = {"before": int(before // slots.SLOT_S), "slice": slice_rows}
    return conn.execute(amounts.SLOTS_TRIM, params).rowcount


def _trim_days(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    params = {"before": int(before // slots.SLOT_S), "slice": slice_rows}
    return conn.execute(amounts.BUDGET_DAYS_TRIM, params).rowcount


def _trim_hours(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    params = {"before": int(before // 3600), "slice": slice_rows}
    return conn.execute(reports.HOURS_TRIM, params).rowcount


def _trim_latencies(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    params = {"before": int(before // 3600), "slice": slice_rows}
    return conn.execute(reports.HOUR_LATENCIES_TRIM, params).rowcount


def _trim_holds(conn: sqlite3.Connection, before: float, slice_rows: int) -> int:
    return conn.execute(amounts.HOLDS_TRIM, {"before": before, "slice": slice_rows}).rowcount
