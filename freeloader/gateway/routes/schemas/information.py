"""Schemas of what the information routes answer. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from freeloader.gateway.routes.schemas.shapes import (
    ANY,
    FLAG,
    NUMBER,
    SAVINGS,
    TEXT,
    TEXTS,
    WHOLE,
    Schema,
    fields,
    listed,
    maybe,
    ref,
)

_LISTED: Schema = {"id": TEXT, "object": {"const": "model"}, "created": WHOLE, "owned_by": TEXT}
_SPAN = fields(
    limit=maybe("number"),
    softLimit=maybe("number"),
    spent=NUMBER,
    held=NUMBER,
    remaining=maybe("number"),
    requests=WHOLE,
    resetsAt=maybe("string"),
)
_CHILD = fields(
    state=TEXT,
    pid=maybe("integer"),
    rssBytes=maybe("integer"),
    restarts=WHOLE,
    lastExit={"type": ["object", "string", "null"]},
    since=maybe("string"),
)

INFORMATION: Mapping[str, Schema] = {
    "Object": ANY,
    "Status": fields(("status",), status=TEXT),
    "Model": fields(("id", "object", "owned_by"), **_LISTED),
    "ModelRow": fields(
        ("provider", "name", "available"),
        provider=TEXT,
        name=TEXT,
        family=TEXT,
        intelligence=maybe("number"),
        speed=maybe("number"),
        costPer1M=fields(input=maybe("number"), output=maybe("number")),
        context=maybe("integer"),
        capabilities=TEXTS,
        quotaRemaining=maybe("number"),
        quotaResets=maybe("string"),
        available=FLAG,
        unavailableReason=maybe("string"),
        estimatedLatency=maybe("number"),
        free=FLAG,
        local=FLAG,
    ),
    "ModelList": fields(
        ("object", "data", "models"),
        object={"const": "list"},
        data=listed(ref("Model")),
        models=listed(ref("ModelRow")),
    ),
    "Benchmarks": fields(("benchmarks",), benchmarks=listed(ANY)),
    "Proposals": fields(("proposals",), proposals=listed(ANY)),
    "Channels": fields(("channels",), channels=listed(ANY)),
    "Health": fields(
        ("status", "providers", "uptime", "requestsToday", "child"),
        status={"enum": ["healthy", "degraded", "down"]},
        providers={
            "type": "object",
            "additionalProperties": {"enum": ["ok", "quota_exceeded", "error", "disabled"]},
        },
        uptime=NUMBER,
        requestsToday=WHOLE,
        reason=maybe("string"),
        child=_CHILD,
        lane=fields(mode=TEXT, direct=WHOLE, childOnly=WHOLE, childNeeded=FLAG),
        simulated=FLAG,
        problems=listed(TEXT),
        troubles={
            "type": "object",
            "additionalProperties": fields(("reason", "until"), reason=TEXT, until=maybe("string")),
        },
        turnedAway={
            "type": "object",
            "additionalProperties": fields(("count", "at"), count=WHOLE, at=TEXT, last=TEXT),
        },
        jobs=listed(ANY),
    ),
    "Budget": fields(
        ("daily", "monthly", "projects", "alerts", "projection"),
        daily=_SPAN,
        monthly=_SPAN,
        projects=ANY,
        alerts=listed(fields(("type", "message", "at"), type=TEXT, message=TEXT, at=TEXT)),
        projection=fields(
            ("monthlyAtCurrentRate", "exhaustedAt"),
            monthlyAtCurrentRate=NUMBER,
            exhaustedAt=maybe("string"),
        ),
        actions=listed(ANY),
    ),
    "Windows": fields(
        ("windows", "alerts", "warnings"),
        windows=listed(ANY),
        alerts=listed(ANY),
        warnings=listed(TEXT),
    ),
    "Decisions": fields(("decisions",), decisions=listed(ANY), before=maybe("string")),
    "Analytics": fields(
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
        period=TEXT,
        totalCost=maybe("number"),
        unpriced=WHOLE,
        totalRequests=WHOLE,
        avgCostPerRequest=maybe("number"),
        savings=SAVINGS,
        byProvider=ANY,
        byModel=ANY,
        byProject=ANY,
        byTask=ANY,
        series=listed(
            fields(
                ("t", "requests", "cost", "saved", "p50", "p95"),
                t=TEXT,
                requests=WHOLE,
                cost=maybe("number"),
                saved=maybe("number"),
                p50=maybe("number"),
                p95=maybe("number"),
            )
        ),
        costProjection=fields(
            ("monthlyAtCurrentRate", "willExceedBudget"),
            monthlyAtCurrentRate=maybe("number"),
            willExceedBudget=FLAG,
        ),
    ),
    "UsageReport": {
        "type": "object",
        "required": ["from", "to", "group", "rows", "total"],
        "properties": {
            "from": TEXT,
            "to": TEXT,
            "group": TEXT,
            "rows": listed(ANY),
            "total": ANY,
        },
    },
    "Audit": fields(("audit",), audit=listed(ANY), before=maybe("string")),
    "Config": fields(("config",), config=ANY),
    "Accounts": fields(("accounts",), accounts=listed(ANY), warnings=listed(TEXT)),
    "Keys": fields(("keys",), keys=listed(ANY)),
    "Jobs": fields(("jobs",), jobs=listed(ANY)),
}
