"""A party that money bounds: everybody's answer is bounded alike, so that more may be asked.

Where the client gave no bound, a member is held for at all that its model may write: few
budgets have room for three of those. Then the largest common bound is looked for under which
the most members (and the judge) fit together, and it is sent and said. What the client
itself bound is never cut here, nor anything below ``bounds.LEAST_OUTPUT``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from freeloader.core.cast import choosing
from freeloader.core.cast.choosing import Party
from freeloader.core.model import EMPTY, Verdict
from freeloader.core.routing import Ask, Candidate, bounds
from freeloader.core.snapshot import Snapshot


def party(ask: Ask, snapshot: Snapshot, no_judges: Mapping[str, Verdict] = EMPTY) -> Party:
    """``choosing.party``, with bounds on the answers where only so more of them fit."""
    found = choosing.party(ask, snapshot, no_judges)
    if not found.costly or ask.profile.bounded:
        return found

    def under(output: int) -> Party:
        bound = replace(ask, profile=bounds.bounded(ask.profile, output))
        return choosing.party(bound, snapshot, no_judges)

    fits = bounds.LEAST_OUTPUT
    best = under(fits)
    if _size(best) <= _size(found):
        return found
    most = _size(best)
    never = 1 + max(bounds.answer_bound(ask.profile, m.deployment) for m in best.members)
    while never - fits > 1:
        middle = (fits + never) // 2
        tried = under(middle)
        if _size(tried) >= most:
            fits, best = middle, tried
        else:
            never = middle
    return _told(best, ask, fits)


def _size(found: Party) -> int:
    return len(found.members) + (found.judge is not None)


def _told(best: Party, ask: Ask, output: int) -> Party:
    """The party as it is held and sent: the bound only where it is below the model's own."""
    members = tuple(_bounded(member, ask, output) for member in best.members)
    note = f"answers of at most {output:,} tokens, so that all fit"
    return replace(best, members=members, short="; ".join(filter(None, (best.short, note))))


def _bounded(member: Candidate, ask: Ask, output: int) -> Candidate:
    deployment = member.deployment
    if not deployment.billable or bounds.answer_bound(ask.profile, deployment) <= output:
        return member._replace(hold=bounds.hold_for(ask.profile, deployment))
    return member._replace(output=output)
