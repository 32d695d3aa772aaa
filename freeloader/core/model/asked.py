"""What is asked: a request as its surface understood it, by whom, for which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from freeloader.core.model.nothing import EMPTY
from freeloader.core.model.policy import Level
from freeloader.money import LIST, Meters, Surcharge
from freeloader.records import record

if TYPE_CHECKING:
    from freeloader.core.privacy.wish import Found

#: Where a request, or the key that asks, says nothing of policy.
_DIRECTIVES, _OF_THE_KEY = Level("request"), Level("key")


@record(frozen=True, slots=True)
class Profile:
    """What a surface understood of a request; all that the pipeline knows of it.

    ``operation`` is ``chat`` or ``completion``; ``model`` the name as wanted;
    ``needs`` the capabilities the body itself asks for (``streaming``, ``tools``,
    ``vision``, ``json``); ``upper`` bounds what one attempt can consume,
    ``expected`` is what it likely will; ``bounded`` is False where the client
    gave no output bound, so that ``upper.output`` depends on the model chosen.
    ``output_ceiling`` bounds it where the registry does not know the model's own, and
    ``surcharge`` is what the request's fields add to list price.
    ``need`` is the intelligence (1–10) that task and complexity call for; None: unknown.
    ``signers`` are the makers whose signatures stand in the turn that is still open.
    ``headers`` are the request's, lower-case, without those that carry credentials.
    ``level`` holds the request's own directives; ``payload`` is for the lane
    alone and opaque to everyone else.
    """

    operation: str
    model: str
    needs: frozenset[str]
    upper: Meters
    expected: Meters
    bounded: bool = True
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    level: Level = _DIRECTIVES
    project: str | None = None
    session: str | None = None
    task: str = "chat"
    complexity: float = 0.0
    #: Intelligence 1–10 that the task needs; None: not read yet. ``confidence`` of the task 0–1.
    need: float | None = None
    confidence: float = 0.0
    #: Who said so: ``client | structure | words | weights | model``.
    task_by: str = ""
    signers: frozenset[str] = frozenset()
    #: Private data in it, and what is wished where there is any; None: not read yet.
    private: Found | None = None
    dropped: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    payload: Mapping[str, Any] = field(default=EMPTY, repr=False)
    output_ceiling: int = 8_192
    surcharge: Surcharge = LIST


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an AppKey, after authentication. ``role``: ``admin | client | viewer``."""

    key_id: str
    role: str
    project: str | None = None
    level: Level = _OF_THE_KEY
    name: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a wanted model name means.

    ``kind``: ``auto`` (all candidates; ``strategy`` may be set), ``named``
    (only ``deployments``), ``similar`` (any model of at least
    ``min_intelligence`` and ``capabilities``: a substitution, to be said).
    ``deployments`` holds deployment ids; empty: all. ``rule`` names the owner's rule
    that narrowed them, ``redirected`` says that a named model is answered by another: by a
    rule, or because an alias led to a model that is gone and has a successor.
    """

    kind: str
    requested: str
    deployments: frozenset[str] = frozenset()
    strategy: str | None = None
    min_intelligence: float | None = None
    capabilities: frozenset[str] = frozenset()
    alias: str | None = None
    rule: str | None = None
    redirected: bool = False

    @property
    def substituted(self) -> bool:
        """True where something else answers than the model that was named."""
        return self.kind == "similar" or self.redirected
