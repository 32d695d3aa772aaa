"""The OpenAPI document, written from the route table. It can describe no route that is not there.

Schemas say what is required and what is ours; OpenAI's own fields are described
by OpenAI, so that their objects stay open here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from freeloader.gateway.keys import PUBLIC
from freeloader.gateway.routes.schemas import SCHEMAS
from freeloader.gateway.routes.table import Route

_PARAMETER = re.compile(r"\{([a-z_]+)(?::[^}]*)?\}")
_ERRORS = {
    "400": "The request is wrong; `param` says where",
    "401": "No key, or a wrong one",
    "403": "The key, Host or Origin may not do this",
    "404": "Not there",
    "408": "The head or the body did not arrive in time",
    "413": "The body is too large",
    "415": "The body is not plain JSON",
}
_INFERENCE_ERRORS = {
    "402": "A hard budget would not be kept, or a price is unknown",
    "422": "No model passes the gates",
    "429": "Quota, rate or budget is busy; see Retry-After",
    "502": "Every allowed attempt failed",
    "503": "Not now; see Retry-After",
    "504": "Every allowed attempt timed out",
}


def document(version: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The whole document for ``routes``; one that a later release builds is not described."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if not route.built:
            continue
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "xSwarm-Freeloader",
            "version": version,
            "description": "One OpenAI-compatible address that uses every free tier first.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    out: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "tags": [route.tag],
        "responses": _responses(route),
    }
    parameters = [*_path_parameters(route), *_query_parameters(route)]
    if parameters:
        out["parameters"] = parameters
    if route.body is not None:
        out["requestBody"] = {"required": True, "content": _json(route.body)}
    if route.access == PUBLIC:
        out["security"] = []
    else:
        out["x-access"] = route.access
    return out


def _responses(route: Route) -> dict[str, Any]:
    good = "201" if route.created else "200"
    content = {kind: {"schema": {"type": "string"}} for kind in route.media}
    content = content or _json(route.answer or "#Object")
    if route.tag == "inference" and route.path != "/v1/router/debug":
        # No type: some readers mean each event by it, others all of them as one text.
        said = "Server-sent events: each is a chunk as JSON, the last one [DONE]."
        content["text/event-stream"] = {"schema": {"description": said}}
    out: dict[str, Any] = {good: {"description": "Done", "content": content}}
    errors = dict(_ERRORS)
    if route.access == PUBLIC:
        errors = {"403": _ERRORS["403"]}
    elif route.body is None:
        errors = {key: errors[key] for key in ("400", "401", "403", "404")}
    if route.access != PUBLIC:
        errors["503"] = _INFERENCE_ERRORS["503"]
    if route.tag == "inference":
        errors.update(_INFERENCE_ERRORS)
    if route.path == "/ready":
        out["503"] = {"description": "Not yet", "content": _json("#Status")}
    out.update({status: _error(text) for status, text in sorted(errors.items())})
    return out


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "in": "query", "required": False, "schema": dict(one.schema),
         "description": one.about}
        for one in route.query
    ]  # fmt: skip


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z0-9]+", _PARAMETER.sub(r"by \1", route.path).lower())
    return "_".join([route.method.lower(), *words])


def _json(schema: Mapping[str, Any] | str) -> dict[str, Any]:
    named = {"$ref": f"#/components/schemas/{schema[1:]}"} if isinstance(schema, str) else schema
    return {"application/json": {"schema": dict(named)}}


def _error(text: str) -> dict[str, Any]:
    return {"description": text, "content": _json("#Error")}
