"""``POST /v1/completions``: one prompt, served as a chat with one user message.

Most models that are free today have no text-completion endpoint. The body is
turned into a chat here, and ``shapes`` turns the chat answer back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freeloader.core.model import Caller, Profile
from freeloader.gateway.surfaces.chat import build_profile
from freeloader.gateway.surfaces.fields import COMPLETIONS, sort_fields
from freeloader.gateway.surfaces.messages import read_messages
from freeloader.gateway.surfaces.params import check_params, flag, wrong
from freeloader.gateway.surfaces.tools import read_tools


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion's profile, and what its answers begin with (``echo``)."""

    profile: Profile
    echo: str = ""


def parse_completion(
    body: Mapping[str, Any], headers: Mapping[str, str], caller: Caller
) -> Completion:
    """A completion body. Raises InvalidRequest, Forbidden."""
    fields = sort_fields(body, COMPLETIONS)
    prompt = read_prompt(fields.passed.pop("prompt", None))
    if fields.consumed.get("suffix"):
        raise wrong("suffix", "is not offered: chat models do not fill in the middle")
    echo = flag("echo", fields.consumed.get("echo", False))
    logprobs = fields.passed.pop("logprobs", None)
    found = read_messages([{"role": "user", "content": prompt}])
    params = check_params(fields.passed)
    params.update(read_tools(fields.passed, found))
    params.update(_logprobs(logprobs))
    profile = build_profile("completion", fields, found, params, headers, caller)
    return Completion(profile, prompt if echo else "")


def read_prompt(value: Any) -> str:
    """The one prompt. Raises InvalidRequest for token ids and for several prompts."""
    if isinstance(value, list):
        if len(value) != 1:
            raise wrong("prompt", "must be one text: send one request for each prompt")
        value = value[0]
    if not isinstance(value, str) or not value:
        raise wrong("prompt", "must be text (lists of token ids are not accepted)")
    return value


def _logprobs(value: Any) -> dict[str, Any]:
    """The old form is a count; the chat form is a flag and a count."""
    if value is None or value is False:
        return {}
    if value is True:
        return {"logprobs": True}
    if type(value) is not int or not 0 <= value <= 20:
        raise wrong("logprobs", "must be a whole number from 0 to 20")
    return {"logprobs": True, **({"top_logprobs": value} if value else {})}
