"""The bytes of a provider's success, as events. Pure: fed by the call, waits for nothing.

Whatever comes (half characters, broken JSON, two ends or none), it is told in exactly
one ``End`` or ``Fault``, with the usage before it where there was any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from freeloader.child.bodies import parsed
from freeloader.core.events import Delta, End, Event, Fault
from freeloader.core.model import EMPTY
from freeloader.gateway.lanes.direct import answers
from freeloader.gateway.lanes.reading import Reading
from freeloader.gateway.lanes.sse import ServerEvent, SseParser

_DONE = b"[DONE]"
_GARBAGE = 512


class Telling:
    """One answer. ``ident`` and what ``created`` gives (Unix seconds) stand in where the provider
    gives none."""

    def __init__(self, stream: bool, ident: str, created: Callable[[], int]) -> None:
        self._stream = stream
        self._ident = ident
        self._created = created
        self._reading = Reading(stream=stream)
        self._parser = SseParser() if stream else None
        self._failure: bytes | None = None
        self._stray: bytes | None = None
        self._head = b""
        self.headers: Mapping[str, str] = EMPTY
        #: True once the provider said that it is done, or that it failed: the rest is nothing.
        self.over = False
        #: True once a chunk came, whatever it said.
        self.begun = False

    @property
    def held(self) -> int:
        """Bytes of an event that has not come to its end."""
        return 0 if self._parser is None else self._parser.held

    def feed(self, piece: bytes) -> list[Event]:
        """The chunks that a piece of a stream completes. Raises TooLong."""
        if not self.begun and len(self._head) < _GARBAGE:
            self._head += piece[:_GARBAGE]
        assert self._parser is not None
        return self._deltas(self._parser.feed(piece))

    def end(self) -> list[Event]:
        """What the stream came to; it has ended, or is ``over``."""
        assert self._parser is not None
        last = [] if self.over else self._deltas(self._parser.close())
        reading = self._reading
        if self._failure is not None:
            return [*last, *self.broken("CutStream", self._failure)]
        stray = self._stray
        if reading.finish_reason or (self.over and reading.content and stray is None):
            return [*last, *self._usage(), End(reading.finish_reason)]
        if reading.content:
            return [*last, *self.broken("CutStream", stray or b"")]
        return [*last, *self.broken("EmptyAnswer", stray or (b"" if self.begun else self._head))]

    def whole(self, body: bytes) -> list[Event]:
        """The events of a JSON answer."""
        data, reading = parsed(body), self._reading
        if data is None:
            return self.broken("EmptyAnswer", body[:_GARBAGE])
        failure = answers.failure_in(data)
        if self._stream:
            answers.as_chunk(data)
        answers.tidy(data, self._ident, self._created, stream=self._stream)
        if failure:
            reading.take(data)  # for its usage
            return self.broken("CutStream" if reading.content else "EmptyAnswer", failure)
        if not reading.take(data) or not (reading.content or reading.finish_reason):
            return self.broken("EmptyAnswer", b"" if "choices" in data else body)
        return [Delta(data, reading.content), *self._usage(), End(reading.finish_reason)]

    def broken(self, why: str, text: bytes = b"") -> list[Event]:
        """It came to nothing, or broke off: what was used is told all the same."""
        return [*self._usage(), Fault(answers.broken(self.headers, why, text))]

    def _deltas(self, events: list[ServerEvent]) -> list[Event]:
        found: list[Event] = []
        for event in events:
            if self.over:
                break
            if event.data == _DONE:
                self.over = True
                break
            data = parsed(event.data)
            if data is not None:
                self.begun = True
            failed = event.name == "error" or (data is not None and data.get("error"))
            failure = event.data if failed else answers.failure_in(data or {})
            if failure:
                self._failure, self.over = failure, True
                break
            self._note_stray(event.data, data)
            if data is None:
                continue
            delta = self._delta(data)
            if delta is not None:
                found.append(delta)
        return found

    def _note_stray(self, text: bytes, data: dict[str, Any] | None) -> None:
        """The first event that is no piece of an answer: how some servers say that they failed.

        It counts only where the answer is not finished besides. What may hold a piece of
        the text is not repeated.
        """
        known = data is not None and (
            not data or not {"choices", "usage", "x_groq"}.isdisjoint(data)
        )
        if self._stray is None and text and not known:
            self._stray = b"" if b'"choices"' in text else text[:_GARBAGE]

    def _delta(self, data: dict[str, Any]) -> Delta | None:
        """A chunk as an event; None where it says nothing to the client."""
        reading = self._reading
        answers.hoist_usage(data)
        if not isinstance(data.get("choices"), list):
            reading.take(data)  # for its usage
            return None
        answers.as_chunk(data)
        answers.tidy(data, self._ident, self._created, stream=True)
        self._ident = data["id"]
        if not reading.take(data) or reading.bare:
            return None
        return Delta(data, reading.says)

    def _usage(self) -> list[Event]:
        """What the provider said of its usage; marked as a guess where it said nothing."""
        reading = self._reading
        if not reading.any and not reading.told:
            return []
        return [reading.usage({"usage": reading.told})]
