"""Collects a request's directives from body, ``freeloader`` object and headers into one level.

The body is nearer than the headers for preferences; constraints of both hold
together. Which keys exist and what they mean is ``settings.directives``' business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from freeloader.core.model import Caller, Level
from freeloader.core.policy import tighten
from freeloader.core.task import TASKS
from freeloader.errors import Forbidden, InvalidRequest
from freeloader.gateway.surfaces.fields import check_few, safe_name, words
from freeloader.gateway.surfaces.params import text, wrong
from freeloader.records import record
from freeloader.settings.directives import parse_level
from freeloader.settings.spelling import nearest, snake

_HEADERS = {
    "X-Freeloader-Strategy": "strategy",
    "X-Freeloader-Project": "project",
    "X-Freeloader-Gates": "quality_gates",
    "X-Freeloader-Max-Cost": "max_cost",
    "X-Freeloader-Session": "session",
    "X-Freeloader-Targets": "targets",
    "X-Freeloader-Selection": "selection",
    "X-Freeloader-Aggregation": "aggregation",
}
_PREFIX = "x-freeloader-"
#: What most requests say of policy: nothing. One object, so that policies are found again.
_SILENT = Level("request")
_KNOWN = frozenset(name.lower() for name in _HEADERS)
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
#: In ``metadata`` these would be orders to LiteLLM, were it ever passed on.
_STEERING = words(
    """
    api_base base_url api_key api_version custom_llm_provider extra_headers extra_body headers
    user_config fallbacks num_retries max_retries model_list model_info model_group
    mock_response guardrails callbacks specific_deployment deployment
    """
)


@record(frozen=True, slots=True)
class Asked:
    """What the directives say: policy, and whom and what the request belongs to."""

    level: Level
    project: str | None
    session: str | None
    task: str | None
    dropped: tuple[str, ...] = ()


def read_directives(
    top: Mapping[str, Any],
    nested: Any,
    headers: Mapping[str, str],
    caller: Caller,
    user: Any = None,
) -> Asked:
    """One level from all places that may carry directives.

    ``user`` (OpenAI's field) names the session where no directive does. Raises
    InvalidRequest, Forbidden (another project than the key's).
    """
    body = _merge(top, nested)
    head = _from_headers(headers)
    if not body and not head and user is None:
        return Asked(_SILENT, caller.project, None, None)
    level = _both(parse_level(body, "request"), parse_level(head, "request"))
    by_name = {snake(key): value for key, value in (*head.items(), *body.items())}
    task, dropped = _metadata(by_name.get("metadata"))
    if user is not None:
        text("user", user, 512)
    session = by_name.get("session") if by_name.get("session") is not None else user
    return Asked(
        level=level,
        project=_project(by_name.get("project"), caller),
        session=None if session is None else text("session", session, 512),
        task=task,
        dropped=dropped,
    )


def _merge(top: Mapping[str, Any], nested: Any) -> dict[str, Any]:
    if nested is None:
        return dict(top)
    if not isinstance(nested, dict):
        raise wrong("freeloader", "must be an object with directives")
    check_few("freeloader", nested, "freeloader")
    twice = {snake(key) for key in top} & {snake(key) for key in nested}
    if twice:
        name = min(twice)
        raise wrong(name, "is given both at top level and in freeloader")
    return {**top, **nested}


def _from_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    if _PREFIX not in "\n".join(headers).lower():
        return {}
    ours = [name for name in headers if name.lower().startswith(_PREFIX)]
    for name in ours:
        if name.lower() not in _KNOWN:
            close = nearest(name, _HEADERS)
            hint = f"did you mean {close}" if close else f"known are: {', '.join(_HEADERS)}"
            raise wrong(safe_name(name), f"is no directive; {hint}")
    found: dict[str, Any] = {}
    for header, name in _HEADERS.items():
        value = headers.get(header)
        if value is None or not value.strip():
            continue
        found[name] = value.strip()
    if "quality_gates" in found:
        try:
            found["quality_gates"] = orjson.loads(found["quality_gates"])
        except orjson.JSONDecodeError as error:
            raise wrong("X-Freeloader-Gates", f"is not valid JSON: {error}") from error
    if "max_cost" in found:
        try:
            found["max_cost"] = float(found["max_cost"])
        except ValueError as error:
            raise wrong("X-Freeloader-Max-Cost", "must be an amount in dollars") from error
    if "targets" in found and found["targets"].isascii() and found["targets"].isdigit():
        found["targets"] = int(found["targets"][:9])
    return found


def _both(body: Level, head: Level) -> Level:
    costs = [cost for cost in (body.max_cost, head.max_cost) if cost is not None]
    return replace(
        body,
        strategy=body.strategy or head.strategy,
        gates=tighten((body, head)),
        max_cost=min(costs, default=None),
        targets=body.targets or head.targets,
        selection=body.selection or head.selection,
        aggregation=body.aggregation or head.aggregation,
    )


def _project(value: Any, caller: Caller) -> str | None:
    if value is None:
        return caller.project
    if not isinstance(value, str) or not _PROJECT.fullmatch(value):
        raise wrong("project", "must be 1 to 64 letters, digits, dots, dashes or underscores")
    if caller.project is not None and value != caller.project:
        raise Forbidden(
            f"This key belongs to project {caller.project}; it cannot name another.",
            param="project",
        )
    return value


def _metadata(value: Any) -> tuple[str | None, tuple[str, ...]]:
    if value is None:
        return None, ()
    if not isinstance(value, dict):
        raise wrong("metadata", "must be an object")
    check_few("metadata", value, "metadata")
    task: str | None = None
    others = False
    for key, part in value.items():
        name = snake(key)
        if name in _STEERING or name.startswith(("litellm", "user_api_key")):
            raise wrong(f"metadata.{safe_name(key)}", "is not accepted")
        if name == "task_type":
            task = _task(part)
        else:
            others = True
    return task, (("metadata",) if others else ())


def _task(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and snake(value) in TASKS:
        return snake(value)
    close = nearest(value, TASKS) if isinstance(value, str) else None
    hint = f"; did you mean {close}?" if close else ""
    raise InvalidRequest(
        f"metadata.taskType must be one of {', '.join(TASKS)}{hint}", param="metadata.taskType"
    )
