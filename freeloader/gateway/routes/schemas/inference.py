"""Schemas of requests to models and of their answers, errors included. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from freeloader.gateway.routes.schemas.shapes import (
    ANY,
    FLAG,
    NUMBER,
    SAVINGS,
    TEXT,
    WHOLE,
    Schema,
    fields,
    listed,
    maybe,
    or_null,
    ref,
)

_DIRECTIVES: Schema = {
    "strategy": TEXT,
    "weights": fields(cost=NUMBER, speed=NUMBER, quality=NUMBER, closed=True),
    "costTolerance": NUMBER,
    "qualityGates": ANY,
    "budget": ANY,
    "project": TEXT,
    "metadata": ANY,
    "fallback": {"type": ["string", "object"]},
    "maxWait": {"type": ["integer", "string"]},
    "pacing": {"type": ["string", "boolean"]},
    "slow": FLAG,
    "max_cost": NUMBER,
    "session": TEXT,
    "priority": {"enum": ["cheap", "balanced", "best"]},
    "latency_pref": {"enum": ["fast", "normal"]},
    "targets": {"type": "integer", "minimum": 1, "maximum": 10},
    "selection": {"enum": ["diverse", "best", "cheapest"]},
    "aggregation": {"enum": ["first", "all", "consensus", "best"]},
    "freeloader": ANY,
}
_SAMPLING: Schema = {
    "model": TEXT,
    "stream": FLAG,
    "stream_options": fields(include_usage=FLAG),
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "n": {"type": "integer", "minimum": 1, "maximum": 128},
    "max_tokens": {"type": "integer", "minimum": 1},
    "max_completion_tokens": {"type": "integer", "minimum": 1},
    "stop": {"type": ["string", "array"]},
    "seed": WHOLE,
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "logit_bias": ANY,
    "user": TEXT,
    "response_format": ANY,
    "reasoning_effort": TEXT,
    **_DIRECTIVES,
}


def _asked(required: str, schema: Schema, **optional: Schema) -> Schema:
    """A request's body: one field it needs; of the others null says the same as nothing."""
    others = {name: or_null(one) for name, one in {**optional, **_SAMPLING}.items()}
    return {**fields((required,)), "properties": {required: schema, **others}}


_ROLE: Schema = {"enum": ["system", "developer", "user", "assistant", "tool", "function"]}
_CONTENT: Schema = {"type": ["string", "array", "null"]}
_USAGE = fields(
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    prompt_tokens=WHOLE,
    completion_tokens=WHOLE,
    total_tokens=WHOLE,
    tokensIn=WHOLE,
    tokensOut=WHOLE,
    costUsd=maybe("number"),
    latencyMs=NUMBER,
    quotaUsed=ANY,
    estimated=FLAG,
    savings={"anyOf": [SAVINGS, {"type": "null"}]},
)
_ROUTING = fields(
    provider=TEXT,
    model=TEXT,
    requested=TEXT,
    reason=TEXT,
    strategy=TEXT,
    task=TEXT,
    complexity=NUMBER,
    attempts=WHOLE,
    alternatives=listed(ANY),
    savings=SAVINGS,
)
_ANSWER: Schema = {
    "id": TEXT,
    "object": TEXT,
    "created": WHOLE,
    "model": TEXT,
    "choices": listed(ANY),
    "usage": ref("Usage"),
    "routing": ref("Routing"),
}
INFERENCE: Mapping[str, Schema] = {
    "Error": fields(
        ("error",),
        error=fields(
            ("message", "type", "code", "param", "decisionId", "details"),
            message=TEXT,
            type=TEXT,
            code=TEXT,
            param=maybe("string"),
            decisionId=maybe("string"),
            details=maybe("object"),
        ),
    ),
    "ChatRequest": _asked(
        "messages",
        {**listed(fields(("role",), role=_ROLE, content=_CONTENT)), "minItems": 1},
        tools=listed(ANY),
        tool_choice={"type": ["string", "object"]},
        parallel_tool_calls=FLAG,
        logprobs=FLAG,
        top_logprobs={"type": "integer", "minimum": 0, "maximum": 20},
    ),
    "CompletionRequest": _asked(
        "prompt",
        {"type": ["string", "array"]},
        echo=FLAG,
        best_of={"type": "integer", "minimum": 1},
        logprobs={"type": ["integer", "boolean"]},
    ),
    "AnyRequest": {"anyOf": [ref("ChatRequest"), ref("CompletionRequest")]},
    "Usage": _USAGE,
    "Routing": _ROUTING,
    "ChatAnswer": fields(("id", "choices", "usage", "routing"), **_ANSWER),
    "CompletionAnswer": fields(
        ("choices", "text", "usage", "routing", "budget"),
        text=TEXT,
        budget=fields(
            dailySpent=NUMBER, dailyRemaining=maybe("number"), projectSpent=maybe("number")
        ),
        **_ANSWER,
    ),
}
