"""A chat body as a Profile, for the tests of surfaces."""

from __future__ import annotations

from typing import Any

from front_fakes import CALLERS, CLIENT

from freeloader.core.model import Profile
from freeloader.gateway.surfaces.chat import parse_chat

USER: dict[str, Any] = {"role": "user", "content": "hello"}
CALLER = CALLERS[CLIENT]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(headers: dict[str, str] | None = None, **fields: Any) -> Profile:
    return parse_chat({"messages": [USER], **fields}, headers or {}, CALLER)
