"""A pipeline that answers by script: what a run yields, and what the client then gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from freeloader.core.events import Delta, End, Fault, Usage
from freeloader.core.model import Caller, Profile
from freeloader.errors import FreeloaderError
from freeloader.money import Meters


def answer(text: str = "hi", **extra: Any) -> dict[str, Any]:
    """A chat answer as a lane hands it over."""
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 5,
        "model": "groq/small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        **extra,
    }


def piece(delta: Mapping[str, Any], finish: str | None = None, **extra: Any) -> dict[str, Any]:
    """A stream chunk as a lane hands it over."""
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "groq/small",
        "choices": [{"index": 0, "delta": dict(delta), "finish_reason": finish}],
        **extra,
    }


USAGE = Usage(
    Meters(requests=1, input=9, output=3),
    raw={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
)
JSON_SCRIPT = (Delta(answer(), True), USAGE, End("stop"))
SSE_SCRIPT = (
    Delta(piece({"role": "assistant", "content": ""}), False),
    Delta(piece({"content": "he"}), True),
    Delta(piece({"content": "llo"}), True),
    Delta(piece({}, "stop"), False),
    USAGE,
    End("stop"),
)


class FakeRun:
    """Plays a script: how often ``first`` says "not yet", then an error or events."""

    def __init__(self, plan: Script) -> None:
        self.decision_id = "d-1"
        self._plan = plan
        self._waits = plan.waits
        self.abandoned = asyncio.Event()
        self.ended = False

    async def first(self, timeout: float) -> bool:
        if self._waits:
            self._waits -= 1
            return False
        if self._plan.error is not None:
            raise self._plan.error
        if self._plan.hang:
            await asyncio.Event().wait()
        return True

    def headers(self) -> dict[str, str]:
        return {
            "X-Freeloader-Decision-Id": self.decision_id,
            "X-Freeloader-Provider": "groq",
            "X-Freeloader-Model": "groq/small",
            "X-Freeloader-Strategy": "balanced",
            "X-Freeloader-Reason": "it is – free",
            "X-Freeloader-Attempts": "1",
        }

    def routing(self) -> dict[str, Any]:
        return {"provider": "groq", "model": "groq/small", "attempts": 1, "alternatives": []}

    def accounting(self) -> dict[str, Any]:
        assert self.ended, "accounting is asked for before the run ended"
        return {
            "tokensIn": 9,
            "tokensOut": 3,
            "costUsd": 0.0,
            "latencyMs": 12,
            "quotaUsed": {"requests": 1},
            "estimated": False,
        }

    def budget(self) -> dict[str, Any]:
        return {"dailySpent": 0.0, "dailyRemaining": 5.0, "projectSpent": None}

    async def events(self) -> AsyncIterator[Delta | Usage | End | Fault]:
        for event in self._plan.events:
            if isinstance(event, FreeloaderError):
                raise event
            if event is HANG:
                await asyncio.Event().wait()
            yield event  # type: ignore[misc]
        self.ended = True

    def abandon(self) -> None:
        self.abandoned.set()


HANG = object()


@dataclass
class Script:
    """What the next runs do."""

    events: Sequence[Any] = JSON_SCRIPT
    waits: int = 0
    error: FreeloaderError | None = None
    hang: bool = False


@dataclass
class FakePipeline:
    script: Script = field(default_factory=Script)
    profiles: list[Profile] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    runs: list[FakeRun] = field(default_factory=list)
    broken: Exception | None = None
    full: FreeloaderError | None = None
    waiting: list[int] = field(default_factory=list)

    async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile:
        return profile

    def admit(self, waiting: int = 0) -> None:
        self.waiting.append(waiting)
        if self.full is not None:
            raise self.full

    def begin(self, profile: Profile, caller: Caller, request_id: str) -> FakeRun:
        if self.broken is not None:
            raise self.broken
        self.profiles.append(profile)
        self.callers.append(caller)
        self.ids.append(request_id)
        run = FakeRun(self.script)
        self.runs.append(run)
        return run

    def explain(self, profile: Profile, caller: Caller) -> dict[str, Any]:
        self.profiles.append(profile)
        return {"winner": "groq@0/small", "candidates": []}
