"""One request's way to its provider and back, as it is remembered. Pure, and bounded.

``inside.tap`` feeds it, ``inside.door`` tells it to the front. It looks for marks in the
bytes (usage, an end, an error) and parses nothing but usage objects.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx
import orjson

from freeloader.child.heads import bounded_headers
from freeloader.child.told import Told

BODY_BYTES = 4096
_TAIL_BYTES = 16 * 1024
_OVERLAP = 64
#: Usage objects that are looked at, from the end of the answer on.
_USAGES = 8
_GARBAGE_BYTES = 512
# Keys inside generated text have their quotes escaped: a backslash before the key is not a key.
_USAGE = re.compile(
    rb'(?<!\\)"(?:usage|billed_units|tokenUsage)"\s*:\s*\{|(?<!\\)"usageMetadata"|(?<!\\)"prompt_eval_count"'
)
_FINISH = re.compile(
    rb'(?<!\\)"(?:finish_reason|finishReason|stop_reason|stopReason|done_reason)"\s*:\s*"(?!error")'
    rb'|(?<!\\)"done"\s*:\s*true|"message[-_](?:end|stop)"'
)
#: A word of the answer, in the way of most providers.
_SPOKEN = re.compile(
    rb'(?<!\\)"(?:content|reasoning_content|reasoning|refusal|text|arguments)"\s*:\s*"[^"]'
)
_ERROR = re.compile(rb'(?<!\\)"error"\s*:\s*[{"]')
#: Kinds of answer in which the marks above can be seen: in Amazon's frames too, but for those
#: of its older calls, which carry the provider's own events in base64.
_READABLE = ("json", "text/", "amazon.eventstream")
_HIDDEN = b'{"bytes":"'
#: What failed behind a stream of Amazon's: its name, and what it says of it.
_EXCEPTION = re.compile(rb":exception-type\x07..(\w{1,64}).{0,256}?(\{[^{}]{0,1024}\})", re.DOTALL)
_COUNTED = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_USAGE_OBJECT = re.compile(rb'(?<!\\)"usage"\s*:\s*(?=\{)')


class Wire:
    """What is known of one request's way to its provider and back. All of it is bounded."""

    __slots__ = (
        "body", "calls", "code", "connect_seconds", "connected", "done", "ended", "error_class",
        "failed", "finish", "headers", "message", "opaque", "spoke", "status", "streams", "tail",
        "transport", "usage",
    )  # fmt: skip

    def __init__(self, connect_seconds: float | None = None) -> None:
        self.connect_seconds = connect_seconds
        self.calls = 0
        self.connected = False
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.body = b""
        self.tail = b""
        self.usage = False
        #: It said something after it had told its usage: that was not all, then.
        self.spoke = False
        self.ended = False  # the event in which the usage was told
        self.streams = False
        self.finish = False
        self.done = False
        self.failed = False
        self.opaque = False
        self.transport: str | None = None
        self.error_class: str | None = None
        self.code: str | None = None
        self.message = ""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """A provider's answer has begun; a later call of the same request replaces it."""
        self.connected, self.transport = True, None
        self.status, self.headers = status, bounded_headers(headers)
        self.body = self.tail = b""
        self.usage = self.finish = self.done = self.spoke = self.ended = False
        kind = self.headers.get("content-type", "")
        self.streams = "event-stream" in kind
        self.opaque = not any(word in kind for word in _READABLE)

    @property
    def finished(self) -> bool:
        """True if the provider said that it is done, or if that cannot be read here."""
        return self.finish or self.opaque or self.calls == 0

    @property
    def whole(self) -> bool:
        """True if it ends as an answer in OpenAI's shape does, and in nothing strange."""
        return self.done and (self.finish or not self.stray())

    def feed(self, chunk: bytes) -> None:
        """A piece of the answer's decoded body."""
        seam = self.tail[-_OVERLAP:] + chunk
        self._look_for_usage(seam, chunk)
        self.finish = self.finish or _FINISH.search(seam) is not None
        self.done = self.done or b"[DONE]" in seam
        self.opaque = self.opaque or _HIDDEN in seam
        if len(self.body) < BODY_BYTES:
            self.body += chunk[: BODY_BYTES - len(self.body)]
        self.tail = (self.tail + chunk)[-_TAIL_BYTES:]

    def _look_for_usage(self, seam: bytes, chunk: bytes) -> None:
        """Whether it came, and in a later event a word of the answer."""
        ends = [match.end() for match in _USAGE.finditer(seam)]
        if not self.streams or ends:
            self.usage = self.usage or bool(ends)
            after = seam.find(b"\n", ends[-1]) if ends and self.streams else -1
            self.spoke = False
        elif not self.usage or self.spoke or self.done:
            return
        elif self.ended:  # of what was there before, only the event that goes on
            after = seam.rfind(b"\n", 0, len(seam) - len(chunk)) + 1
        else:
            after = seam.find(b"\n", len(seam) - len(chunk))
        self.ended = after >= 0
        if self.ended:  # what comes behind the end is nothing
            end = seam.find(b"[DONE]", after)
            self.spoke = _SPOKEN.search(seam, after, end if end >= 0 else len(seam)) is not None

    def broke(self, error: BaseException) -> None:
        """The call failed below HTTP."""
        self.transport = type(error).__name__
        self.message = self.message or str(error)[:500]
        self.connected = self.connected or not _never_connected(error)

    @property
    def said(self) -> bool:
        """True if its beginning has a word of an answer in it."""
        return _SPOKEN.search(self.body) is not None

    def last_words(self) -> bytes:
        """The error that a provider wrote into its answer, or the head of what is no answer.

        Never the generated text: what a client got is nobody's log entry.
        """
        found = [match.start() for match in _ERROR.finditer(self.tail)]
        answer = self.said or b'"choices"' in self.body
        if found and (self.streams or answer):
            start = self.tail.rfind(b"\n", 0, found[-1]) + 1
            end = self.tail.find(b"\n", found[-1])
            line = self.tail[start : end if end >= 0 else None]
            return line.removeprefix(b"data:").strip()[:BODY_BYTES]
        if failed := _EXCEPTION.findall(self.tail):
            return b" ".join(failed[-1])
        if self.done and (stray := self.stray()):
            return stray[:_GARBAGE_BYTES]
        return b"" if answer else self.body[: BODY_BYTES if found else _GARBAGE_BYTES]

    def stray(self) -> bytes:
        """Of a stream in OpenAI's shape the last event that is no piece of an answer: how some
        servers say that they failed. Empty where there is none near the end."""
        lines = self.tail.split(b"\n")
        for line in reversed(lines[1:] if len(self.tail) == _TAIL_BYTES else lines):
            text = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
            known = b'"choices"' in text or b'"usage"' in text or text == b"[DONE]"
            if text and text != b"{}" and not known:
                return text
        return b""

    def told(self) -> Told | None:
        """The usage objects at the end of an OpenAI-shaped answer, as they were sent."""
        told: Told | None = None
        starts = [match.end() for match in _USAGE_OBJECT.finditer(self.tail)]
        for start in starts[-_USAGES:]:
            found = _object_at(self.tail, start)
            if found is None or _COUNTED.isdisjoint(found):
                continue
            if told is None:
                told = Told(found)
            else:
                told.again(found, text_between=False)
        return told


def _never_connected(error: BaseException | None) -> bool:
    """True where no connection came about, so that nothing can have been sent."""
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            return True
        if isinstance(error, (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _object_at(text: bytes, start: int) -> dict[str, Any] | None:
    """The JSON object that begins at ``start``; None if it is cut off or too large."""
    depth, quoted, position = 0, False, start
    end = min(len(text), start + 2048)
    while position < end:
        char = text[position]
        if quoted:
            if char == 0x5C:
                position += 1
            elif char == 0x22:
                quoted = False
        elif char == 0x22:
            quoted = True
        elif char == 0x7B:
            depth += 1
        elif char == 0x7D:
            depth -= 1
            if depth == 0:
                break
        position += 1
    try:
        found = orjson.loads(text[start : position + 1])
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
