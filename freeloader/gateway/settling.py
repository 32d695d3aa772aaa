"""After an attempt: books, breaker, and the journal's row, whatever became of it.

Exact usage if the provider reported it, else counted, else the hold; released
only where provably nothing was consumed. Runs in a task of its own, so that
neither a client that leaves nor a shutdown can lose it. It decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from freeloader.clock import Instant, iso, slept
from freeloader.core import outcome
from freeloader.core.outcome import Outcome
from freeloader.core.outcome.answers import without
from freeloader.core.outcome.headers import observations
from freeloader.core.rows import MAX_PICO
from freeloader.gateway.attempts import Watch
from freeloader.gateway.ports import Facts, Hold
from freeloader.gateway.tools import Tools
from freeloader.money import Meters, known_usd, usd_from_pico
from freeloader.records import record
from freeloader.store.rows import AttemptRow

_log = logging.getLogger(__name__)


@record(frozen=True, slots=True)
class Settled:
    """What one attempt came to. ``cost`` in picodollars; ``outcome`` None means ok or left.
    ``unpriced``: nobody knows its price, and ``cost`` is what is counted for it.

    ``premium`` is what the premium model would have cost for the same; None where
    nothing was answered, or no such model is known.
    """

    outcome: Outcome | None
    used: Meters
    basis: str
    cost: int
    shown: dict[str, Any]
    premium: int | None = None
    unpriced: bool = False


class Took(NamedTuple):
    """An attempt's times in milliseconds: to its end, and to its first content."""

    latency_ms: float
    first_ms: float | None


async def settle(watch: Watch, hold: Hold, decision_id: str, tools: Tools) -> Settled:
    """Brings books and journal up to date with one finished, broken or abandoned attempt."""
    now = tools.clock.now()
    premium: int | None = None
    judged = _judge(watch, now, tools)
    took = Took(watch.latency_ms(), watch.first_ms())
    _observe(watch, hold, now, tools)
    if watch.first_at is None and nothing_consumed(watch):
        done = await tools.books.release(hold, now, sent=_was_sent(watch))
        used, basis = Meters(), "released"
    else:
        used, basis = watch.used()
        premium = _premium(judged, used, tools)
        facts = Facts(
            watch.attempt.profile.task,
            _outcome_name(watch, judged),
            took.latency_ms,
            took.first_ms,
            premium,
            said_to_be_free(watch),
        )
        done = await tools.books.settle(hold, used, basis, now, facts)
    _learn(watch, hold.upper, judged, used, took, now, tools)
    shown = _shown(watch, judged, used, basis, took, known_usd(done.cost, done.unpriced))
    kept = dict(shown) if premium is None else {**shown, "wouldHaveCostUsd": usd_from_pico(premium)}
    tools.journal.attempt(_row(watch, decision_id, used, took, done.cost, kept))
    _note(watch, shown)
    return Settled(judged, used, basis, done.cost, shown, premium, done.unpriced)


def _note(watch: Watch, shown: Mapping[str, Any]) -> None:
    """One line for each attempt: good ones are for whoever looks closely."""
    level = logging.DEBUG if shown["outcome"] == "ok" else logging.INFO
    if not _log.isEnabledFor(level):
        return
    attempt = watch.attempt
    fields = {
        "event": "attempt.end",
        "request_id": attempt.request_id,
        "attempt": attempt.id,
        "deployment": attempt.deployment.id,
        "account": attempt.deployment.account.name,
        "outcome": shown["outcome"],
        "ms": shown["latencyMs"],
    }
    _log.log(level, "%s: %s", attempt.deployment.id, shown["outcome"], extra={"fields": fields})


def said_to_be_free(watch: Watch) -> bool:
    """The evidence that a billable account's free quota covered a call.

    Only the provider's own statement of the cost (OpenRouter's ``usage.cost``) counts: a
    rate-limit header shows that a quota was there, and not that this call was billed to it.
    Without such a statement the call is charged at list price.
    """
    usage = watch.usage
    cost = usage.raw.get("cost") if usage is not None and usage.reported else None
    return type(cost) in (int, float) and cost == 0


def nothing_consumed(watch: Watch) -> bool:
    """Provably: never sent, or answered by an HTTP error before any content."""
    fault = watch.fault
    if fault is None:
        return not watch.sending
    return fault.phase == "connect" or (fault.status is not None and fault.status >= 400)


def _premium(judged: Outcome | None, used: Meters, tools: Tools) -> int | None:
    """What the same meters cost at the premium model: only answers are worth comparing."""
    premium = tools.rules.premium()
    if premium is None or judged is not None:
        return None
    return min(premium.price.cost(used), MAX_PICO)


def _was_sent(watch: Watch) -> bool:
    return watch.sending and not (watch.fault is not None and watch.fault.phase == "connect")


def _judge(watch: Watch, now: Instant, tools: Tools) -> Outcome | None:
    """What the failure means. Its reason goes to clients, into the journal and from there to
    terminals: no key is in it, and nothing that would move a cursor or hide a word."""
    if watch.fault is None:
        return None if watch.flaw is None else outcome.flawed(_shown_safely(watch.flaw))
    deployment = watch.attempt.deployment
    rules, limits = deployment.provider.error_rules, deployment.limits
    answer = without(watch.fault, watch.attempt.credentials.values())
    judged = outcome.classify(answer, rules, limits, now.wall)
    return replace(judged, reason=tools.scrub(_shown_safely(judged.reason)))


def _shown_safely(text: str) -> str:
    """On one line, without control characters and changes of direction."""
    if text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _observe(watch: Watch, hold: Hold, now: Instant, tools: Tools) -> None:
    """What the answer's headers say of quotas, while the attempt still holds its own share."""
    deployment = watch.attempt.deployment
    headers = watch.headers or (watch.fault.headers if watch.fault is not None else {})
    if headers and deployment.provider.rate_limit_headers:
        seen = observations(headers, deployment.provider.rate_limit_headers, now.wall)
        tools.books.observe(deployment, seen, now, hold)


def _learn(
    watch: Watch,
    asked: Meters,
    judged: Outcome | None,
    used: Meters,
    took: Took,
    now: Instant,
    tools: Tools,
) -> None:
    """What it says about the provider: nothing where the client left, or the machine slept."""
    if judged is None and not watch.finished:
        return
    if watch.fault is not None and slept(watch.started, now):
        return
    tools.load.attempt("ok" if judged is None else judged.kind, took.first_ms)
    deployment = watch.attempt.deployment
    tools.books.record(deployment, judged, took.latency_ms, took.first_ms, used.output, now, asked)


def _shown(
    watch: Watch,
    judged: Outcome | None,
    used: Meters,
    basis: str,
    took: Took,
    cost: float | None,
) -> dict[str, Any]:
    """The attempt as errors and decisions list it."""
    fault, first = watch.fault, took.first_ms
    row: dict[str, Any] = {
        "attempt": watch.attempt.number,
        "deployment": watch.attempt.deployment.id,
        "outcome": _outcome_name(watch, judged),
        "reason": judged.reason if judged is not None else "",
        "status": fault.status if fault is not None else watch.status,
        "latencyMs": round(took.latency_ms, 1),
        "firstMs": None if first is None else round(first, 1),
        "meters": used.as_dict(),
        "basis": basis,
        "costUsd": cost,
    }
    if judged is not None and judged.until is not None:
        row["until"] = iso(judged.until)
    return row


def _outcome_name(watch: Watch, judged: Outcome | None) -> str:
    if judged is not None:
        return judged.kind
    return "ok" if watch.finished else "abandoned"


def _row(
    watch: Watch,
    decision_id: str,
    used: Meters,
    took: Took,
    cost: int,
    shown: dict[str, Any],
) -> AttemptRow:
    attempt = watch.attempt
    return AttemptRow(
        id=attempt.id,
        decision_id=decision_id,
        request_id=attempt.request_id,
        number=attempt.number,
        at=watch.started.wall,
        deployment=attempt.deployment.id,
        outcome=shown["outcome"],
        status=shown["status"],
        reason=shown["reason"],
        latency_ms=took.latency_ms,
        first_ms=took.first_ms,
        cost_pico=cost,
        meters=used,
        detail=shown,
    )
