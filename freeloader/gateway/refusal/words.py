"""The first of several refused candidates, in words."""

from __future__ import annotations

from collections.abc import Sequence

from freeloader.core.routing import Candidate


def why(some: Sequence[Candidate]) -> str:
    verdict = some[0].verdict
    reason = verdict.reason.rstrip(".") if verdict is not None else ""
    more = f" (and {len(some) - 1} more)." if len(some) > 1 else "."
    return f"{some[0].deployment.id}: {reason}{more}"
