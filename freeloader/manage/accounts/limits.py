"""An account's own limits: what a person gives → checked ``Limit``s, and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from freeloader.core.model import OWN, Limit
from freeloader.errors import InvalidRequest
from freeloader.money import METERS, pico_from_usd, usd_from_pico
from freeloader.settings import read
from freeloader.settings.read import Wrong
from freeloader.settings.spelling import camel, snake

_METRICS = frozenset({*METERS, "tokens", "concurrency"})
_WINDOW = re.compile(r"[1-9]\d{0,4}[smhd]|month|once")


def parse_limits(value: Any) -> tuple[Limit, ...]:
    """An account's own limits: a list in the registry's form. Raises InvalidRequest."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > 50:
        raise InvalidRequest("limits must be a list of at most 50.", param="limits")
    limits: list[Limit] = []
    for number, entry in enumerate(value):
        try:
            limits.append(_limit(entry))
        except Wrong as wrong:
            place = f"limits.{number}" + (f".{wrong.key}" if wrong.key else "")
            raise InvalidRequest(f"{place}: {wrong.reason}", param=place) from wrong
        buckets = [_bucket(limit) for limit in limits]
        if (first := buckets.index(buckets[-1])) < number:
            raise InvalidRequest(
                f"limits.{number} counts the same as limits.{first}: give one of the two.",
                param=f"limits.{number}",
            )
    return tuple(limits)


def _limit(entry: Any) -> Limit:
    found = read.fields(
        entry,
        {
            "metric": read.text,
            "amount": lambda v: v,
            "window": read.text,
            "reset": read.one_of(("refill", "rolling", "calendar", "unknown")),
            "scope": read.one_of(("account", "model", "ip", "ip+model")),
            "timezone": read.text,
            "applies_to": read.names,
            "charged_on": read.one_of(("accepted", "sent")),
            "excludes": read.names,
            "per_request_ceiling": read.flag,
            "allowance": read.flag,
            "expires_days": read.integer(1, 36_500),
        },
    )
    metric = snake(found.get("metric", ""))
    if metric not in _METRICS:
        raise Wrong(f"must be one of {', '.join(sorted(_METRICS))}", "metric")
    if metric == "concurrency":  # what runs at once has no period
        found["window"] = "once"
    if not _WINDOW.fullmatch(found.get("window", "")):
        raise Wrong("must be a number and s, m, h or d, or month, or once", "window")
    if "timezone" in found:
        with read.within("timezone"):
            _zone(found["timezone"])
        found.setdefault("reset", "calendar")
    with read.within("amount"):
        raw = found.get("amount")
        amount = pico_from_usd(read.money(raw)) if metric == "usd" else read.integer(0, 10**15)(raw)
    _sensible(found, metric, amount)
    for name in ("applies_to", "excludes"):
        if name in found:
            found[name] = tuple(sorted(found[name]))
    return Limit(
        **{**found, "metric": metric, "amount": amount, "confidence": "high", "source": OWN}
    )


def _bucket(limit: Limit) -> tuple[object, ...]:
    return (limit.metric, limit.window, limit.scope, limit.applies_to, limit.allowance)


def _sensible(found: dict[str, Any], metric: str, amount: int) -> None:
    """What would be silently without effect is a slip."""
    unknown = sorted(x for x in map(snake, found.get("excludes", ())) if x not in METERS)
    if unknown:
        raise Wrong(f"{unknown[0]!r} is no meter; known are: {', '.join(METERS)}", "excludes")
    if "timezone" in found and found["reset"] != "calendar":
        raise Wrong("goes with reset calendar: any other begins at no time of day", "timezone")
    if found["window"] == "once" and found.get("reset", "unknown") != "unknown":
        raise Wrong("does not go with the window once, of which nothing comes back", "reset")
    if found.get("excludes") and metric not in ("tokens", "input"):
        raise Wrong("goes with tokens: of other metrics there is nothing to leave out", "excludes")
    if found.get("per_request_ceiling") and metric in ("concurrency", "requests"):
        raise Wrong("is the most of one call, which is one of these", "perRequestCeiling")
    if "expires_days" in found and found["window"] != "once":
        raise Wrong("goes with the window once: credits that end", "expiresDays")
    if found.get("allowance") and (metric == "concurrency" or amount == 0):
        raise Wrong("says how much is free: an amount above 0 of anything but concurrency",
                    "allowance")  # fmt: skip


def _zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise Wrong(f"{name!r} is not an IANA time zone such as America/Los_Angeles") from problem


def limit_row(limit: Limit) -> dict[str, Any]:
    """A limit as ``parse_limits`` reads it."""
    amount = usd_from_pico(limit.amount) if limit.metric == "usd" else limit.amount
    row: dict[str, Any] = {
        "metric": camel(limit.metric),
        "amount": amount,
        "window": limit.window,
        "reset": limit.reset,
        "scope": limit.scope,
    }
    if limit.reset == "calendar":
        row["timezone"] = limit.timezone
    if limit.applies_to:
        row["appliesTo"] = list(limit.applies_to)
    if limit.expires_days is not None:
        row["expiresDays"] = limit.expires_days
    if limit.excludes:
        row["excludes"] = list(limit.excludes)
    if limit.charged_on != "accepted":
        row["chargedOn"] = limit.charged_on
    for name in ("per_request_ceiling", "allowance"):
        if getattr(limit, name):
            row[camel(name)] = True
    return row


def like_published(limits: Iterable[Limit], published: Sequence[Limit]) -> tuple[Limit, ...]:
    """Own limits that say nothing of how they reset do as the registry's of the same kind."""
    found = []
    for limit in limits:
        same = [x for x in published if (x.metric, x.window) == (limit.metric, limit.window)]
        if same and limit.reset == "unknown":
            model = same[0]
            scope = model.scope if limit.scope == "account" else limit.scope
            limit = replace(limit, reset=model.reset, timezone=model.timezone, scope=scope,
                            charged_on=model.charged_on, excludes=limit.excludes or model.excludes,
                            applies_to=limit.applies_to or model.applies_to)  # fmt: skip
        found.append(limit)
    return tuple(found)
