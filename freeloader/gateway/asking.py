"""Questions that the daemon asks for itself, through the same pipeline as everybody's.

Budgets, quotas, gates and the journal hold for them as for any request; the caller
is named after what asked. What is done with the answer is the asker's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from freeloader.clock import Clock
from freeloader.core.events import Delta, Fault
from freeloader.core.model import Caller, Profile
from freeloader.core.policy import tighten
from freeloader.errors import UpstreamFailed
from freeloader.gateway import guarding
from freeloader.gateway.surfaces.answer import Run, collect, fault_error, too_long
from freeloader.gateway.surfaces.chat import parse_chat


class PipelinePort(Protocol):
    async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile: ...

    def begin(self, profile: Profile, caller: Caller, request_id: str) -> Run: ...


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its text, and how it came about (``routing``, and ``usage`` with its cost).

    ``first_ms`` and ``ms`` are milliseconds to the first words (of a stream) and to the end.
    """

    text: str
    routing: Mapping[str, Any]
    usage: Mapping[str, Any]
    ms: float = 0.0
    first_ms: float | None = None


class Asking:
    """One per daemon."""

    def __init__(self, pipeline: PipelinePort, new_id: Callable[[], str], clock: Clock) -> None:
        self._pipeline = pipeline
        self._new_id = new_id
        self._clock = clock

    async def ask(
        self,
        body: Mapping[str, Any],
        caller: Caller,
        seconds: float,
        like: Profile | None = None,
    ) -> Said:
        """The answer to a chat body (contract §5); a stream is read to its end.

        ``like``: the request on whose behalf it is asked; its constraints hold here too.
        Raises FreeloaderError, also for an answer without words.
        """
        parsed = parse_chat(body, {}, caller)
        if like is not None:
            parsed = _under(parsed, like)
        profile = await self._pipeline.prepare(parsed, caller)
        began = self._clock.now().mono
        run = self._pipeline.begin(profile, caller, self._new_id())
        done, first = False, None
        try:
            async with asyncio.timeout(seconds):
                await run.first(seconds)
                if profile.stream:
                    first = (self._clock.now().mono - began) * 1000
                    text = await _streamed(run)
                else:
                    text = _text((await collect(run)).data)
            done = True
        except TimeoutError:
            raise too_long(seconds) from None
        finally:
            if not done:
                run.abandon()
        elapsed = (self._clock.now().mono - began) * 1000
        return Said(_readable(text), run.routing(), run.accounting(), elapsed, first)

    async def words(
        self, body: Mapping[str, Any], caller: Caller, seconds: float, like: Profile
    ) -> str:
        """Only what was said, under the constraints of ``like``."""
        return (await self.ask(body, caller, seconds, like)).text


async def _streamed(run: Run) -> str:
    """The words of a stream, put together. Raises FreeloaderError where it breaks."""
    parts: list[str] = []
    async for event in run.events():
        if isinstance(event, Fault):
            raise fault_error(event)
        if isinstance(event, Delta):
            for choice in event.data.get("choices") or ():
                content = (choice.get("delta") or {}).get("content")
                parts.append(content if isinstance(content, str) else "")
    return "".join(parts)


def _under(profile: Profile, like: Profile) -> Profile:
    """The profile under another one's constraints: gates, cost limit, project, what is private."""
    gates = tighten((profile.level, like.level, *guarding.levels(like)))
    costs = [c for c in (profile.level.max_cost, like.level.max_cost) if c is not None]
    level = replace(profile.level, gates=gates, max_cost=min(costs, default=None))
    return replace(profile, level=level, project=like.project)


def _text(data: Mapping[str, Any]) -> str:
    """The first choice's words; empty where there are none."""
    try:
        text = data["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return ""
    return text if isinstance(text, str) else ""


def _readable(text: str) -> str:
    if not text.strip():
        raise UpstreamFailed("The model answered with nothing that could be read.")
    return text
