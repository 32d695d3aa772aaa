"""Votes on answers: taken, kept, summed for the books; listed and forgotten.

Whose answer a vote is about comes from the decision in the journal, never from the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from freeloader.clock import Clock
from freeloader.core.feedback import Opinion
from freeloader.core.model import Caller
from freeloader.errors import InvalidRequest, NotFound
from freeloader.manage.bodies import wanted
from freeloader.settings import read
from freeloader.store.rows import AuditRow, VoteRow

Row = dict[str, Any]
Opinions = Mapping[tuple[str, str], Opinion]

COMMENT_MAX = 2_000
#: The journal is written behind: a vote right after its answer looks this often, this long.
_LOOKS, _LOOK_S = 20, 0.05
_GIVEN = {"decision_id": read.text, "score": read.number(0, 1), "comment": read.text}


class Votes(Protocol):
    """The store's table."""

    async def put(self, row: VoteRow) -> None: ...
    async def sums(self) -> dict[tuple[str, str], tuple[int, float]]: ...
    async def forget(self, model: str | None, task: str | None) -> int: ...


class DecisionsPort(Protocol):
    async def get_decision(self, decision_id: str) -> Row | None: ...


class AuditPort(Protocol):
    async def audit(self, row: AuditRow) -> None: ...


class Feedback:
    """One per daemon. ``heed`` is told the sums whenever they change."""

    def __init__(
        self,
        votes: Votes,
        decisions: DecisionsPort,
        audit: AuditPort,
        clock: Clock,
        heed: Callable[[Opinions], None],
    ) -> None:
        self._votes, self._decisions, self._audit = votes, decisions, audit
        self._clock, self._heed = clock, heed
        self._known: dict[tuple[str, str], Opinion] = {}

    async def load(self) -> None:
        """Reads the sums anew and hands them to the books. Raises Unavailable."""
        sums = await self._votes.sums()
        self._known = {key: Opinion(*pair) for key, pair in sums.items()}
        self._heed(self._known)

    async def give(self, body: Mapping[str, Any], caller: Caller) -> Row:
        """One vote: ``{decisionId, score, comment?}``, the score from 0 (bad) to 1 (good).

        Raises InvalidRequest, NotFound.
        """
        found = wanted(body, _GIVEN)
        for name, shown in (("decision_id", "decisionId"), ("score", "score")):
            if found.get(name) is None:
                raise InvalidRequest(
                    f"{shown} is missing: send decisionId and a score from 0 (bad) to 1 (good).",
                    param=shown,
                )
        comment = str(found.get("comment") or "")
        if len(comment) > COMMENT_MAX:
            raise InvalidRequest(
                f"comment must be at most {COMMENT_MAX:,} characters.", param="comment"
            )
        decision = await self._decision(str(found["decision_id"]), caller)
        model, task = str(decision.get("model") or ""), str(decision.get("task") or "chat")
        if not model:
            raise InvalidRequest(
                "No model answered that decision, so there is nothing to score.",
                param="decisionId",
            )
        now, score = self._clock.now().wall, float(found["score"])
        row = VoteRow(decision["id"], now, model, task, score, comment, caller.key_id)
        await self._votes.put(row)
        await self.load()
        return {"recorded": True, "decisionId": decision["id"], "score": score} | _shown(
            (model, task), self._known.get((model, task), Opinion())
        )

    def listing(self) -> list[Row]:
        """The averages by model and task, those with most votes first."""
        ordered = sorted(self._known.items(), key=lambda item: (-item[1].votes, item[0]))
        return [_shown(key, opinion) for key, opinion in ordered]

    async def reset(self, model: str | None, task: str | None, actor: str) -> Row:
        """Forgets the votes on a model, a task, both, or all."""
        count = await self._votes.forget(model, task)
        await self.load()
        detail = {"model": model, "task": task, "votes": count}
        row = AuditRow(self._clock.now().wall, actor, "feedback.reset", model or "", detail)
        await self._audit.audit(row)
        return {"forgotten": count}

    async def _decision(self, decision_id: str, caller: Caller) -> Row:
        for look in range(_LOOKS):
            row = await self._decisions.get_decision(decision_id[:128])
            if row is not None:
                hidden = caller.role != "admin" and caller.project is not None
                if not hidden or row.get("project") == caller.project:
                    return row
                break
            if look + 1 < _LOOKS:
                await asyncio.sleep(_LOOK_S)
        raise NotFound("No such decision: `xswarm decisions` lists the latest.")


def _shown(key: tuple[str, str], opinion: Opinion) -> Row:
    return {
        "model": key[0],
        "task": key[1],
        "votes": opinion.votes,
        "average": round(opinion.average, 4),
        "shift": round(opinion.shift, 4),
    }
