"""What a conversation carries that only one maker can read, and its translation for others.

Makers sign their models' thoughts (Anthropic's thinking blocks, Gemini's thought
signatures, which LiteLLM puts into tool-call ids) and ask for them back while a turn is
open: while tool calls of the last turn wait for the model's next word. So an open signed
turn stays with its maker (the gate ``incompatible_history``); in closed turns signatures
are left out for everybody else, and tool-call ids, which only tie a result to its call,
are renamed where a provider would not take them. Nothing else of a message changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from freeloader.core.model import Deployment

#: What LiteLLM puts between an id and Gemini's signature.
THOUGHT = "__thought__"
#: Fields of a tool call that carry Gemini's signature: Google's own, and LiteLLM's.
SIGNED_CALL = ("extra_content", "provider_specific_fields")
_UNSIGNED = frozenset(SIGNED_CALL).isdisjoint
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: Mistral takes nine letters and digits, nothing else.
_MISTRAL_ID = re.compile(r"[A-Za-z0-9]{9}")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Messages = Sequence[Mapping[str, Any]]


def signers(messages: Messages) -> frozenset[str]:
    """Makers (``anthropic``, ``gemini``) whose signatures stand in the turn that is still open."""
    found: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        if message.get("role") == "assistant":
            found.update(_signers_of(message))
    return frozenset(found)


def _signers_of(message: Mapping[str, Any]) -> Iterable[str]:
    calls = message.get("tool_calls") or ()
    if not calls:
        return  # a turn that ended in words asks nothing back
    if message.get("thinking_blocks"):
        yield "anthropic"
    if any(THOUGHT in str(call.get("id")) or _signed(call) for call in calls):
        yield "gemini"


def _signed(call: Mapping[str, Any]) -> bool:
    return not _UNSIGNED(call)


def reads(deployment: Deployment, signer: str) -> bool:
    """True where the deployment is that maker's model, wherever it is served."""
    provider, model = deployment.provider, deployment.model
    if signer == "anthropic":
        return provider.wire == "anthropic" or "claude" in model.family or "claude" in model.id
    own = provider.wire == "gemini" or provider.prefix in ("gemini", "vertex_ai")
    return own or "gemini" in model.family


def translated(messages: Messages, deployment: Deployment) -> Messages:
    """The messages as this deployment can take them; the same object where nothing changes."""
    if not any(m.get("tool_calls") or m.get("thinking_blocks") for m in messages):
        return messages
    claude, gemini = reads(deployment, "anthropic"), reads(deployment, "gemini")
    form = _MISTRAL_ID if deployment.provider.prefix in ("mistral", "codestral") else _PLAIN_ID
    out: list[Mapping[str, Any]] = []
    for message in messages:
        new = dict(message)
        if not claude:
            new.pop("thinking_blocks", None)
        if new.get("tool_calls"):
            new["tool_calls"] = [_call(call, form, gemini) for call in new["tool_calls"]]
        if isinstance(new.get("tool_call_id"), str):
            new["tool_call_id"] = _id(new["tool_call_id"], form, gemini)
        out.append(new)
    return messages if out == list(messages) else out


def _call(call: Mapping[str, Any], form: re.Pattern[str], gemini: bool) -> dict[str, Any]:
    new = dict(call)
    if not gemini:
        for name in SIGNED_CALL:
            new.pop(name, None)
    new["id"] = _id(str(call.get("id")), form, gemini)
    return new


def _id(name: str, form: re.Pattern[str], gemini: bool) -> str:
    """The id as it can be read there: equal ids stay equal, different ones different."""
    if gemini and THOUGHT in name:
        return name
    plain = name.partition(THOUGHT)[0]
    if form.fullmatch(plain):
        return plain
    digest = int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=16).digest())
    length = 9 if form is _MISTRAL_ID else 24
    letters = []
    for _ in range(length):
        digest, rest = divmod(digest, len(_DIGITS))
        letters.append(_DIGITS[rest])
    return ("" if form is _MISTRAL_ID else "call_") + "".join(letters)
