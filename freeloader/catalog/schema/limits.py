"""Limits, and what a provider says of them: headers, reports, and the rules for refusals."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from freeloader.catalog.schema.base import METRICS, Confidence, Count, Doc, Money, Window, one_of
from freeloader.core.outcome import KINDS

_WAIT = re.compile(
    r"message|header|reset|window|none|\d+(\.\d+)?"
    r"|(?:midnight|message) [A-Za-z_]+(?:/[A-Za-z_+\-0-9/]+)?"
)


class LimitDoc(Doc):
    """``amount`` is a count; for the metric ``usd`` it is decimal dollars.

    ``concurrency`` has no period: its ``window`` is ``once`` and its ``reset`` ``unknown``.
    ``allowance``: so much is free; accounts of a paid tier go on beyond it for money.
    """

    metric: str
    amount: Money
    window: Window
    reset: Literal["refill", "rolling", "calendar", "unknown"] = "unknown"
    scope: Literal["account", "model", "ip", "ip+model"] = "account"
    timezone: str = "UTC"
    applies_to: list[str] = []
    tier: str | None = None
    charged_on: Literal["accepted", "sent"] = "accepted"
    excludes: list[str] = []
    per_request_ceiling: bool = False
    expires_days: Count | None = None
    allowance: bool = False
    confidence: Confidence = "low"
    source: str = ""
    note: str = ""

    @field_validator("metric")
    @classmethod
    def _metric(cls, value: str) -> str:
        return one_of(value, METRICS, "metric")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as problem:
            raise ValueError(f"not an IANA time zone: {value!r}") from problem
        return value


class HeaderDoc(Doc):
    """``window`` ``tripped``: the header speaks of whichever window refused the call."""

    name: str
    metric: str
    window: Annotated[str, Field(pattern=r"^([1-9][0-9]*[smhd]|month|once|tripped)$")]
    means: Literal["limit", "remaining", "used", "reset"]
    format: Literal["int", "duration", "seconds", "epoch_ms", "epoch_s", "rfc3339"] = "int"


class ReportDoc(Doc):
    """One number in the answer of ``endpoints.quota``; ``path`` is dotted: ``data.used``."""

    path: Annotated[str, Field(min_length=1)]
    metric: str
    window: Window
    means: Literal["limit", "remaining", "used"]

    @field_validator("metric")
    @classmethod
    def _metric(cls, value: str) -> str:
        return one_of(value, METRICS, "metric")


class RuleDoc(Doc):
    """See ``core.model.ErrorRule`` and ``core.outcome``; the first rule that holds counts."""

    kind: str
    status: int | None = None
    match: str = ""
    header: str = ""
    window: Window | None = None
    metric: str | None = None
    scope: Literal["request", "model", "account", "provider"] | None = None
    wait: str | None = None

    @field_validator("kind")
    @classmethod
    def _kind(cls, value: str) -> str:
        return one_of(value, KINDS, "kind")

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from problem
        return value

    @field_validator("wait")
    @classmethod
    def _wait(cls, value: str | None) -> str | None:
        if value is not None and not _WAIT.fullmatch(value):
            raise ValueError(
                "not a wait: message, header, reset, window, none, midnight ZONE, or seconds"
            )
        return value
