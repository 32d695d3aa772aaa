"""What schemas are made of: plain values, lists, objects, and what several of them hold."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def fields(required: tuple[str, ...] = (), *, closed: bool = False, **properties: Any) -> Schema:
    out: Schema = {"type": "object", "properties": properties}
    if required:
        out["required"] = list(required)
    if closed:
        out["additionalProperties"] = False
    return out


def maybe(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def or_null(schema: Schema) -> Schema:
    """The same, or null: what a request may leave out, it may also name without a value."""
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*kinds, "null"]}


def listed(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {"type": "object"}
TEXTS = listed(TEXT)

SAVINGS = fields(
    premiumModel=maybe("string"),
    wouldHaveCost=maybe("number"),
    saved=maybe("number"),
    savedPercent=maybe("number"),
)
