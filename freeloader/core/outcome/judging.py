"""Whose fault a failed answer is, what it says of limits, and when to come back.

Pure: raw status, headers and body in, ``Outcome`` out. It neither retries nor
remembers. The provider's own error rules come first, then rules that hold
everywhere (``core.outcome.refusals``), then the status. It reads the provider's answer as
it came, and also what LiteLLM makes of one. Facts: the free-tier study of 2026-11-20.

How long a refusal lasts is ``core.outcome.waits``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from freeloader.core.events import Answer
from freeloader.core.model import ErrorRule, Limit
from freeloader.core.outcome import messages, sieve
from freeloader.core.outcome.answers import Reading, read
from freeloader.core.outcome.figures import size
from freeloader.core.outcome.kinds import Outcome, finish, plain, reason_of
from freeloader.core.outcome.refusals import FIRST, GENERIC
from freeloader.core.outcome.statuses import (
    by_status,
    by_wait,
    limit_of,
    metric_of,
    scope_of,
    window_of,
)
from freeloader.core.outcome.waits import stated, wait_of
from freeloader.core.periods import window_seconds

#: The class of an answer that a lane gives for a call it had no room for: nothing was sent.
BUSY = "PoolFull"
_BUSY_S = 1.0
#: That of a call for a model which LiteLLM left out of its list, because it cannot use what was
#: said of it. Asking again is of no use until the owner mends that, which takes a new child.
ENTRY_REFUSED = "EntryRefused"
_ENTRY_REFUSED_S = 300.0
#: What lasts longer is not a minute's.
_SHORT = 90.0


def classify(
    answer: Answer, rules: Sequence[ErrorRule], limits: Sequence[Limit], now: float
) -> Outcome:
    """Judge a failed answer. ``limits`` are the deployment's, ``now`` wall seconds."""
    if answer.lane_fault and answer.error_class == BUSY:
        said = plain("our_fault", answer.body, "request", "other", "lane")
        return replace(said, until=now + _BUSY_S)
    if answer.lane_fault and answer.error_class == ENTRY_REFUSED:
        said = plain("our_fault", answer.body, "model", "other", "lane")
        return replace(said, until=now + _ENTRY_REFUSED_S)
    if answer.lane_fault:
        return plain("our_fault", answer.body or "the lane broke", "request", "same", "lane")
    reading = read(answer)
    if _never_fits(reading):
        return plain("request_too_large", reason_of("request_too_large", reading), "request")
    for rule in _all(rules):
        if _holds(rule, reading):
            return _by_rule(rule, reading, limits, now)
    # LiteLLM says 500 and 400 for what was a 429, and a success has no status that speaks of
    # the error in it: then the words decide.
    if reading.retold or (reading.success and reading.error):
        for rule in _all(rules):
            if rule.match and _holds(rule, reading, whatever=True):
                return _by_rule(rule, reading, limits, now)
        if _RATE.search(reading.text):
            return by_wait(reading, limits, now)
    return by_status(answer, reading, limits, now)


def flawed(said: str) -> Outcome:
    """An answer came, whole and paid for, and ``said`` is wrong with it (``outcome.flaws``)."""
    return plain("quality_failure", said, "model")


def _all(rules: Sequence[ErrorRule]) -> Iterator[ErrorRule]:
    """What a provider's 429 usually means (a rule without words) is asked for last.

    Which of its limits it is, or none, the words know better.
    """
    yield from FIRST
    yield from (rule for rule in rules if not _usual(rule))
    yield from GENERIC
    yield from filter(_usual, rules)


def _usual(rule: ErrorRule) -> bool:
    return rule.status == 429 and not (rule.match or rule.header)


def _holds(rule: ErrorRule, reading: Reading, *, whatever: bool = False) -> bool:
    """``whatever``: the status is not to be trusted."""
    if rule.status is not None and rule.status not in reading.statuses and not whatever:
        return False
    if reading.success and not rule.match:
        return False
    if rule.match and not _matches(rule, reading):
        return False
    if not rule.header:
        return True
    name, _, wanted = rule.header.partition(":")
    value = reading.headers.get(name.strip().lower())
    return value is not None and (not wanted or bool(_pattern(wanted.strip()).search(value)))


def _matches(rule: ErrorRule, reading: Reading) -> bool:
    folded = reading.folded
    some = [
        text
        for text, words in _alternatives(rule.match)
        if words is None or any(word in folded for word in words)
    ]
    heard = _heard(rule, reading) if some else ""
    return any(_pattern(text).search(heard) for text in some)


def _heard(rule: ErrorRule, reading: Reading) -> str:
    """What rests a model or an account must be the provider's word, not a client's it quotes."""
    if rule.kind == "spent":  # what money would buy is not what is spent
        return _OFFER.sub("", reading.own if rule.scope == "account" else reading.named)
    if rule.scope in ("account", "provider"):
        return reading.own
    return reading.named if rule.scope == "model" else reading.text


#: ``upgrade to get 1000 daily requests``, to the end of the sentence.
_OFFER = re.compile(
    r"\b(?:upgrade|unlock|subscribe|add \d{1,5} credits)\b[^.!\n\"]{0,60}?"
    r"\b(?:for|to (?:get|have|unlock|raise|increase))\b[^.!\n\"]{0,120}",
    re.IGNORECASE,
)
_RATE = re.compile(r"rate[ _-]?limit|too[ _]many[ _]requests|throttl", re.IGNORECASE)
_ASKED = re.compile(
    r"\blimit:? (?P<limit>[\d,]{1,15})\b.{0,60}?\brequested:? (?P<asked>[\d,]{1,15})\b"
    r"|\brequested:? (?P<more>[\d,]{1,15})\b.{0,60}?\blimit(?: of| is)?:? (?P<most>[\d,]{1,15})\b",
    re.IGNORECASE | re.DOTALL,
)


def _never_fits(reading: Reading) -> bool:
    """The refusal itself says that more was asked for than the whole limit is."""
    found = None if reading.success else _ASKED.search(reading.text)
    if found is None:
        return False
    said = (found["limit"] or found["most"], found["asked"] or found["more"])
    limit, asked = (int(part.replace(",", "") or 0) for part in said)
    return 0 < limit < asked


_alternatives = lru_cache(maxsize=1024)(sieve.alternatives)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def _outlasts(window: str | None, reading: Reading, now: float) -> bool:
    """The answer states a wait that is longer than that window, and no minute's."""
    longest = max(_SHORT, window_seconds(window or "1m"))
    return (stated("header", "UTC", reading, now) or 0.0) > longest


def _by_rule(rule: ErrorRule, reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    if rule.window is None and rule.kind in ("slow_down", "spent"):
        rule = replace(rule, window=messages.span(reading.text))
    window = rule.window
    metric = rule.metric or metric_of(reading.text, rule.kind)
    limit = limit_of(limits, window, metric)
    scope = rule.scope or scope_of(limit, reading.text)
    longer = (
        rule.kind in ("slow_down", "spent") and _usual(rule) and _outlasts(window, reading, now)
    )
    if longer:
        # It is usually that window's by the rule, but this one says more.
        rule = replace(rule, window=messages.span(reading.text), wait=None)
    seconds = wait_of(rule, reading, limit, now)
    kind, window = rule.kind, rule.window
    if longer or (kind == "slow_down" and window is None and (seconds or 0.0) > _SHORT):
        kind, window = "spent", window or window_of(limits, seconds or 0.0)
    found = finish(kind, reading, window, metric, scope, seconds, now)
    if kind in ("slow_down", "spent") and rule.match and window is not None:
        found = replace(found, limit=size(reading.own, metric))
    return replace(found, guessed=True) if not rule.scope and limit is None else found
