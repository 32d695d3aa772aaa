"""Schemas of what an owner can change: bodies, and what is said of the change. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from freeloader.gateway.routes.schemas.shapes import (
    ANY,
    FLAG,
    NUMBER,
    TEXT,
    WHOLE,
    Schema,
    fields,
    listed,
    maybe,
)

MANAGEMENT: Mapping[str, Schema] = {
    "BenchmarkRun": fields(closed=True, models=listed(TEXT), dryRun=FLAG),
    "ChannelTested": fields(("channels",), channels=listed(ANY)),
    "ChannelNew": fields(("name", "address"), closed=True, name=TEXT, address=TEXT),
    "ChannelTest": fields(closed=True, name=maybe("string")),
    "Feedback": fields(
        ("decisionId", "score"),
        closed=True,
        decisionId={**TEXT, "minLength": 1},
        score={"type": "number", "minimum": 0, "maximum": 1},
        comment=maybe("string"),
    ),
    "FeedbackTaken": fields(
        ("recorded", "decisionId", "model", "task", "score", "votes", "average", "shift"),
        recorded=FLAG,
        decisionId=TEXT,
        model=TEXT,
        task=TEXT,
        score=NUMBER,
        votes=WHOLE,
        average=NUMBER,
        shift=NUMBER,
    ),
    "Confirmed": fields(("confirmed",), confirmed=FLAG),
    "WindowsReset": fields(
        closed=True, provider=maybe("string"), idx=maybe("integer"), learnt=FLAG
    ),
    "ConfigChanged": fields(("updated", "config"), updated=FLAG, config=ANY, appliesAt=TEXT),
    "Rollback": fields(("version",), version=WHOLE, closed=True),
    "AccountAdd": fields(("provider",), provider=TEXT, key=TEXT, tier=TEXT, endpoint=TEXT),
    "AccountAdded": fields(
        ("added", "provider", "idx"),
        added=FLAG,
        provider=TEXT,
        idx=WHOLE,
        verified=FLAG,
        modelsAvailable=listed({}),
    ),
    "AccountChange": fields(
        enabled=FLAG,
        tier=TEXT,
        priority=WHOLE,
        limits={"type": ["array", "null"], "items": ANY},
        sameAccountAs=maybe("integer"),
        endpoint=maybe("string"),
    ),
    "KeyCreate": fields(role={"enum": ["admin", "client", "viewer"]}, project=maybe("string")),
    "KeyCreated": fields(("key",), key=TEXT, id=TEXT, role=TEXT),
}
