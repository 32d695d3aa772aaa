"""Checks and rebuilds chat messages from known fields only; counts their text and images.

Rebuilding is the guard: nothing that a client hides at any depth of a message
reaches the child. Fields that are not the wire's are dropped and named
(``messages[].reasoning_content``). Text is never read, only measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from freeloader.errors import InvalidRequest
from freeloader.gateway.surfaces.params import text, wrong

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
#: Those who may say something and no more.
_SAYING = ("system", "developer", "user", "assistant")
_KEPT = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call",
                   "refusal", "thinking_blocks"})  # fmt: skip
#: An id may carry a signature (``core.history``); signed thoughts are longer still.
_LONGEST_ID, _LONGEST_THOUGHT = 65_536, 1_000_000
_MAX_MESSAGES = 10_000
_MAX_NAMED = 20
_DATA_URL = re.compile(r"data:[a-z]+/[a-zA-Z0-9.+-]+(;[a-z0-9=-]+)*;base64,", re.ASCII)
#: Other letters (full-width, ideographic full stops) become these on the way to the resolver.
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
#: IPv4 addresses in IPv6 clothes: mapped, compatible, NAT64, 6to4.
_WRAPPED = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16")))
#: Role markers and separators of a chat template, in bytes per message.
_TEMPLATE_BYTES = 16


@dataclass(slots=True)
class Conversation:
    """Rebuilt messages and their size: bytes of UTF-8 text, images, and what they need."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    text_bytes: int = 0
    images: int = 0
    needs: set[str] = field(default_factory=set)
    dropped: list[str] = field(default_factory=list)

    def count(self, value: str) -> str:
        self.text_bytes += len(value) if value.isascii() else len(value.encode())
        return value

    def drop(self, name: str) -> None:
        if name not in self.dropped and len(self.dropped) < _MAX_NAMED:
            self.dropped.append(name)


def read_messages(value: Any) -> Conversation:
    """A request's ``messages``. Raises InvalidRequest naming the place of what is wrong."""
    if not isinstance(value, list) or not value:
        raise wrong("messages", "must be a list with at least one message")
    if len(value) > _MAX_MESSAGES:
        raise wrong("messages", f"must hold at most {_MAX_MESSAGES} messages")
    found = Conversation()
    for index, raw in enumerate(value):
        if not isinstance(raw, dict):
            raise wrong(f"messages[{index}]", "must be an object with role and content")
        if _is_plain(raw):
            found.messages.append({"role": raw["role"], "content": found.count(raw["content"])})
        else:
            found.messages.append(_message(raw, f"messages[{index}]", found))
        found.text_bytes += _TEMPLATE_BYTES
    return found


def _is_plain(raw: Mapping[str, Any]) -> bool:
    """True for a role and a text alone, which most messages are: nothing can be wrong with it."""
    return len(raw) == 2 and type(raw.get("content")) is str and raw.get("role") in _SAYING


def _message(raw: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    role = raw.get("role")
    if role not in ROLES:
        raise wrong(f"{place}.role", f"must be one of {', '.join(ROLES)}")
    out: dict[str, Any] = {"role": role}
    if not raw.keys() <= _KEPT:
        for name, value in raw.items():
            if name not in _KEPT and value is not None:
                found.drop(f"messages[].{name[:40]}")
    if raw.get("name") is not None:
        out["name"] = found.count(text(f"{place}.name", raw["name"]))
    if "tool_calls" in raw or "function_call" in raw:
        out.update(_calls(raw, role, place, found))
    if role == "assistant" and "thinking_blocks" in raw:
        out.update(_thoughts(raw, place, found))
    if role == "tool":
        out["tool_call_id"] = text(f"{place}.tool_call_id", raw.get("tool_call_id"), _LONGEST_ID)
    if role in ("tool", "function"):
        found.needs.add("tools")
    if isinstance(raw.get("refusal"), str):
        out["refusal"] = found.count(raw["refusal"])
    content = raw.get("content")
    if content is None:
        if role not in ("assistant", "function") or (role == "assistant" and len(out) == 1):
            raise wrong(f"{place}.content", "must be text or a list of parts")
        out["content"] = None
    else:
        out["content"] = _content(content, role, f"{place}.content", found)
    return out


def _calls(raw: Mapping[str, Any], role: str, place: str, found: Conversation) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if raw.get("tool_calls"):
        if role != "assistant":
            raise wrong(f"{place}.tool_calls", "belong to assistant messages")
        if not isinstance(raw["tool_calls"], list):
            raise wrong(f"{place}.tool_calls", "must be a list")
        out["tool_calls"] = [
            _tool_call(call, f"{place}.tool_calls[{i}]", found)
            for i, call in enumerate(raw["tool_calls"])
        ]
    if raw.get("function_call") is not None:
        out["function_call"] = _function(raw["function_call"], f"{place}.function_call", found)
    if out:
        found.needs.add("tools")
    return out


def _tool_call(call: Any, place: str, found: Conversation) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise wrong(place, "must be an object with id, type and function")
    if call.get("type", "function") != "function":
        raise wrong(f"{place}.type", "must be function")
    return {
        "id": text(f"{place}.id", call.get("id"), _LONGEST_ID),
        "type": "function",
        "function": _function(call.get("function"), f"{place}.function", found),
        **_signature(call),
    }


def _signature(call: Mapping[str, Any]) -> dict[str, Any]:
    """Gemini's thought signature, in Google's own field or LiteLLM's; nothing else of these."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    own = google.get("thought_signature") if isinstance(google, dict) else None
    if isinstance(own, str) and len(own) <= _LONGEST_ID:
        return {"extra_content": {"google": {"thought_signature": own}}}
    fields = call.get("provider_specific_fields")
    its = fields.get("thought_signature") if isinstance(fields, dict) else None
    if isinstance(its, str) and len(its) <= _LONGEST_ID:
        return {"provider_specific_fields": {"thought_signature": its}}
    return {}


def _thoughts(raw: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    """Anthropic's signed thinking, which it asks for back while a turn is open."""
    blocks = raw.get("thinking_blocks")
    if blocks is None:
        return {}
    if not isinstance(blocks, list):
        raise wrong(f"{place}.thinking_blocks", "must be a list")
    return {
        "thinking_blocks": [
            _thought(block, f"{place}.thinking_blocks[{i}]", found)
            for i, block in enumerate(blocks)
        ]
    }


def _thought(block: Any, place: str, found: Conversation) -> dict[str, Any]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "redacted_thinking":
        return {"type": kind, "data": text(f"{place}.data", block.get("data"), _LONGEST_THOUGHT)}
    if kind != "thinking":
        raise wrong(f"{place}.type", "must be thinking or redacted_thinking")
    thinking = block.get("thinking")
    if not isinstance(thinking, str):
        raise wrong(f"{place}.thinking", "must be text")
    signature = text(f"{place}.signature", block.get("signature"), _LONGEST_THOUGHT)
    return {"type": kind, "thinking": found.count(thinking), "signature": signature}


def _function(value: Any, place: str, found: Conversation) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(place, "must be an object with name and arguments")
    arguments = value.get("arguments", "")
    if not isinstance(arguments, str):
        raise wrong(f"{place}.arguments", "must be JSON as text")
    name = text(f"{place}.name", value.get("name"), 256)
    return {"name": found.count(name), "arguments": found.count(arguments)}


def _content(value: Any, role: str, place: str, found: Conversation) -> Any:
    if isinstance(value, str):
        return found.count(value)
    if not isinstance(value, list):
        raise wrong(place, "must be text or a list of parts")
    if not value:
        raise wrong(place, "must not be an empty list")
    return [_part(part, role, f"{place}[{i}]", found) for i, part in enumerate(value)]


def _part(part: Any, role: str, place: str, found: Conversation) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    reader = _PARTS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise wrong(f"{place}.type", f"must be one of {', '.join(_PARTS)}")
    if kind in ("image_url", "input_audio") and role != "user" and role != "tool":
        raise wrong(f"{place}.type", f"{kind} belongs to user messages")
    out: dict[str, Any] = reader(part, place, found)
    cached = part.get("cache_control")
    if isinstance(cached, dict) and cached.get("type") == "ephemeral":
        out["cache_control"] = {"type": "ephemeral"}
    return out


def _text_part(part: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    if not isinstance(part.get("text"), str):
        raise wrong(f"{place}.text", "must be text")
    return {"type": "text", "text": found.count(part["text"])}


def _refusal_part(part: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    if not isinstance(part.get("refusal"), str):
        raise wrong(f"{place}.refusal", "must be text")
    return {"type": "refusal", "refusal": found.count(part["refusal"])}


def _image_part(part: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    image = part.get("image_url")
    image = {"url": image} if isinstance(image, str) else image
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(image, dict) or not isinstance(url, str):
        raise wrong(f"{place}.image_url", "must be an object with a url")
    _check_url(url, f"{place}.image_url.url")
    out = {"url": url}
    detail = image.get("detail")
    if detail is not None:
        if detail not in ("auto", "low", "high", "original"):
            raise wrong(f"{place}.image_url.detail", "must be auto, low or high")
        out["detail"] = detail
    found.images += 1
    found.needs.add("vision")
    return {"type": "image_url", "image_url": out}


def _audio_part(part: Mapping[str, Any], place: str, found: Conversation) -> dict[str, Any]:
    audio = part.get("input_audio")
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise wrong(f"{place}.input_audio", "must be an object with data and format")
    form = text(f"{place}.input_audio.format", audio.get("format"), 16)
    found.needs.add("audio")
    # Ten audio tokens a second at 4 KB/s of the thinnest codec: a byte is well under a token.
    found.text_bytes += len(audio["data"]) // 64
    return {"type": "input_audio", "input_audio": {"data": audio["data"], "format": form}}


_PARTS: Mapping[str, Callable[[Mapping[str, Any], str, Conversation], dict[str, Any]]] = {
    "text": _text_part,
    "image_url": _image_part,
    "input_audio": _audio_part,
    "refusal": _refusal_part,
}


def _check_url(url: str, place: str) -> None:
    """Data or public http(s): the child fetches some images itself, and must not look around here.

    Names are not resolved; what a name points to is the network's business.
    """
    if url.startswith("data:"):
        if not _DATA_URL.match(url[:200]):
            raise wrong(place, "must be data:TYPE;base64,…")
        return
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise wrong(place, "is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise wrong(place, "must be a data: or http(s) URL without credentials")
    if not _HOST.fullmatch(host):
        raise wrong(place, "must name its host in plain letters, digits, dots and dashes")
    if _is_private(host):
        raise InvalidRequest(
            f"{place} points into a private network; send the image as a data: URL instead.",
            param=place,
        )


def _is_private(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        inside = isinstance(address, IPv6Address) and any(address in net for net in _WRAPPED)
        return inside or address.is_multicast or not address.is_global
    last = host.rsplit(".", 1)[-1].lower()
    # No dot, a local suffix, or an address in a spelling that only resolvers read (0x7f.1).
    local = last in ("localhost", "local", "internal", "lan", "home", "arpa")
    return "." not in host or local or last[:1].isdigit()
