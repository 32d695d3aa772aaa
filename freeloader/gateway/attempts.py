"""One attempt: lane events in, relayed events out, and what it consumed.

It decides nothing and keeps no books: it watches the stream, says when the
first content came, and at the end how much is known of the consumption:
``reported`` by the provider, ``counted`` by us, or unknown (``hold``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from freeloader.clock import Clock, Instant
from freeloader.core.events import Answer, Delta, End, Event, Fault, Headers, Usage
from freeloader.core.model import EMPTY, Attempt
from freeloader.core.outcome import flaws
from freeloader.core.outcome.flaws import Asked
from freeloader.core.routing.bounds import upper_meters
from freeloader.core.tokens import upper_tokens
from freeloader.gateway.ports import LanePort
from freeloader.money import Meters

#: Chunks held back before the first content; more than a role chunk or two means
#: a provider that streams emptiness, and they are let go.
_HELD_BACK = 64
#: Larger answers are looked at in a thread, so that nobody else waits meanwhile.
_JUDGED_HERE = 32_768
NOTHING_ASKED = Asked()
_THOUGHTS = ("reasoning_content", "reasoning", "thinking_blocks")
_THOUGHTLESS = frozenset(_THOUGHTS).isdisjoint
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal", "text")


class Watch:
    """What is known of one attempt while it runs. All times are of its clock."""

    def __init__(self, attempt: Attempt, clock: Clock, asked: Asked = NOTHING_ASKED) -> None:
        self.attempt = attempt
        self._clock = clock
        self._asked = asked
        self.flaw: str | None = None
        self.kept: list[Event] = []
        self.started: Instant = clock.now()
        self.first_at: Instant | None = None
        self.ended_at: Instant | None = None
        self.headers: Mapping[str, str] = EMPTY
        self.left_out: tuple[str, ...] = ()
        self.status: int | None = None
        self.usage: Usage | None = None
        self.fault: Answer | None = None
        self.finished = False
        self.sending = False
        self.relayed_bytes = 0
        self.events = 0
        #: More may have come than was read: the client was behind, or there was no end of it.
        self.unheard = False
        self.thinking_seen = False

    async def relay(self, lane: LanePort, give: Callable[[Event], Awaitable[None]]) -> None:
        """Gives the lane's events from the first content on; ``first_at`` is set before that.

        Ends after ``End`` or ``Fault``. A fault before any content is not
        given: it is left in ``fault`` with ``first_at`` None. An answer with a flaw is
        not given either: ``flaw`` says what is wrong with it, and it is left in ``kept``.
        """
        held: list[Event] = []
        self.sending = True
        events = lane.send(self.attempt)
        try:
            async for event in events:
                self._note(event)
                if isinstance(event, Headers):
                    continue
                if self.first_at is None:
                    if await self._is_flawed(event, held):
                        held.append(event)
                        continue
                    if not self._opens(event, len(held)):
                        if self.fault is None:
                            held.append(event)
                        continue
                    self.first_at = self._clock.now()
                    for earlier in held:
                        await give(earlier)
                    held.clear()
                self.unheard = True  # only if it is cut off while the client is waited for
                await give(event)
                self.unheard = False
        finally:
            await events.aclose()
        if self.flaw is not None and self.fault is None:
            self.kept = held
        self.ended_at = self._clock.now()

    def used(self) -> tuple[Meters, str]:
        """What to settle with, and its basis: ``reported``, ``counted`` or ``hold``.

        Counted is never below what was relayed. Where money is in play, a stream of which
        nobody knows how much lay unread is not counted, but the hold. A model that reasons without
        showing it may have produced all that it was allowed to before its first
        word: then that is counted (the books cap it by the hold, and mark it).
        """
        relayed = self._relayed_tokens()
        usage = self.usage
        if usage is not None and usage.reported:
            meters = usage.meters
            # Providers count tokens; pictures that have a price of their own we count.
            images = max(meters.images, self.attempt.profile.upper.images)
            if not meters.requests or images != meters.images:
                meters = replace(meters, requests=meters.requests or 1, images=images)
            return meters, "reported"
        unknown = self.unheard and self.attempt.deployment.billable
        if self.first_at is None or not self.attempt.profile.stream or unknown:
            return self.upper(), "hold"
        guessed = usage.meters.output if usage is not None else 0
        upper = self.upper()
        counted = Meters(
            requests=1,
            input=upper.input,
            output=max(relayed, guessed, upper.output if self._may_have_thought() else 0),
            images=upper.images,
        )
        return counted, "counted"

    @property
    def worth_waiting_for(self) -> bool:
        """True while a whole answer is on its way that is paid for however it ends."""
        whole = self.sending and self.ended_at is None and not self.attempt.profile.stream
        return whole and self.attempt.deployment.billable

    @property
    def worth_hearing_out(self) -> bool:
        """True while a stream runs of which more than was read may be billed or counted."""
        running = self.sending and self.ended_at is None and self.attempt.profile.stream
        return running and not self.attempt.deployment.local

    def upper(self) -> Meters:
        """What was held for this attempt."""
        return upper_meters(self.attempt.profile, self.attempt.deployment)

    def latency_ms(self) -> float:
        end = self.ended_at or self._clock.now()
        return (end.mono - self.started.mono) * 1000

    def first_ms(self) -> float | None:
        if self.first_at is None:
            return None
        return (self.first_at.mono - self.started.mono) * 1000

    async def _is_flawed(self, event: Event, held: list[Event]) -> bool:
        """Whether this answer has a flaw, as far as can be told by now."""
        if self.flaw is not None:
            return True
        if isinstance(event, Delta) and not self.attempt.profile.stream:
            if self.relayed_bytes > _JUDGED_HERE:
                self.flaw = await asyncio.to_thread(flaws.found, event.data, self._asked)
            else:
                self.flaw = flaws.found(event.data, self._asked)
        elif isinstance(event, End):
            self.flaw = flaws.empty(event.finish_reason or _finish_of(held))
        return self.flaw is not None

    def _may_have_thought(self) -> bool:
        reasons = "reasoning" in self.attempt.deployment.model.capabilities
        return reasons and not self.thinking_seen

    def _relayed_tokens(self) -> int:
        return upper_tokens(self.relayed_bytes) if self.relayed_bytes else 0

    def _opens(self, event: Event, held: int) -> bool:
        """True once there is no falling back: content, a whole answer, or a proper end."""
        if isinstance(event, Delta):
            return event.content or not self.attempt.profile.stream or held >= _HELD_BACK
        return isinstance(event, End)

    def _note(self, event: Event) -> None:
        self.events += 1
        if isinstance(event, Headers):
            self.status, self.headers = event.status, event.headers
            self.left_out = event.left_out
        elif isinstance(event, Delta):
            for part in _parts(event.data):
                self.relayed_bytes += _content_bytes(part)
                self.thinking_seen = self.thinking_seen or _thinks(part)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Fault):
            self.fault = event.answer
        else:
            self.finished = True


def _finish_of(held: Iterable[Event]) -> str | None:
    """The last reason to finish that a chunk gave."""
    said = None
    for event in held:
        choices = event.data.get("choices") if isinstance(event, Delta) else None
        for choice in choices if isinstance(choices, list) else ():
            reason = choice.get("finish_reason") if isinstance(choice, dict) else None
            said = reason if isinstance(reason, str) else said
    return said


def _content_bytes(part: dict[str, Any]) -> int:
    """Bytes of text, reasoning and tool arguments in one choice of a chunk or body.

    Providers send what they like: whatever is not of the expected shape counts nothing.
    """
    total = 0
    for key in _TEXTS:
        if key in part:
            total += _size(part[key])
    calls = part.get("tool_calls")
    if isinstance(calls, list):
        for call in calls:
            total += _call_size(call.get("function") if isinstance(call, dict) else None)
    function = part.get("function_call")
    return total if function is None else total + _call_size(function)


def _thinks(part: dict[str, Any]) -> bool:
    return not _THOUGHTLESS(part) and any(part.get(key) for key in _THOUGHTS)


def _parts(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The delta or message of each choice (the choice itself for text completions)."""
    choices = data.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            part = choice.get("delta") or choice.get("message") or choice
            if isinstance(part, dict):
                yield part


def _call_size(function: Any) -> int:
    if not isinstance(function, dict):
        return 0
    return _size(function.get("name")) + _size(function.get("arguments"))


def _size(value: Any) -> int:
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
