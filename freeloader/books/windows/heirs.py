"""Whose calls a window has counted, where limits are described otherwise than before: by
another scope, or for other models. It is read off the windows' keys, and handed on to the new
ones; which windows there are is ``bindings``'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from fnmatch import fnmatchcase
from typing import NamedTuple

from freeloader.core import quota
from freeloader.core.model import Deployment, Limit
from freeloader.core.quota import Window

_SCOPES = ("account", "model", "ip", "ip+model")


class _Said(NamedTuple):
    """What a key says: whose calls, what of them, over how long, and of which models."""

    owner: str
    metric: str
    window: str
    models: str
    given: bool


def _said(key: str) -> _Said | None:
    """None for what is no key of a window: it may have been read from a damaged file."""
    given = len(key) > len(quota.twin_of(key))
    plain = quota.twin_of(key) if given else key
    parts = plain.rsplit("|", 3)
    if len(parts) != 4:
        return None
    owner, metric, window, models = parts
    return _Said(owner, metric, window, models, given)


class Users:
    """Which deployments count in which windows now: by published and own limits, not learnt."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        self.limits: dict[str, Limit] = {}
        self.of: dict[str, dict[str, Deployment]] = {}
        for one in deployments:
            for limit in (*one.limits, *one.beside):
                key = quota.key_of(limit, one)
                self.limits.setdefault(key, limit)
                self.of.setdefault(key, {})[one.id] = one

    def within(self, other: str, key: str) -> bool:
        """Whether whoever counts in ``other`` counts in ``key`` too."""
        return self.of[other].keys() <= self.of[key].keys()


class _Counted:
    """Windows that are known, to be asked which of them counted calls of a deployment."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys: dict[tuple[str, str, bool], list[tuple[str, _Said]]] = {}
        for key in keys:
            if (said := _said(key)) is None:
                continue
            self._keys.setdefault((said.owner, said.metric, said.given), []).append((key, said))

    def alike(self, key: str, users: Iterable[Deployment]) -> Iterator[str]:
        """The windows of the same metric and length in which calls of these were counted."""
        mine, found = _said(key), {key}
        if mine is None:
            return
        for user in users:
            for owner in (quota.owner_of(scope, user) for scope in _SCOPES):
                for other, said in self._keys.get((owner, mine.metric, mine.given), ()):
                    if other not in found and _counts(said, user, mine.window):
                        found.add(other)
                        yield other


def legacies(
    users: Users, known: Set[str], idle: Set[str], moved: Mapping[str, str]
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each bucket that is new or back, with those that counted its calls before: of the
    ``known`` that are ``idle`` now, and of those in force such as are within it.

    ``moved``: where the calls of a known one were counted instead, until it came back.
    """
    come = [key for key in users.of if key not in known or key in moved]
    if not come or not known:
        return
    counted, fresh = _Counted(known), set(come)
    for key in come:
        alike = [one for one in counted.alike(key, users.of[key].values()) if one not in fresh]
        former = [one for one in alike if one in idle]
        within = [one for one in alike if one in users.of and users.within(one, key)]
        if moved.get(key) in known:
            within.append(moved[key])
        if former or within or key in known:
            yield key, former, within


class Heir(NamedTuple):
    """A bucket that is new, or back, what it has counted itself, and who counted its calls
    besides: buckets that nobody counts in any more, and such as are within it."""

    window: Window
    own: float
    idle: list[Window]
    within: list[Window]


def hand_on(heirs: Sequence[Heir], now: float) -> None:
    """Each has used what buckets of before have counted beyond its own count, whichever of
    their heirs' calls that were."""
    shares = []
    for heir in heirs:  # before any of them changes
        rest = sum(max(0.0, quota.taken(one, now) - heir.own) for one in heir.idle)
        within = sum(quota.taken(one, now) for one in heir.within) - heir.own
        shares.append((rest, heir.idle) if rest >= within else (within, heir.within))
    for heir, (much, windows) in zip(heirs, shares, strict=True):
        if much > 0:
            quota.inherit(heir.window, windows, much, now)


def _counts(said: _Said, user: Deployment, window: str) -> bool:
    models = said.models.split(",") if said.models else ()
    return quota.same_length(said.window, window) and (
        not models or any(fnmatchcase(user.model.id, pattern) for pattern in models)
    )
