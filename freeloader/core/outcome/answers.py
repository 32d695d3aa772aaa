"""Reading a failed answer: status, headers, message and text, whoever wrapped it.

Knows JSON, SSE chunks, Python reprs and LiteLLM's ``litellm.RateLimitError:
GroqException - {…}`` wrapping. Judges nothing; never raises; bodies are at most
4 KB and may be cut off in the middle.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from freeloader.core.events import Answer
from freeloader.core.outcome import durations
from freeloader.core.outcome.headers import plain

HIDDEN = "[hidden]"
#: Shorter values (``none``, a region) are words of ordinary sentences.
_SHORTEST_SECRET = 6
_MOST = 16384
#: Retry-After, as one gateway's rate limiter spells it.
_SPRINGS = "x-rate-limit-retry-after-seconds"
_WRAPPED = re.compile(r"litellm\.|Exception - |Error code: \d{3}")
#: ``limit=100, remaining=0, reset=50`` and ``"default";r=0;t=50`` of the IETF's drafts.
_DRAFT = re.compile(r"(?:\breset=|;\s*t=)(\d{1,9})")
#: A value, as an error message shows it: in apostrophes, or in quotes that JSON has escaped.
_QUOTED = re.compile(r"\\\"[^\"\\]{0,400}\\\"|(?<!\w)'[^'\n]{0,400}'(?!\w)|`[^`\n]{0,400}`")
_STATUS_BY_CLASS = {
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "Timeout": 408,
    "RateLimitError": 429,
    "ServiceUnavailableError": 503,
    "InternalServerError": 500,
    "APIConnectionError": 500,
    "BadGatewayError": 502,
    "BadRequestError": 400,
    "ContextWindowExceededError": 400,
    "ContentPolicyViolationError": 400,
    "UnprocessableEntityError": 422,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer laid open. ``statuses`` holds every status it may truly have had;
    ``text`` the body and all that was wrapped in it; ``error``: it holds an error
    object although the status says success; ``retold``: these are LiteLLM's words, and
    no status of the provider's own is known. ``own``: the text without what a refusal of
    the request quotes, which may be the client's words; ``named``: but with single names.
    ``folded``: the text without regard to case."""

    status: int | None
    statuses: frozenset[int]
    headers: Mapping[str, str]
    text: str
    message: str
    error: bool
    success: bool
    retold: bool = False
    own: str = ""
    named: str = ""
    folded: str = ""

    def retry_after(self, now: float) -> float | None:
        """Seconds by Retry-After (seconds, a date or words) or Retry-After-Ms (Azure's too)."""
        named = self.headers.get("retry-after-ms") or self.headers.get("x-ms-retry-after-ms", "")
        millis = durations.number(named)
        if millis is not None:
            return durations.bounded(millis / 1000)
        text = self.headers.get("retry-after") or self.headers.get(_SPRINGS, "")
        seconds = durations.number(text.split(", ")[0])  # a proxy's comes beside the provider's
        if seconds is None:
            return durations.wait(text, now)
        then = durations.epoch(seconds)  # some send a moment; one that is past is just a lie
        return durations.bounded(seconds if then is None or then < now else then - now)

    def reset_after(self, now: float) -> float | None:
        """Seconds to X-RateLimit-Reset, in the headers or quoted in the body; past: None.

        Of several, those of which nothing remains, where the answer tells them apart: else
        none that still has requests, and of those that have tokens the one that has fewest.
        """
        left = {
            name: self._left(name.replace("reset", "remaining"))
            for name in self.headers
            if re.search(r"rate-?limit.*reset", name)
        }
        chosen = [n for n, count in left.items() if count == 0]
        if not chosen:
            some = {n: c for n, c in left.items() if c is not None and "req" not in n}
            fewest = [min(some, key=some.__getitem__)] if some else []
            chosen = [n for n, count in left.items() if count is None] + fewest
        values = [self.headers[n] for n in chosen]
        values += _DRAFT.findall(self.headers.get("ratelimit", ""))
        quoted = re.search(
            r"x-ratelimit-reset[\"']\s*:\s*[\"']?(\d{1,16})", self.text, re.IGNORECASE
        )
        if quoted:
            values.append(quoted[1])
        waits = [w for v in values if (w := durations.wait(v, now))]
        return max(waits, default=None)

    def _left(self, name: str) -> float | None:
        return durations.number(self.headers.get(name, ""))


def without(answer: Answer, secrets: Iterable[str]) -> Answer:
    """The answer with each secret masked: providers quote the key that they refuse.

    To be called before anything is cut off: half a key is no longer found.
    """
    values = {value.strip() for value in secrets if len(value.strip()) >= _SHORTEST_SECRET}
    forms = {form for v in values for form in (v, json.dumps(v)[1:-1], quote(v, safe=""))}
    if not forms:
        return answer
    found = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return replace(
        answer,
        headers={name: found.sub(HIDDEN, value) for name, value in answer.headers.items()},
        body=found.sub(HIDDEN, answer.body),
        code=None if answer.code is None else found.sub(HIDDEN, answer.code),
    )


def read(answer: Answer) -> Reading:
    """Lay an answer open."""
    body = answer.body[:_MOST]
    parts = _unwrap(body)
    echo = _echo_in(body)
    told = map(_as_text, parts) if echo < 0 else [p for p in parts if isinstance(p, str)]
    text = "\n".join([body if echo < 0 else body[:echo], *told])
    if answer.error_class:
        text += f"\n{answer.error_class}"
    if answer.code:
        text += f'\n"code": "{answer.code}"'
    inner = [s for p in parts if isinstance(p, dict) and (s := _status_in(p))]
    error = any(isinstance(p, dict) and _error_in(p) for p in parts)
    status = answer.status
    if status is None and answer.error_class in _STATUS_BY_CLASS:
        status = _STATUS_BY_CLASS[answer.error_class]
    success = status is not None and 200 <= status < 300
    wrapped = bool(_WRAPPED.search(text)) or answer.error_class is not None
    if inner and (success or wrapped):
        status, success = inner[-1], False
    statuses = frozenset(x for x in (answer.status, status, *inner) if x is not None)
    retold = wrapped and not success and (status is None or status == 400 or status >= 500)
    given = plain(answer.headers)
    own = named = text
    if status in (400, 422) and not _WRAPPED.search(body):
        whole = [p for p in parts if not isinstance(p, str)] if echo < 0 else []
        own = "\n".join([body if echo < 0 else body[:echo], *map(_as_text, whole)])
        named = _QUOTED.sub(lambda value: "''" if " " in value[0] else value[0], own)
        own = _QUOTED.sub("''", named)
    said, folded = _message(parts), text.casefold()
    return Reading(status, statuses, given, text, said, error, success, retold, own, named, folded)


def _unwrap(body: str) -> list[Any]:
    """The parsed body, then every message in it and whatever object hides in that."""
    found: list[Any] = []
    pending: list[tuple[str, int]] = [(body, 0)]
    while pending and len(found) < 12:
        text, depth = pending.pop(0)
        value = _object_in(text)
        if value is None:
            continue
        found.append(value)
        if depth >= 3:
            continue
        for message in _strings(value):
            found.append(message)
            if "{" in message:
                pending.append((message, depth + 1))
    return found


def _object_in(text: str) -> dict[str, Any] | None:
    """The first object in a text: JSON, an SSE chunk, a list of one, or a Python repr."""
    start = text.find("{")
    if start < 0:
        return None
    rest = text[start:]
    if "\\n" in rest and re.search(r"b['\"]$", text[:start]):
        rest = rest.replace("\\n", "\n")
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(rest)
    except ValueError:
        end = rest.rfind("}")
        try:
            value = ast.literal_eval(rest[: end + 1])
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    except RecursionError:
        return None
    return value if isinstance(value, dict) else None


def _strings(value: dict[str, Any]) -> list[str]:
    """The texts in which an error object says what happened, outermost first."""
    out: list[str] = []
    error = _fault_of(value)
    nodes = [value, error if isinstance(error, dict) else {}]
    errors = value.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        nodes.append(errors[0])
    if isinstance(error, str):
        out.append(error)
    for node in nodes:
        for key in ("message", "detail", "details", "title"):
            text = node.get(key)
            if isinstance(text, str) and text and text not in out:
                out.append(text)
    return out


def _message(parts: list[Any]) -> str:
    texts = [p for p in parts if isinstance(p, str)]
    wrapped = [t for t in texts if not _WRAPPED.search(t)]
    chosen = (wrapped or texts or [""])[0]
    return " ".join(chosen.split())[:300]


def _status_in(value: dict[str, Any]) -> int | None:
    error = value.get("error")
    nodes = [error if isinstance(error, dict) else {}, value]
    for node in nodes:
        for key in ("code", "status", "status_code", "raw_status_code"):
            raw = node.get(key)
            if isinstance(raw, str) and raw.isdigit() and len(raw) == 3:
                raw = int(raw)
            if isinstance(raw, int) and not isinstance(raw, bool) and 400 <= raw <= 599:
                return raw
    return None


def _fault_of(value: dict[str, Any]) -> object:
    """Its ``error``; that of the response which a Responses API's event holds."""
    response = value.get("response")
    return value.get("error") or (response.get("error") if isinstance(response, dict) else None)


def _error_in(value: dict[str, Any]) -> bool:
    if _fault_of(value) or value.get("errors") or value.get("error_code"):
        return True
    if value.get("success") is False:
        return True
    choices = value.get("choices")  # one choice's, as OpenRouter has it
    if isinstance(choices, list) and any(isinstance(c, dict) and c.get("error") for c in choices):
        return True
    base = value.get("base_resp")
    return isinstance(base, dict) and base.get("status_code") not in (None, 0)


def _echo_in(body: str) -> int:
    """Where a validator's error goes on with what was sent to it; -1: nowhere.

    Those are the client's words, and say nothing of the provider.
    """
    place = body.find('"loc"')
    return place if place < 0 else body.find('"input"', place)


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""
