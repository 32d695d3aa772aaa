"""The JSON schemas that the OpenAPI document names. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def _object(required: tuple[str, ...] = (), *, closed: bool = False, **properties: Any) -> Schema:
    out: Schema = {"type": "object", "properties": properties}
    if required:
        out["required"] = list(required)
    if closed:
        out["additionalProperties"] = False
    return out


def _maybe(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_WHOLE: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_ANY: Schema = {"type": "object"}
_TEXTS = _list(_TEXT)

_DIRECTIVES: Schema = {
    "strategy": _TEXT,
    "weights": _object(cost=_NUMBER, speed=_NUMBER, quality=_NUMBER, closed=True),
    "costTolerance": _NUMBER,
    "qualityGates": _ANY,
    "budget": _ANY,
    "project": _TEXT,
    "metadata": _ANY,
    "fallback": {"type": ["string", "object"]},
    "maxWait": {"type": ["integer", "string"]},
    "pacing": {"type": ["string", "boolean"]},
    "slow": _FLAG,
    "max_cost": _NUMBER,
    "session": _TEXT,
    "priority": {"enum": ["cheap", "balanced", "best"]},
    "latency_pref": {"enum": ["fast", "normal"]},
    "targets": {"type": "integer", "minimum": 1, "maximum": 10},
    "selection": {"enum": ["diverse", "best", "cheapest"]},
    "aggregation": {"enum": ["first", "all", "consensus", "best"]},
    "freeloader": _ANY,
}
_SAMPLING: Schema = {
    "model": _TEXT,
    "stream": _FLAG,
    "stream_options": _object(include_usage=_FLAG),
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "n": {"type": "integer", "minimum": 1, "maximum": 128},
    "max_tokens": {"type": "integer", "minimum": 1},
    "max_completion_tokens": {"type": "integer", "minimum": 1},
    "stop": {"type": ["string", "array"]},
    "seed": _WHOLE,
    "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "logit_bias": _ANY,
    "user": _TEXT,
    "response_format": _ANY,
    "reasoning_effort": _TEXT,
    **_DIRECTIVES,
}
_SAVINGS = _object(
    premiumModel=_maybe("string"),
    wouldHaveCost=_maybe("number"),
    saved=_maybe("number"),
    savedPercent=_maybe("number"),
)
_USAGE = _object(
    ("prompt_tokens", "completion_tokens", "total_tokens"),
    prompt_tokens=_WHOLE,
    completion_tokens=_WHOLE,
    total_tokens=_WHOLE,
    tokensIn=_WHOLE,
    tokensOut=_WHOLE,
    costUsd=_maybe("number"),
    latencyMs=_NUMBER,
    quotaUsed=_ANY,
    estimated=_FLAG,
    savings={"anyOf": [_SAVINGS, {"type": "null"}]},
)
_ROUTING = _object(
    provider=_TEXT,
    model=_TEXT,
    requested=_TEXT,
    reason=_TEXT,
    strategy=_TEXT,
    task=_TEXT,
    complexity=_NUMBER,
    attempts=_WHOLE,
    alternatives=_list(_ANY),
    savings=_SAVINGS,
)
_ANSWER: Schema = {
    "id": _TEXT,
    "object": _TEXT,
    "created": _WHOLE,
    "model": _TEXT,
    "choices": _list(_ANY),
    "usage": _ref("Usage"),
    "routing": _ref("Routing"),
}
_LISTED: Schema = {"id": _TEXT, "object": {"const": "model"}, "created": _WHOLE, "owned_by": _TEXT}
_SPAN = _object(
    limit=_maybe("number"),
    softLimit=_maybe("number"),
    spent=_NUMBER,
    held=_NUMBER,
    remaining=_maybe("number"),
    requests=_WHOLE,
    resetsAt=_maybe("string"),
)
_CHILD = _object(
    state=_TEXT,
    pid=_maybe("integer"),
    rssBytes=_maybe("integer"),
    restarts=_WHOLE,
    lastExit={"type": ["object", "string", "null"]},
    since=_maybe("string"),
)

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object(
        ("error",),
        error=_object(
            ("message", "type", "code", "param", "decisionId", "details"),
            message=_TEXT,
            type=_TEXT,
            code=_TEXT,
            param=_maybe("string"),
            decisionId=_maybe("string"),
            details=_maybe("object"),
        ),
    ),
    "Object": _ANY,
    "Status": _object(("status",), status=_TEXT),
    "ChatRequest": _object(
        ("messages",),
        messages={**_list(_object(("role",), role=_TEXT)), "minItems": 1},
        tools=_list(_ANY),
        tool_choice={"type": ["string", "object"]},
        parallel_tool_calls=_FLAG,
        logprobs=_FLAG,
        top_logprobs={"type": "integer", "minimum": 0, "maximum": 20},
        **_SAMPLING,
    ),
    "CompletionRequest": _object(
        ("prompt",),
        prompt={"type": ["string", "array"]},
        echo=_FLAG,
        best_of={"type": "integer", "minimum": 1},
        logprobs={"type": ["integer", "boolean"]},
        **_SAMPLING,
    ),
    "AnyRequest": {"anyOf": [_ref("ChatRequest"), _ref("CompletionRequest")]},
    "Usage": _USAGE,
    "Routing": _ROUTING,
    "ChatAnswer": _object(("id", "choices", "usage", "routing"), **_ANSWER),
    "CompletionAnswer": _object(
        ("choices", "text", "usage", "routing", "budget"),
        text=_TEXT,
        budget=_object(
            dailySpent=_NUMBER, dailyRemaining=_maybe("number"), projectSpent=_maybe("number")
        ),
        **_ANSWER,
    ),
    "Model": _object(("id", "object", "owned_by"), **_LISTED),
    "ModelRow": _object(
        ("provider", "name", "available"),
        provider=_TEXT,
        name=_TEXT,
        family=_TEXT,
        intelligence=_maybe("number"),
        speed=_maybe("number"),
        costPer1M=_object(input=_maybe("number"), output=_maybe("number")),
        context=_maybe("integer"),
        capabilities=_TEXTS,
        quotaRemaining=_maybe("number"),
        quotaResets=_maybe("string"),
        available=_FLAG,
        unavailableReason=_maybe("string"),
        estimatedLatency=_maybe("number"),
        free=_FLAG,
        local=_FLAG,
    ),
    "ModelList": _object(
        ("object", "data", "models"),
        object={"const": "list"},
        data=_list(_ref("Model")),
        models=_list(_ref("ModelRow")),
    ),
    "Benchmarks": _object(("benchmarks",), benchmarks=_list(_ANY)),
    "BenchmarkRun": _object(closed=True, models=_list(_TEXT), dryRun=_FLAG),
    "Proposals": _object(("proposals",), proposals=_list(_ANY)),
    "Channels": _object(("channels",), channels=_list(_ANY)),
    "ChannelTested": _object(("channels",), channels=_list(_ANY)),
    "ChannelNew": _object(("name", "address"), closed=True, name=_TEXT, address=_TEXT),
    "ChannelTest": _object(closed=True, name=_maybe("string")),
    "Feedback": _object(
        ("decisionId", "score"),
        closed=True,
        decisionId=_TEXT,
        score={"type": "number", "minimum": 0, "maximum": 1},
        comment=_maybe("string"),
    ),
    "FeedbackTaken": _object(
        ("recorded", "decisionId", "model", "task", "score", "votes", "average", "shift"),
        recorded=_FLAG,
        decisionId=_TEXT,
        model=_TEXT,
        task=_TEXT,
        score=_NUMBER,
        votes=_WHOLE,
        average=_NUMBER,
        shift=_NUMBER,
    ),
    "Health": _object(
        ("status", "providers", "uptime", "requestsToday", "child"),
        status={"enum": ["healthy", "degraded", "down"]},
        providers={
            "type": "object",
            "additionalProperties": {"enum": ["ok", "quota_exceeded", "error", "disabled"]},
        },
        uptime=_NUMBER,
        requestsToday=_WHOLE,
        reason=_maybe("string"),
        child=_CHILD,
        lane=_object(mode=_TEXT, direct=_WHOLE, childOnly=_WHOLE, childNeeded=_FLAG),
        simulated=_FLAG,
        problems=_list(_TEXT),
        jobs=_list(_ANY),
    ),
    "Budget": _object(
        ("daily", "monthly", "projects", "alerts", "projection"),
        daily=_SPAN,
        monthly=_SPAN,
        projects=_ANY,
        alerts=_list(_object(("type", "message", "at"), type=_TEXT, message=_TEXT, at=_TEXT)),
        projection=_object(
            ("monthlyAtCurrentRate", "exhaustedAt"),
            monthlyAtCurrentRate=_NUMBER,
            exhaustedAt=_maybe("string"),
        ),
        actions=_list(_ANY),
    ),
    "Confirmed": _object(("confirmed",), confirmed=_FLAG),
    "Windows": _object(
        ("windows", "alerts", "warnings"),
        windows=_list(_ANY),
        alerts=_list(_ANY),
        warnings=_list(_TEXT),
    ),
    "WindowsReset": _object(closed=True, provider=_maybe("string"), idx=_maybe("integer")),
    "Decisions": _object(("decisions",), decisions=_list(_ANY), before=_maybe("string")),
    "Analytics": _object(
        (
            "period",
            "totalCost",
            "totalRequests",
            "avgCostPerRequest",
            "savings",
            "byProvider",
            "byModel",
            "byProject",
            "byTask",
            "series",
            "costProjection",
        ),
        period=_TEXT,
        totalCost=_maybe("number"),
        unpriced=_WHOLE,
        totalRequests=_WHOLE,
        avgCostPerRequest=_maybe("number"),
        savings=_SAVINGS,
        byProvider=_ANY,
        byModel=_ANY,
        byProject=_ANY,
        byTask=_ANY,
        series=_list(
            _object(
                ("t", "requests", "cost", "saved", "p50", "p95"),
                t=_TEXT,
                requests=_WHOLE,
                cost=_maybe("number"),
                saved=_maybe("number"),
                p50=_maybe("number"),
                p95=_maybe("number"),
            )
        ),
        costProjection=_object(
            ("monthlyAtCurrentRate", "willExceedBudget"),
            monthlyAtCurrentRate=_maybe("number"),
            willExceedBudget=_FLAG,
        ),
    ),
    "UsageReport": {
        "type": "object",
        "required": ["from", "to", "group", "rows", "total"],
        "properties": {
            "from": _TEXT,
            "to": _TEXT,
            "group": _TEXT,
            "rows": _list(_ANY),
            "total": _ANY,
        },
    },
    "Audit": _object(("audit",), audit=_list(_ANY), before=_maybe("string")),
    "Config": _object(("config",), config=_ANY),
    "ConfigChanged": _object(("updated", "config"), updated=_FLAG, config=_ANY, appliesAt=_TEXT),
    "Rollback": _object(("version",), version=_WHOLE, closed=True),
    "Accounts": _object(("accounts",), accounts=_list(_ANY), warnings=_list(_TEXT)),
    "AccountAdd": _object(("provider",), provider=_TEXT, key=_TEXT, tier=_TEXT, endpoint=_TEXT),
    "AccountAdded": _object(
        ("added", "provider", "idx"),
        added=_FLAG,
        provider=_TEXT,
        idx=_WHOLE,
        verified=_FLAG,
        modelsAvailable=_list({}),
    ),
    "AccountChange": _object(
        enabled=_FLAG,
        tier=_TEXT,
        priority=_WHOLE,
        limits={"type": ["array", "null"], "items": _ANY},
        sameAccountAs=_maybe("integer"),
        endpoint=_maybe("string"),
    ),
    "Keys": _object(("keys",), keys=_list(_ANY)),
    "KeyCreate": _object(role={"enum": ["admin", "client", "viewer"]}, project=_maybe("string")),
    "KeyCreated": _object(("key",), key=_TEXT, id=_TEXT, role=_TEXT),
    "Jobs": _object(("jobs",), jobs=_list(_ANY)),
}
