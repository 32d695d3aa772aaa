"""What the child's door says of the provider's answer, read back: header and trailer → ``Answer``.

The other side is ``freeloader.child.inside.door``. Pure; judges nothing beyond
telling the lane's own failures from the provider's.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

import orjson

from freeloader.core.events import Answer
from freeloader.core.outcome import ENTRY_REFUSED

META_HEADER = "x-freeloader-upstream"
BODY_HEADER = "x-freeloader-body"
TRAILER_EVENT = "freeloader"
_PROVIDER_PREFIX = "llm_provider-"
_BODY_CHARS = 4096
_UNREAD = "LiteLLM could not read the answer"
_LEFT_OUT = (
    "LiteLLM cannot use what the registry says of this model (litellm.prefix or litellm.params "
    "in an overlay?)"
)


def meta_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """The door's report from a response's headers; empty if it is missing or broken."""
    return _loads(_decoded(headers.get(META_HEADER, "")))


def trailer_of(data: bytes) -> dict[str, Any]:
    """The door's report at the end of a stream; empty if it is broken."""
    return _loads(data)


def provider_headers(meta: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """The provider's own headers, lower case: from the door, else from LiteLLM's copies."""
    told = meta.get("headers")
    if isinstance(told, dict) and told:
        return {str(name): str(value) for name, value in told.items()}
    lowered = ((name.lower(), value) for name, value in headers.items())
    return {
        name.removeprefix(_PROVIDER_PREFIX): value
        for name, value in lowered
        if name.startswith(_PROVIDER_PREFIX)
    }


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """A refused call (the child answered with ``status`` ≥ 400) as the provider meant it."""
    meta = meta_of(headers)
    text = _text(meta, headers, body)
    told = meta.get("status")
    common: dict[str, Any] = {
        "headers": provider_headers(meta, headers),
        "body": text,
        "error_class": meta.get("class") or "LaneError",
        "code": meta.get("code"),
    }
    if meta.get("transport"):
        return _broken(meta, common)
    if isinstance(told, int):
        # A success that LiteLLM could not read: it may well be billed, so it is no refusal.
        return Answer(told, **common, phase="head" if told >= 300 else "stream")
    if meta.get("class") == "Timeout":
        return Answer(None, timeout=True, **common)
    return _refused_inside(status, common, sent=meta.get("calls") != 0)


def _broken(meta: Mapping[str, Any], common: dict[str, Any]) -> Answer:
    """The call failed below HTTP: no status, and maybe nothing was sent.

    What LiteLLM says of it names a status that nobody sent: it is not judged, and not shown.
    """
    slow = str(meta["transport"]).endswith("Timeout") or common["error_class"] == "Timeout"
    began = isinstance(meta.get("status"), int)  # it broke after a success status
    phase = "stream" if began else "head" if meta.get("connected") else "connect"
    if not slow:
        what = "no connection" if phase == "connect" else "the connection broke"
        common |= {"body": f"{what} ({meta['transport']})", "error_class": str(meta["transport"])}
    return Answer(None, **common, phase=phase, timeout=slow)


def _refused_inside(status: int, common: dict[str, Any], *, sent: bool) -> Answer:
    """LiteLLM's own refusal: a parameter it does not take there, or itself broken.

    ``sent``: a call went out, or the door does not say. Then it may have been
    billed, and only a report of no call at all is proof that it was not.
    """
    unknown = "no healthy deployments" in common["body"] or "Invalid model name" in common["body"]
    if status >= 500 and not (sent or unknown) and common["error_class"] != "LaneError":
        # It fell over the request while writing it for that wire: another one may take it.
        status, common["body"] = 400, f"unsupported value for this wire: {common['body']}"
    ours = unknown or status >= 500 or common["error_class"] == "LaneError"
    if unknown:  # it was started with it, and left it out
        common |= {"error_class": ENTRY_REFUSED, "body": _LEFT_OUT}
    phase = "head" if sent else "connect"
    return Answer(None if ours or sent else status, **common, phase=phase, lane_fault=ours)


def broken_stream(
    trailer: Mapping[str, Any], error: Mapping[str, Any], headers: Mapping[str, str], why: str
) -> Answer:
    """A stream that began well and ended badly; ``error`` is its error event, if there was one."""
    inner = error.get("error")
    message = inner.get("message") if isinstance(inner, Mapping) else None
    raw = _decoded(str(trailer.get("body", "")))
    words = why if trailer.get("said") else message or why  # else LiteLLM quotes the answer in it
    text = raw.decode("utf-8", "replace") or str(words)
    told = trailer.get("status")
    return Answer(
        told if isinstance(told, int) else 200,
        headers=headers,
        body=text[:_BODY_CHARS],
        error_class=str(trailer.get("class") or why),
        code=trailer.get("code"),
        phase="stream",
        timeout=str(trailer.get("transport", "")).endswith("Timeout"),
    )


def _text(meta: Mapping[str, Any], headers: Mapping[str, str], body: bytes) -> str:
    """The provider's raw body, else LiteLLM's words, unless they can quote an answer."""
    raw = _decoded(headers.get(BODY_HEADER, "")).decode("utf-8", "replace")
    words = _UNREAD if meta.get("said") else str(meta.get("message") or "")
    told = raw or words or body.decode("utf-8", "replace")
    return told[:_BODY_CHARS]


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return b""


def _loads(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
