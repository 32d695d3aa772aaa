"""The policy of a request: its levels put together, bent by load and by a named model.

Most requests come with the very levels of the one before, so that what was put together
is kept and found again by these objects themselves: comparing them part by part costs more
than deciding does. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from freeloader.core import explain
from freeloader.core.model import Level, Policy
from freeloader.core.policy import PRESETS, combine, load, patient
from freeloader.core.policy.load import LoadRules
from freeloader.errors import InvalidRequest

#: Policies kept; all are forgotten when there are more.
_MOST = 256

_Key = tuple[tuple[int, ...], str, bool]


class Policies:
    """One per pipeline."""

    def __init__(self) -> None:
        self._rules: LoadRules | None = None
        # The levels are kept with what they made: while they live, no other has their ids.
        self._kept: dict[_Key, tuple[Sequence[Level], Policy]] = {}
        self._shown: dict[int, tuple[Policy, Mapping[str, Any]]] = {}

    def of(self, levels: Sequence[Level], level: str, rules: LoadRules, *, named: bool) -> Policy:
        """All ``levels`` together, the nearest first, under the load ``level``.

        ``named``: a model was named, which no preset's haste refuses. Raises
        InvalidRequest for a strategy that is none.
        """
        changed = rules is not self._rules and rules != self._rules
        if changed or len(self._kept) >= _MOST:
            self._rules, self._kept = rules, {}
        key = (tuple(map(id, levels)), level, named)
        known = self._kept.get(key)
        if known is not None:
            return known[1]
        policy = load.loaded(_policy(levels), level, rules)
        if named:
            policy = patient(policy) or policy
        self._kept[key] = (tuple(levels), policy)
        return policy

    def shown(self, policy: Policy) -> Mapping[str, Any]:
        """The policy as JSON; the same object for the same policy, not to be changed."""
        known = self._shown.get(id(policy))
        if known is not None and known[0] is policy:
            return known[1]
        if len(self._shown) >= _MOST:
            self._shown.clear()
        shown = explain.policy_shown(policy)
        self._shown[id(policy)] = (policy, shown)
        return shown


@lru_cache(maxsize=64)
def of_name(strategy: str | None) -> Level:
    """What the wanted model's name says of policy (``auto:cost-first``)."""
    return Level("model", strategy=strategy)


def _policy(levels: Sequence[Level]) -> Policy:
    policy = combine(levels)
    if policy.strategy not in PRESETS:
        raise InvalidRequest(
            f"Unknown strategy '{policy.strategy}'. Use one of: {', '.join(PRESETS)}.",
            param="strategy",
        )
    return policy
