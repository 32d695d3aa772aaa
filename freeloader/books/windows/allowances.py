"""Whose free allowance still lasts, of accounts that can be billed. It counts and refuses nothing.

Deployments that share their allowances are one group: what flips, flips for all of it.
A flip is noticed when a call of the group is held, settled or released, and otherwise at
the next regular look, since windows also come back by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from freeloader.books.windows.quotas import Quotas
from freeloader.core import quota
from freeloader.core.model import Deployment
from freeloader.core.quota import Window


@dataclass(slots=True)
class _Group:
    """``windows``: all of them need room; ``lasts``: they had, at the last look."""

    windows: tuple[Window, ...]
    members: list[str] = field(default_factory=list)
    lasts: bool = False


class Allowances:
    """``flipped`` is called with deployments and whether their allowance lasts from now on."""

    def __init__(self, quotas: Quotas, flipped: Callable[[Collection[str], bool], None]) -> None:
        self._quotas, self._flipped = quotas, flipped
        self._given: tuple[Deployment, ...] = ()
        self._groups: dict[tuple[str, ...], _Group] | None = None
        self._of: dict[str, _Group] = {}

    def replace(self, deployments: Iterable[Deployment]) -> None:
        """Another set of deployments; it takes effect at the next ``look``."""
        some = self._given
        self._given = tuple(d for d in deployments if any(d.gives(x) for x in d.limits))
        self._groups = None
        self._of = {}
        gone = {d.id for d in some} - {d.id for d in self._given}
        if gone:
            self._flipped(gone, False)

    def look(self, now: float) -> None:
        """At all of them; cheap where there are none."""
        if not self._given:
            return
        if self._groups is None:
            self._groups = self._grouped(now)
        for group in self._groups.values():
            self._see(group, now)

    def look_at(self, deployment: str, now: float) -> None:
        """At those that share the deployment's allowances: a call of it changed them."""
        if (group := self._of.get(deployment)) is not None:
            self._see(group, now)

    def _see(self, group: _Group, now: float) -> None:
        lasts = all(quota.covers(window, now) for window in group.windows)
        if lasts != group.lasts:
            group.lasts = lasts
            self._flipped(group.members, lasts)

    def _grouped(self, now: float) -> dict[tuple[str, ...], _Group]:
        groups: dict[tuple[str, ...], _Group] = {}
        for deployment in self._given:
            windows = self._quotas.given(deployment, now)
            name = tuple(window.key for window in windows)
            group = self._of[deployment.id] = groups.setdefault(name, _Group(windows))
            group.members.append(deployment.id)
        for group in groups.values():
            self._flipped(group.members, False)  # whatever was said of them before
        return groups
