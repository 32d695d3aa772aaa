"""Tells the log of breakers that open and close: one event per change, a sum where one flaps.

A provider that refuses all day changes its breaker's state some thousand times. The first
changes of a spell are told each; of what follows there is one line per spell, with a count.
It decides nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from freeloader.core.model import Deployment

_log = logging.getLogger("freeloader.books.breakers")

#: A spell, in seconds, and how many changes of one breaker are told in it.
SPELL_S = 600.0
EACH = 6
#: Breakers remembered; more than that are forgotten together.
_GUARDS_MAX = 2_000
#: What is everyday business on a free tier, and no fault.
_QUOTA = frozenset({"slow_down", "spent"})


@dataclass(slots=True)
class _Spell:
    began: float
    changes: int = 0


class Changes:
    """One per ``Breakers``."""

    def __init__(self) -> None:
        self._spells: dict[str, _Spell] = {}
        self._now = 0.0

    def tell(
        self,
        guard: str,
        before: str,
        after: str,
        deployment: Deployment,
        *,
        reason: str = "",
        kind: str = "",
        mono: float | None = None,
    ) -> None:
        """``kind``: the outcome's; ``mono``: now, where that is known (else as of late)."""
        self._now = now = self._now if mono is None else mono
        spell = self._spell(guard, now)
        spell.changes += 1
        if spell.changes > EACH:
            return
        fields = {
            "event": "breaker.state",
            "state": after,
            "before": before,
            "guard": guard,
            "deployment": deployment.id,
            "account": deployment.account.name,
        }
        if reason:
            fields["reason"] = reason
        fault = after == "open" and kind not in _QUOTA
        level = logging.WARNING if fault else logging.INFO
        _log.log(level, "breaker of %s is %s", guard, after, extra={"fields": fields})

    def _spell(self, guard: str, now: float) -> _Spell:
        spell = self._spells.get(guard)
        if spell is not None and now - spell.began < SPELL_S:
            return spell
        if spell is not None and spell.changes > EACH:
            fields = {"event": "breaker.flaps", "guard": guard, "changes": spell.changes}
            _log.warning("breaker of %s changed %d times in a while", guard, spell.changes,
                         extra={"fields": fields})  # fmt: skip
        if len(self._spells) >= _GUARDS_MAX:
            self._spells.clear()
        spell = self._spells[guard] = _Spell(now)
        return spell
