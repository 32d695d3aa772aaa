"""What a lane tells the pipeline: a stream of ``Headers, Delta*, Usage?, (End | Fault)``.

A lane always closes with exactly one ``End`` or ``Fault``, and never raises for
what a provider does. ``Headers`` comes first where the provider answered with
success; a refusal is a ``Fault`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.model import EMPTY
from freeloader.money import Meters
from freeloader.records import record


@record(frozen=True, slots=True)
class Headers:
    """The provider's own status and headers (lower-case names), success only.

    ``left_out`` names fields of the request that this lane could not send there.
    """

    status: int
    headers: Mapping[str, str] = EMPTY
    left_out: tuple[str, ...] = ()


@record(frozen=True, slots=True)
class Delta:
    """One chunk of a stream, or the whole body of a JSON answer, as parsed JSON.

    ``content`` is True once the chunk carries content, a tool call or
    reasoning: from then on there is no falling back.
    """

    data: dict[str, Any]
    content: bool


@record(frozen=True, slots=True)
class Usage:
    """What the provider says was consumed. ``reported`` is False where the lane guessed it."""

    meters: Meters
    reported: bool = True
    raw: Mapping[str, Any] = field(default=EMPTY)


@record(frozen=True, slots=True)
class End:
    """The answer is complete."""

    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A failure as the provider gave it, before anybody judged it.

    ``status`` None: no answer came. ``body`` is text, at most 4 KB.
    ``error_class`` and ``code`` are what the lane made of it (LiteLLM's class
    name, the provider's own code). ``phase``: ``connect`` (nothing was sent),
    ``head`` (sent, no success status yet), ``stream`` (after success began).
    ``timeout``: the attempt ran into one of its limits. ``lane_fault``: the
    lane itself broke (child gone), the provider is not to blame.
    """

    status: int | None
    headers: Mapping[str, str] = EMPTY
    body: str = ""
    error_class: str | None = None
    code: str | None = None
    phase: str = "head"
    timeout: bool = False
    lane_fault: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """The attempt failed."""

    answer: Answer


Event = Headers | Delta | Usage | End | Fault
