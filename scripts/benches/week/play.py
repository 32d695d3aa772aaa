"""One week, one player: arrivals, answers and second looks in the order of virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import count
from typing import Any

from week.demand import STRONG, Request
from week.players import Later, Player, Served, Tally

#: How long a request waits for a candidate that is only momentarily full (the default).
MAX_WAIT = 5.0


async def play(player: Player, requests: Sequence[Request], tally: Tally) -> Tally:
    """Fills in ``tally``. Of two things at one moment the answer comes before the question."""
    order = count()
    queue: list[tuple[float, int, int, Any]] = [
        (request.at, 1, next(order), (request, request.at + MAX_WAIT)) for request in requests
    ]
    heapq.heapify(queue)
    while queue:
        now, kind, _, what = heapq.heappop(queue)
        if kind == 0:
            await what(now)
            continue
        request, patience = what
        found = await player.ask(request, now, patience)
        if isinstance(found, Served):
            _count(tally, request, found)
            if found.call is not None:
                heapq.heappush(queue, (found.done, 0, next(order), found.call))
        elif isinstance(found, Later):
            heapq.heappush(queue, (found.at, 1, next(order), what))
        else:
            tally.unanswered[request.need] = tally.unanswered.get(request.need, 0) + 1
    return tally


def _count(tally: Tally, request: Request, found: Served) -> None:
    tally.served += 1
    tally.strong += request.need >= STRONG
    name = found.deployment.id
    tally.models[name] = tally.models.get(name, 0) + 1
