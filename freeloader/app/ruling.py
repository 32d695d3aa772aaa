"""The pipeline's ``Rules``: what the settings in force and the world say to a request.

What settings mean to decisions is worked out once per change of them, not per request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from freeloader.app.given import InForce
from freeloader.app.world import World
from freeloader.catalog.names import Names
from freeloader.catalog.premium import Premium
from freeloader.core import privacy
from freeloader.core.model import Level, Timeouts
from freeloader.core.policy.rules import Rule
from freeloader.core.privacy import Watching
from freeloader.core.ranking.need import Curve
from freeloader.gateway.classifying import Wish
from freeloader.gateway.ports import Keep
from freeloader.settings import Settings


@dataclass(frozen=True, slots=True)
class _Ready:
    """One state of the settings, made ready for requests."""

    settings: Settings
    levels: tuple[Level, ...]
    rules: Sequence[Rule]
    version: str
    own: privacy.Own | None
    curve: Curve
    keeping: Keep
    wish: Wish
    #: What is watched of a project that has no wish of its own.
    watching: Watching

    @classmethod
    def of(cls, settings: Settings) -> Self:
        own = privacy.Own(settings.privacy.patterns, settings.privacy.words) or None
        kept, asked = settings.logging, settings.classifier
        return cls(
            settings,
            (settings.level(),),
            settings.rules(),
            settings.policy_version(),
            own,
            settings.routing.curve(),
            Keep(kept.save_prompts, kept.save_responses),
            Wish(asked.mode == "model", asked.model, asked.seconds),
            Watching(privacy.combined((settings.privacy.pii, None)), own),
        )


class Ruling:
    """Goes by the settings in force; a change is noticed by the object being another."""

    def __init__(self, world: World, in_force: InForce) -> None:
        self._world, self._in_force = world, in_force
        self._made = _Ready.of(in_force.settings)

    def _ready(self) -> _Ready:
        settings = self._in_force.settings
        if settings is not self._made.settings:
            self._made = _Ready.of(settings)
        return self._made

    def names(self) -> Names:
        return self._world.names

    def levels(self, project: str | None) -> Sequence[Level]:
        return self._ready().levels

    def rules(self) -> Sequence[Rule]:
        return self._ready().rules

    def watching(self, project: str | None) -> Watching:
        ready = self._ready()
        wishes = ready.settings.privacy
        own = wishes.projects.get(project) if project is not None else None
        if own is None:
            return ready.watching
        return Watching(privacy.combined((wishes.pii, own)), ready.own)

    def curve(self) -> Curve:
        return self._ready().curve

    def timeouts(self, provider: str | None = None) -> Timeouts:
        return self._in_force.settings.upstream.timeouts(provider)

    def wish(self) -> Wish:
        return self._ready().wish

    def keeping(self) -> Keep:
        return self._ready().keeping

    def premium(self) -> Premium | None:
        return self._world.premium

    def catalog_version(self) -> str:
        return self._world.catalog.version

    def policy_version(self) -> str:
        return self._ready().version
