"""The only SQL of the house: two database files in the home, and what may be done with them.

``freeloader.db`` is the ledger (money, accounts, keys, settings history), every
commit on disk; ``journal.db`` explains, and may lose its last moment in a power
cut. Clearing or losing the one never stalls the other. No rule about money,
quotas or people lives here.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import asdict
from functools import partial
from pathlib import Path

from freeloader.clock import Clock
from freeloader.errors import Unavailable
from freeloader.store import opening
from freeloader.store.benchmarks import Benchmarks
from freeloader.store.feedback import Feedback
from freeloader.store.file import DatabaseFile
from freeloader.store.journal import Journal
from freeloader.store.ledger import Ledger
from freeloader.store.memory import Memory
from freeloader.store.mending import evidence
from freeloader.store.mending.backup import DOUBT
from freeloader.store.proposals import Proposals
from freeloader.store.replays import Replay, Replays
from freeloader.store.reports.analytics import Reports
from freeloader.store.reports.export import Exporter
from freeloader.store.rows import (
    AttemptRow,
    AuditRow,
    BenchmarkRow,
    ConfigRow,
    DecisionRow,
    HoldRow,
    JobState,
    KeyRow,
    ProposalRow,
    Settled,
    UsageRow,
    WindowRow,
)
from freeloader.store.schema import JOURNAL, LEDGER, Schema
from freeloader.store.writer import Writer

__all__ = [
    "AttemptRow",
    "AuditRow",
    "BenchmarkRow",
    "Benchmarks",
    "ConfigRow",
    "DecisionRow",
    "Exporter",
    "Feedback",
    "HoldRow",
    "JobState",
    "Journal",
    "KeyRow",
    "Ledger",
    "ProposalRow",
    "Proposals",
    "Replay",
    "Replays",
    "Reports",
    "Settled",
    "Store",
    "UsageRow",
    "WindowRow",
]

log = logging.getLogger(__name__)

LEDGER_QUEUE_MAX = 20_000
RECONCILED = 5_000
"""Attempts of the journal that are looked for in the ledger at each start."""
JOURNAL_QUEUE_MAX = 5_000


class Store:
    """Both files, open. ``problems`` says what is wrong with them just now."""

    def __init__(
        self, ledger: DatabaseFile, journal: DatabaseFile, clock: Clock, *, begun: bool = False
    ) -> None:
        """``begun``: the ledger was not there, although the journal was."""
        self._files = (ledger, journal)
        self._begun = begun
        self._clock = clock
        self.ledger = Ledger(ledger, Memory(journal))
        self.journal = Journal(journal)
        self.replays = Replays(journal)
        self.reports = Reports(ledger)
        self.exporter = Exporter(ledger, journal)
        self.proposals = Proposals(ledger)
        self.feedback = Feedback(ledger)
        self.benchmarks = Benchmarks(ledger)

    @classmethod
    def open(
        cls, ledger_path: Path, journal_path: Path, clock: Clock, *, strict: bool = True
    ) -> Store:
        """Open both files, making or upgrading them as needed. Blocks for a moment.

        Raises Unavailable (``ledger_unavailable``) if the ledger is damaged, newer than
        this program, or cannot be made; unless ``strict``, it stays closed then, and
        ``ledger.problem`` says why (see ``reopen``). A journal that cannot be used stops
        nobody: it stays closed, and ``journal.problem`` says why.
        """
        unusable: dict[Path, str] = {}
        begun = journal_path.exists() and not ledger_path.exists()
        for path, schema in ((ledger_path, LEDGER), (journal_path, JOURNAL)):
            try:
                opening.prepare(path, schema)
            except Unavailable as error:
                if schema is LEDGER and strict:
                    raise
                unusable[path] = str(error.details["problem"])
                log.error("%s is not written: %s", schema.name, unusable[path])
        ledger = _file(ledger_path, LEDGER, LEDGER_QUEUE_MAX, False, unusable.get(ledger_path))
        journal = _file(journal_path, JOURNAL, JOURNAL_QUEUE_MAX, True, unusable.get(journal_path))
        return cls(ledger, journal, clock, begun=begun)

    async def reopen(self) -> None:
        """Look again at a ledger that could not be opened. Raises Unavailable while it cannot."""
        await self._files[0].reopen()

    async def reconcile(self, now: float) -> int:
        """Charges that the journal knows and the ledger lost, taken over; how many.

        To be called after ``boot``: a write-ahead log that was damaged while nobody
        ran loses the last commits without a word. Raises Unavailable for the ledger.
        """
        ledger, journal = self._files
        try:
            known = await journal.read(lambda conn: evidence.last_charged(conn, RECONCILED))
        except Unavailable:
            return 0
        lost = await ledger.submit(lambda conn: evidence.take_over(conn, known, now))
        if lost and self._begun:  # a ledger that is gone is no empty budget
            await self._begin_anew(now)
        if lost:
            log.error("the ledger had lost %d charges; the journal knew them", lost)
        return lost

    async def _begin_anew(self, now: float) -> None:
        """Accounts and keys as the journal knows them, and nothing paid until the owner looked."""
        ledger, journal = self._files

        def recall(conn: sqlite3.Connection) -> list[str]:
            evidence.begin_anew(conn)
            with opening.connection(journal.path, JOURNAL, writable=False) as other:
                return evidence.recall(conn, other, now)

        await self.ledger.set_doubt(DOUBT.format(how="gone, and begun anew from the journal"))
        await ledger.submit(recall)

    @property
    def problems(self) -> list[str]:
        """What is wrong, and what was lost since the start, one line each."""
        found = []
        for file in self._files:
            if file.problem:
                found.append(file.problem)
            if file.writer.counters.lost:
                found.append(f"{file.path.name}: {file.writer.counters.lost} rows were not written")
            if file.writer.last_error:
                found.append(file.writer.last_error)
        doubt = self.ledger.problem
        return found if doubt is None or doubt in found else [doubt, *found]

    def stats(self) -> dict[str, dict[str, int]]:
        """Counters of each file's writer since the start, and how many writes wait."""
        return {
            file.path.stem: asdict(file.writer.counters) | {"waiting": file.writer.waiting}
            for file in self._files
        }

    async def close(self) -> None:
        """Write what is waiting and close both files. Idempotent; bounded even if they hang."""
        for file in self._files:
            lost = await asyncio.to_thread(file.close)
            if lost:
                log.error("%s: %d rows were not written", file.path.name, lost)


def _file(
    path: Path, schema: Schema, queue_max: int, drop_oldest: bool, unusable: str | None = None
) -> DatabaseFile:
    def probe(conn: sqlite3.Connection) -> None:
        # Writes one page, and changes nothing: it is the version that the file has.
        conn.execute(f"PRAGMA user_version = {schema.version}")

    writer = Writer(
        path.name,
        partial(_writing, path, schema),
        probe,
        queue_max=queue_max,
        drop_oldest=drop_oldest,
    )
    return DatabaseFile(path, schema, writer, unusable=unusable)


def _writing(path: Path, schema: Schema) -> sqlite3.Connection:
    """For small pieces: what would undo one that breaks off is kept in memory. SQLite puts it into
    a file of /var/tmp otherwise, for each kind of row in each commit; that may be another disk,
    and full."""
    conn = opening.connect(path, schema, writable=True)
    conn.execute("PRAGMA temp_store = MEMORY")
    return conn
