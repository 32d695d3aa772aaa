"""Proposals under review: kept, decided, applied as an overlay of their own, taken back.

The overlay is always made anew from everything that is applied, in the order of the
decisions, so that undoing is leaving out. It is the last of the home's overlays: what
the owner approves is the owner's latest word. Nothing is applied by itself over what
the owner wrote. Where proposals come from is not known here.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from freeloader.catalog import Layers
from freeloader.catalog.documents import merge
from freeloader.clock import Clock
from freeloader.discovery import compare
from freeloader.discovery.proposals import CONFIDENCES, Proposal, cautious, folded
from freeloader.discovery.rows import Row, about, proposal_of, provenance, row_of, shown, surer
from freeloader.errors import Conflict, InvalidRequest, NotFound
from freeloader.store.rows import AuditRow, ProposalRow

#: Sorts behind the names that people give their files; later files win.
OVERLAY = "zz-discovered.json"
STATES = ("pending", "applied", "noted", "rejected", "superseded", "undone")
#: More wait for nobody: what comes on top is found again at the next run.
PENDING_MAX = 2000


class ProposalLog(Protocol):
    """Where proposals are kept (``store.proposals``)."""

    async def add(self, row: ProposalRow) -> int: ...
    async def get(self, number: int) -> ProposalRow | None: ...
    async def listing(self, state: str | None, limit: int) -> Sequence[ProposalRow]: ...
    async def put(self, row: ProposalRow) -> None: ...


class Audit(Protocol):
    async def audit(self, row: AuditRow) -> None: ...


@dataclass(frozen=True, slots=True)
class Automatic:
    """What is applied without being asked: kinds, from a confidence on. Nothing by default."""

    kinds: frozenset[str] = frozenset()
    confidence: str = "high"

    def takes(self, proposal: Proposal) -> bool:
        """A pricing page and an awesome list never apply by themselves."""
        sure = CONFIDENCES.index(proposal.confidence) >= CONFIDENCES.index(self.confidence)
        read = proposal.source not in ("scraping", "github")
        return proposal.kind in self.kinds and sure and read and proposal.applicable


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of proposals: rows that are new and wait, and those applied at once."""

    waiting: tuple[ProposalRow, ...] = ()
    applied: tuple[ProposalRow, ...] = ()


#: The registry in force, raw.
Registry = Callable[[], Awaitable[Layers]]


class Review:
    """One per home. ``changed`` is told when the overlay or what waits is different."""

    def __init__(
        self,
        log: ProposalLog,
        audit: Audit,
        overlays: Path,
        registry: Registry,
        clock: Clock,
        automatic: Callable[[], Automatic],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._log, self._audit_log = log, audit
        self._overlay = overlays / OVERLAY
        self._registry, self._clock = registry, clock
        self._automatic, self._changed = automatic, changed
        self._turn = asyncio.Lock()

    # ── what sources bring ───────────────────────────────────────────────────

    async def take(self, proposals: Iterable[Proposal]) -> Taken:
        """Keeps what is new. The same again, or what was rejected, is not asked again.

        A newer word replaces the one that waits on the same thing, but never a surer source's:
        a page's lower figure must not end the caution for a signed rise.
        """
        async with self._turn:
            known = await self._log.listing(None, PENDING_MAX * 5)
            keys = {row.detail.get("key") for row in known if row.state != "superseded"}
            waiting = {about(row): row for row in known if row.state == "pending"}
            fresh: list[ProposalRow] = []
            for proposal in proposals:
                if proposal.key in keys or len(waiting) >= PENDING_MAX:
                    continue
                row = row_of(proposal, self._clock.now().wall)
                old = waiting.get(about(row))
                if old is not None and surer(old, row):
                    continue
                keys.add(proposal.key)
                if old is not None:
                    await self._log.put(replace(old, state="superseded"))
                row = replace(row, id=await self._log.add(row))
                waiting[about(row)] = row
                fresh.append(row)
            automatic = await self._by_themselves(fresh)
            for row in automatic:
                await self._decide(row, "applied", "auto_apply_updates")
            if automatic:
                await self._write()
        if fresh:
            await self._changed()
        chosen = {row.id for row in automatic}
        return Taken(tuple(r for r in fresh if r.id not in chosen), tuple(automatic))

    async def cautions(self) -> list[Mapping[str, Any]]:
        """The patches of the worse values that are waiting: reckon with them until decided."""
        rows = await self._log.listing("pending", PENDING_MAX)
        patches = (cautious(proposal_of(row)) for row in rows)
        return [patch for patch in patches if patch is not None]

    # ── what the owner does ──────────────────────────────────────────────────

    async def listing(self, state: str | None = None, limit: int = 200) -> list[Row]:
        """Newest first. Raises InvalidRequest for a state that there is not."""
        if state is not None and state not in STATES:
            raise InvalidRequest(f"A state is one of {', '.join(STATES)}.", param="state")
        rows = await self._log.listing(state, limit)
        return [shown(row, self._clock.now().wall) for row in rows]

    async def show(self, number: int) -> Row:
        """One proposal whole. Raises NotFound."""
        return shown(await self._existing(number), self._clock.now().wall)

    async def approve(self, number: int, actor: str) -> Row:
        """Applies it, or notes it where there is nothing to apply. Raises NotFound, Conflict."""
        async with self._turn:
            row = await self._existing(number, "pending")
            proposal = proposal_of(row)
            if not proposal.applicable:
                row = await self._decide(row, "noted", actor)
                return shown(row, self._clock.now().wall)
            await self._require_fit(proposal)
            row = await self._decide(row, "applied", actor)
            await self._write()
        await self._changed()
        return shown(row, self._clock.now().wall)

    async def reject(self, number: int, actor: str) -> Row:
        """It is not proposed again as it is. Raises NotFound, Conflict."""
        async with self._turn:
            row = await self._decide(await self._existing(number, "pending"), "rejected", actor)
        await self._changed()
        return shown(row, self._clock.now().wall)

    async def undo(self, number: int, actor: str) -> Row:
        """Takes an applied one back. Raises NotFound, Conflict."""
        async with self._turn:
            row = await self._decide(await self._existing(number, "applied"), "undone", actor)
            await self._write()
        await self._changed()
        return shown(row, self._clock.now().wall)

    # ── inside ───────────────────────────────────────────────────────────────

    async def _existing(self, number: int, state: str | None = None) -> ProposalRow:
        row = await self._log.get(number)
        if row is None:
            raise NotFound(f"There is no proposal {number}; `xswarm discover list` shows them.")
        if state is not None and row.state != state:
            raise Conflict(f"Proposal {number} is {row.state}, not {state}.")
        return row

    async def _decide(self, row: ProposalRow, state: str, actor: str) -> ProposalRow:
        now = self._clock.now().wall
        row = replace(row, state=state, detail={**row.detail, "decidedAt": now, "by": actor})
        await self._log.put(row)
        what = {"applied": "approve", "noted": "approve", "rejected": "reject", "undone": "undo"}
        detail = {"kind": row.kind, "provider": row.provider, "subject": row.subject}
        await self._audit_log.audit(
            AuditRow(now, actor, f"discovery.{what[state]}", str(row.id), detail)
        )
        return row

    async def _by_themselves(self, rows: Sequence[ProposalRow]) -> list[ProposalRow]:
        """Those that the owner's rules apply at once; never over what the owner wrote."""
        rules = self._automatic()
        found = [row for row in rows if rules.takes(proposal_of(row))]
        known = await self._registry() if found else None
        return [row for row in found if known and not written(known, proposal_of(row))]

    async def _require_fit(self, proposal: Proposal) -> None:
        """Raises Conflict where the registry has changed so that the patch does not load."""
        known = await self._registry()
        checked = compare.checked({"providers": proposal.patch}, known.whole)
        if checked.faults:
            raise Conflict(
                f"It does not fit the registry any more ({checked.faults[0]}); reject it, "
                "the next run proposes what is true then."
            )

    async def _write(self) -> None:
        """The overlay of all that is applied, replaced as a whole; none where nothing is."""
        rows = [r for r in await self._log.listing("applied", PENDING_MAX * 5) if r.detail]
        rows.sort(key=lambda row: (float(row.detail.get("decidedAt") or 0.0), row.id))
        document = {
            "provenance": {str(row.id): provenance(row) for row in rows},
            "providers": folded(row.detail["patch"] for row in rows),
        }
        await asyncio.to_thread(_replace_file, self._overlay, document if rows else None)


def _replace_file(path: Path, document: Mapping[str, Any] | None) -> None:
    if document is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def written(known: Layers, proposal: Proposal) -> bool:
    """Whether the owner's own overlays decide what the proposal would change."""

    def below(patch: Mapping[str, Any]) -> Any:
        return merge(merge(dict(known.bundled), dict(patch)), dict(known.owner))

    return bool(below(proposal.patch) == below({}))
