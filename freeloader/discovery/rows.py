"""Proposals as rows and back, and rows as people see them.

Nothing is kept or decided here (``review`` does).
"""

from __future__ import annotations

from typing import Any

from freeloader.clock import iso
from freeloader.discovery.proposals import CONFIDENCES, KINDS, Proposal
from freeloader.store.rows import ProposalRow

Row = dict[str, Any]


def proposal_of(row: ProposalRow) -> Proposal:
    """The proposal that a row was made from."""
    detail = row.detail
    return Proposal(
        row.kind,
        row.provider,
        row.subject,
        detail.get("before"),
        detail.get("after"),
        row.source,
        str(detail.get("evidence") or ""),
        str(detail.get("confidence") or "low"),
        detail.get("patch") or {},
        bool(detail.get("announced", True)),
    )


def row_of(proposal: Proposal, now: float) -> ProposalRow:
    """The row of a new proposal, pending. Raises ValueError for an unknown kind."""
    if proposal.kind not in KINDS:
        raise ValueError(f"unknown kind of proposal: {proposal.kind}")
    detail = {
        "before": proposal.before,
        "after": proposal.after,
        "evidence": proposal.evidence,
        "confidence": proposal.confidence,
        "patch": dict(proposal.patch),
        "announced": proposal.announced,
        "key": proposal.key,
    }
    return ProposalRow(
        now, proposal.source, proposal.kind, proposal.provider, proposal.subject, "pending", detail
    )


def about(row: ProposalRow) -> tuple[str, str, str]:
    """Two that are about the same thing replace each other."""
    return (row.kind, row.provider, row.subject)


def surer(old: ProposalRow, new: ProposalRow) -> bool:
    """Another source said ``old``, with more confidence than ``new`` is said with."""
    known, said = (CONFIDENCES.index(str(r.detail.get("confidence") or "low")) for r in (old, new))
    return old.source != new.source and known > said


def provenance(row: ProposalRow) -> Row:
    """Where an applied change came from, as the overlay says it."""
    return {
        "source": row.source,
        "evidence": row.detail.get("evidence"),
        "decidedBy": row.detail.get("by"),
        "decidedAt": iso(float(row.detail.get("decidedAt") or row.at)),
    }


def shown(row: ProposalRow, now: float) -> Row:
    """As people and the routes see it."""
    detail = row.detail
    decided = detail.get("decidedAt")
    return {
        "id": str(row.id),
        "kind": row.kind,
        "provider": row.provider,
        "subject": row.subject or None,
        "state": row.state,
        "source": row.source,
        "confidence": detail.get("confidence"),
        "before": detail.get("before"),
        "after": detail.get("after"),
        "evidence": detail.get("evidence"),
        "applicable": bool(detail.get("patch")),
        "at": iso(row.at),
        "ageSeconds": max(0, round(now - row.at)),
        "decidedAt": None if decided is None else iso(float(decided)),
        "decidedBy": detail.get("by"),
    }
