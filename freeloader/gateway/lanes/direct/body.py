"""The body that goes to the provider, as bytes, and what may be left out of it. Pure.

Everything is taken over from the profile's checked payload; only the model's name and
the stream's own fields are the lane's. What a client named otherwise never gets here:
the surface passes known fields alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from freeloader.core.model import Attempt
from freeloader.gateway.lanes.leaving_out import MINOR

#: Asked for with every stream; some servers know no such field.
STREAM_OPTIONS = "stream_options"
#: One bound on the answer's length under two names: some take only the one, some the other.
_BOUNDS = ("max_completion_tokens", "max_tokens")
#: How servers say that they do not take a field at all (not: that its value is wrong).
_NOT_TAKEN = re.compile(
    r"unsupported[ _](?:parameter|value|field|argument)|unknown (?:field|parameter|name|argument)"
    r"|unrecogni[sz]ed (?:request )?(?:argument|field|parameter|key)"
    r"|unexpected (?:keyword|field|property|argument|parameter)|additional propert"
    r"|extra[ _](?:inputs?|fields?|forbidden)|n[o']t (?:currently )?support|is unsupported"
    r"|not (?:permitted|allowed)|no such (?:field|parameter)",
    re.IGNORECASE,
)
_REFUSALS = frozenset({400, 422})


def body_of(attempt: Attempt, left_out: frozenset[str] = frozenset()) -> bytes:
    """The request's JSON. A field of ``left_out`` is missing, or goes under its other name."""
    payload = attempt.profile.payload
    body = {name: value for name, value in payload.items() if name not in left_out}
    for name, other in (_BOUNDS, _BOUNDS[::-1]):
        if name in payload and name in left_out:  # never without its bound, whatever was learnt
            body.setdefault(name if other in left_out else other, payload[name])
    body["model"] = attempt.deployment.model.id
    body.pop(STREAM_OPTIONS, None)
    if attempt.profile.stream:
        body["stream"] = True
        if STREAM_OPTIONS not in left_out:
            body[STREAM_OPTIONS] = {"include_usage": True}
    else:
        body.pop("stream", None)
    return orjson.dumps(body)


def fields_refused(
    status: int, text: str, payload: Mapping[str, Any], stream: bool
) -> frozenset[str]:
    """The fields to send without, by the server's own words; empty where that cannot help.

    Fields that an answer would be wrong without (tools, formats, stops) are never left out.
    """
    if status not in _REFUSALS or not _NOT_TAKEN.search(text):
        return frozenset()
    able = (MINOR | set(_BOUNDS)) & payload.keys()
    able |= {STREAM_OPTIONS} if stream else set()
    places = {name: found.start() for name in able if (found := _named(name).search(text))}
    bounds = sorted(places.keys() & set(_BOUNDS), key=places.__getitem__)
    # "max_tokens is not supported, use max_completion_tokens": the first is what is not taken.
    return frozenset(places) - frozenset(bounds[1:])


def _named(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){name}(?!\w)")


def told(left_out: frozenset[str]) -> tuple[str, ...]:
    """Of what was left out, what the client asked for and did not get."""
    return tuple(sorted(left_out & MINOR))
