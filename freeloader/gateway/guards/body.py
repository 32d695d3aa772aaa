"""Reads a JSON body within limits of size, time, depth and count. Knows no field.

Everything is checked before it is held: encoded bodies are refused (zip bombs),
the declared length before the first byte, the real one while reading, the
number of values before they become objects.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from freeloader.errors import BodyTooLarge, InvalidRequest
from freeloader.gateway.guards import large
from freeloader.gateway.guards.memory import Claim
from freeloader.gateway.limits import Limit

#: orjson writes 254 levels and reads 1,024: what we could not write again is refused.
MAX_DEPTH = 100
MAX_VALUES = 200_000
#: A body up to this size is parsed before its values are counted: 30 MB of objects at worst,
#: and half a millisecond less for every honest one.
_SMALL_BYTES = 1 << 20
#: Writing so short a body anew is quicker than going through it.
_SHORT_BYTES = 8192
#: What a request holds of the memory for bodies.
CLAIM = web.RequestKey("body_claim", Claim)
#: Bytes between two keys from which on it is worth while to look for each.
_FAR = 256
#: Each makes a value, or holds one. Empty lists cost a byte pair each and 56 bytes of memory.
_VALUES = (b",", b"[", b"{")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Seconds that a body may take: between two pieces, and altogether."""

    idle_seconds: float = 10.0
    total_seconds: float = 120.0


async def read_json(request: web.Request, max_bytes: int, limits: BodyLimits) -> dict[str, Any]:
    """The body as a JSON object; its content type is checked with ``check_content`` on the way in.

    Raises InvalidRequest (``request_timeout``, or what is wrong with the JSON) or BodyTooLarge.
    """
    if "Content-Type" not in request.headers:
        check_content(request)
    raw = await read_bytes(request, max_bytes, limits)
    if len(raw) <= _SMALL_BYTES:
        return parse_object(raw)
    # So that others have turns between the steps of it: each takes tens of milliseconds.
    return await asyncio.to_thread(parse_object, raw)


def check_content(request: web.Request) -> None:
    """Refuses encoded bodies and any content type but JSON."""
    encodings = request.headers.getall("Content-Encoding", [])
    if any(encoding.strip().lower() != "identity" for encoding in encodings):
        raise InvalidRequest(
            "Encoded request bodies are not accepted: send the JSON as it is, "
            "without Content-Encoding.",
            code="unsupported_media_type",
        )
    if request.content_type != "application/json":
        raise InvalidRequest(
            "The body must be JSON: send it with the header Content-Type: application/json.",
            code="unsupported_media_type",
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise InvalidRequest("JSON bodies are UTF-8.", code="unsupported_media_type")


async def read_bytes(request: web.Request, max_bytes: int, limits: BodyLimits) -> bytes | bytearray:
    """The raw body. Raises BodyTooLarge, InvalidRequest ``request_timeout``, or Unavailable where
    there is no memory for it."""
    declared = request.content_length
    claim = request[CLAIM]
    if declared is not None and declared > max_bytes:
        raise _too_large(max_bytes)
    claim.expected = declared or 0
    content = request.content
    if content.is_eof() and content.exception() is None:  # small ones come with their head
        whole = content.read_nowait()
        if len(whole) > max_bytes:
            raise _too_large(max_bytes)
        claim.take(len(whole))
        return whole
    raw = bytearray()  # one that grows: pieces to be joined would be there twice
    try:
        loop = asyncio.get_running_loop()
        end = loop.time() + limits.total_seconds
        with Limit(min(end, loop.time() + limits.idle_seconds)) as limit:
            while piece := await content.readany():
                if len(raw) + len(piece) > max_bytes:
                    raise _too_large(max_bytes)
                claim.take(len(piece))
                raw += piece
                limit.reschedule(min(end, loop.time() + limits.idle_seconds))
        return raw
    except TimeoutError as error:
        raise InvalidRequest(
            "The request's body did not arrive in time; send it again.", code="request_timeout"
        ) from error


def parse_object(raw: bytes | bytearray) -> dict[str, Any]:
    """JSON bytes → object. Raises InvalidRequest for anything else, naming what is wrong, and
    MemoryError. A large bytearray is used up: nobody holds it and what it says at once."""
    if len(raw) > _SMALL_BYTES:
        return _parse_large(raw if isinstance(raw, bytearray) else bytearray(raw))
    if not raw or raw.isspace():
        raise InvalidRequest("The body is empty; a JSON object is needed.")
    try:
        return _parse(raw)
    except orjson.JSONDecodeError as error:
        raise _no_json(error, str(error)) from error


def _parse_large(raw: bytearray) -> dict[str, Any]:
    _check_count(raw)
    try:
        texts = large.shorten(raw)
        value = _parse(raw)
    except orjson.JSONDecodeError as error:  # its position is one in what is left of the body
        raise _no_json(error, error.msg) from error
    if texts:
        large.put_back(value, texts)
    return value


def _parse(raw: bytes | bytearray) -> dict[str, Any]:
    value = orjson.loads(raw)
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if len(raw) <= _SHORT_BYTES and _reads_back(raw, value):
        return value
    keys, commas, containers = _measure(value)
    if commas + containers > MAX_VALUES:
        raise _too_many()
    if _more_colons(raw, keys) and _has_duplicates(raw, value, keys):
        raise InvalidRequest("The body names the same key twice in one object.")
    return value


def _no_json(error: orjson.JSONDecodeError, why: str) -> Exception:
    if "memory" in error.msg:
        return MemoryError(error.msg)  # that is no fault of the body's
    return InvalidRequest(f"The body is not valid JSON: {why}.")


def _reads_back(raw: bytes | bytearray, value: dict[str, Any]) -> bool:
    """True of a short body in which nothing can be wrong: of too few brackets to be deep, and
    the same when written again, so that no key was lost."""
    shallow = raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH
    return shallow and orjson.dumps(value) == raw


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {max_bytes} bytes; "
        "send less, or raise server.body_bytes_max in the settings.",
        details={"maxBytes": max_bytes},
    )


def _check_count(raw: bytearray) -> None:
    """Refuses what would be too many values, strings left out; most have few even with them."""
    counts = (large.count, large.count_bare)
    if all(count(raw, _VALUES, MAX_VALUES) > MAX_VALUES for count in counts):
        raise _too_many()


def _too_many() -> InvalidRequest:
    return InvalidRequest(f"The body holds more than {MAX_VALUES} values.")


def _measure(whole: dict[str, Any]) -> tuple[int, int, int]:
    """Keys of all objects inside, commas, and containers. Raises InvalidRequest beyond MAX_DEPTH"""
    keys = commas = containers = 0
    level: list[Any] = [whole]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        containers += len(level)
        for item in level:
            size = len(item)
            if size:
                commas += size - 1
            values = item
            if type(item) is dict:
                keys += size
                values = item.values()
            for value in values:
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
        if not below:
            return keys, commas, containers
        level = below
    raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _more_colons(raw: bytes | bytearray, keys: int) -> bool:
    """Whether there are others than those behind keys. Long texts have few: looking for the next
    one goes through them ten times as fast as counting does."""
    if keys * _FAR > len(raw):
        small = len(raw) <= _SMALL_BYTES
        return (raw.count(b":") if small else large.count(raw, (b":",), keys)) != keys
    at = -1
    for _ in range(keys):
        at = raw.find(b":", at + 1)
    return raw.find(b":", at + 1) >= 0


def _has_duplicates(raw: bytes | bytearray, value: dict[str, Any], keys: int) -> bool:
    """True where the text has more keys than the object; colons inside strings do not count.

    A body that reads back as it was lost nothing; that is cheap to see for the two ways in
    which clients write JSON: compact, and with Python's spaces. Anything else is looked at
    closely. (To be of the same size proves nothing: numbers can grow by what a lost key was.)
    """
    if len(raw) <= _SMALL_BYTES:  # (of a large one that would be copies more)
        if orjson.dumps(value) == raw:
            return False
        if json.dumps(value, ensure_ascii=False).encode() == raw:
            return False
    return large.count_bare(raw, (b":",), keys) != keys
