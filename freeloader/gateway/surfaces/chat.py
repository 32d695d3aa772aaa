"""``POST /v1/chat/completions``: a body → Profile. Answers are shaped in ``shapes``.

The payload of the profile holds rebuilt, checked fields only; the lane sends
exactly that and adds model, credentials and stream itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.core.model import Caller, Profile
from freeloader.core.tokens import EXPECTED_OUTPUT, expected_tokens, upper_tokens
from freeloader.gateway.surfaces.counted import multiplier, passed_on, surcharge
from freeloader.gateway.surfaces.directives import read_directives
from freeloader.gateway.surfaces.fields import CHAT, Sorted, sort_fields
from freeloader.gateway.surfaces.messages import Conversation, read_messages
from freeloader.gateway.surfaces.params import check_params, flag, output_bound, wrong
from freeloader.gateway.surfaces.tools import read_tools
from freeloader.money import Meters

DEFAULT_MODEL = "auto"
_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "x-api-key", "cookie"})
_HEADER_MAX = 1_000


def parse_chat(body: Mapping[str, Any], headers: Mapping[str, str], caller: Caller) -> Profile:
    """A chat body as a Profile. Raises InvalidRequest, Forbidden."""
    fields = sort_fields(body, CHAT)
    if "messages" not in fields.passed:
        raise wrong("messages", "must be a list with at least one message")
    modalities = fields.consumed.get("modalities")
    if modalities not in (None, ["text"]):
        raise wrong("modalities", 'must be ["text"]; other outputs are not offered')
    found = read_messages(fields.passed["messages"])
    params = check_params(fields.passed)
    params.update(read_tools(fields.passed, found))
    return build_profile("chat", fields, found, params, headers, caller)


def build_profile(
    operation: str,
    fields: Sorted,
    found: Conversation,
    params: Mapping[str, Any],
    headers: Mapping[str, str],
    caller: Caller,
) -> Profile:
    """What chat and completions have in common: model, stream, directives, estimates."""
    model = read_model(fields.consumed.get("model"))
    stream, include_usage = read_stream(fields.consumed)
    choices = multiplier(fields.counted, fields)
    dearer = surcharge(fields.counted, fields, choices)
    asked = read_directives(
        fields.directives,
        fields.consumed.get("freeloader"),
        headers,
        caller,
        fields.consumed.get("user"),
    )
    payload: dict[str, Any] = {
        "messages": found.messages,
        **params,
        **passed_on(fields.counted),
    }
    if "web_search_options" in payload:
        found.needs.add("search")
    if stream:
        found.needs.add("streaming")
    needs = frozenset(found.needs)
    bound = output_bound(fields.passed)
    upper, expected = estimate(found, bound, choices)
    return Profile(
        operation=operation,
        model=model,
        needs=needs,
        upper=upper,
        expected=expected,
        bounded=bound is not None,
        stream=stream,
        include_usage=include_usage,
        choices=choices,
        level=asked.level,
        project=asked.project,
        session=asked.session,
        task=asked.task or "",
        dropped=(*fields.dropped, *asked.dropped, *found.dropped),
        headers=seen_headers(headers),
        payload=payload,
        surcharge=dearer,
    )


def seen_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What rules may look at: no header that carries a key, and not more than is sensible."""
    # Of several of one name the last one counts.
    return {
        low: value[:_HEADER_MAX]
        for name, value in headers.items()
        if (low := name.lower()) not in _CREDENTIALS
    }


def read_model(value: Any) -> str:
    """The wanted model's name; ``auto`` where none is given."""
    if value is None:
        return DEFAULT_MODEL
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 256:
        raise wrong("model", "must be text of 1 to 256 characters")
    if "," in value:
        raise wrong("model", "must name one model: a comma is not accepted")
    if not value.isprintable():
        raise wrong("model", "must be printable text")
    return value.strip()


def read_stream(consumed: Mapping[str, Any]) -> tuple[bool, bool]:
    """``stream``, and whether the client wants usage in its last chunk."""
    stream = flag("stream", consumed.get("stream", False))
    options = consumed.get("stream_options")
    if options is None:
        return stream, False
    if not isinstance(options, dict):
        raise wrong("stream_options", "must be an object")
    if not stream:
        raise wrong("stream_options", "needs stream: true")
    return stream, flag("stream_options.include_usage", options.get("include_usage") or False)


def estimate(found: Conversation, bound: int | None, choices: int) -> tuple[Meters, Meters]:
    """Upper and expected meters; the upper output is 0 where the client gave no bound."""
    likely = EXPECTED_OUTPUT if bound is None else min(bound, EXPECTED_OUTPUT)
    upper = Meters(
        requests=1,
        input=upper_tokens(found.text_bytes, found.images),
        output=(bound or 0) * choices,
        images=found.images,
    )
    expected = Meters(
        requests=1,
        input=expected_tokens(found.text_bytes, found.images),
        output=likely * choices,
        images=found.images,
    )
    return upper, expected
