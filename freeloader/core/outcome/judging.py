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
from dataclasses import dataclass, replace
from functools import lru_cache

from freeloader.core.events import Answer
from freeloader.core.model import ErrorRule, Limit
from freeloader.core.outcome import messages, tongues
from freeloader.core.outcome.answers import Reading, read
from freeloader.core.outcome.refusals import FIRST, GENERIC
from freeloader.core.outcome.waits import capped, stated, wait_of
from freeloader.core.periods import window_seconds

_HOUR = 3600.0
_DAY = 86400.0
#: retry and blame by kind; ``their_fault`` and the like may be set apart below.
_MEANING = {
    "ok": ("none", "provider"),
    "slow_down": ("other", "account"),
    "spent": ("other", "account"),
    "credits_gone": ("other", "account"),
    "not_on_plan": ("other", "account"),
    "request_too_large": ("other", "client"),
    "key_bad": ("other", "account"),
    "overloaded": ("other", "provider"),
    "incompatible_history": ("other", "us"),
    "our_fault": ("other", "us"),
    "their_fault": ("other", "provider"),
    "client_fault": ("none", "client"),
    "model_gone": ("other", "provider"),
    "quality_failure": ("other", "provider"),
}
KINDS = tuple(_MEANING)
#: The class of an answer that a lane gives for a call it had no room for: nothing was sent.
BUSY = "PoolFull"
_BUSY_S = 1.0
#: That of a call for a model which LiteLLM left out of its list, because it cannot use what was
#: said of it. Asking again is of no use until the owner mends that, which takes a new child.
ENTRY_REFUSED = "EntryRefused"
_ENTRY_REFUSED_S = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one failed attempt means.

    ``until``: wall seconds at which it may work again; None where waiting does not
    help, or nobody knows. ``window`` and ``metric`` name the limit that was hit.
    ``scope``: ``request | model | account | provider``; ``guessed``: nothing tells whether it
    is not the account's rather than the model's. ``retry``: ``same | other | none``.
    ``blame``: ``client | provider | account | lane | us``.
    """

    kind: str
    reason: str
    until: float | None = None
    window: str | None = None
    metric: str | None = None
    scope: str = "model"
    retry: str = "other"
    blame: str = "provider"
    guessed: bool = False


def classify(
    answer: Answer, rules: Sequence[ErrorRule], limits: Sequence[Limit], now: float
) -> Outcome:
    """Judge a failed answer. ``limits`` are the deployment's, ``now`` wall seconds."""
    if answer.lane_fault and answer.error_class == BUSY:
        said = _plain("our_fault", answer.body, "request", "other", "lane")
        return replace(said, until=now + _BUSY_S)
    if answer.lane_fault and answer.error_class == ENTRY_REFUSED:
        said = _plain("our_fault", answer.body, "model", "other", "lane")
        return replace(said, until=now + _ENTRY_REFUSED_S)
    if answer.lane_fault:
        return _plain("our_fault", answer.body or "the lane broke", "request", "same", "lane")
    reading = read(answer)
    if _never_fits(reading):
        return _plain("request_too_large", _reason("request_too_large", reading), "request")
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
            return _by_wait(reading, limits, now)
    return _by_status(answer, reading, limits, now)


def flawed(said: str) -> Outcome:
    """An answer came, whole and paid for, and ``said`` is wrong with it (``outcome.flaws``)."""
    return _plain("quality_failure", said, "model")


def _all(rules: Sequence[ErrorRule]) -> Iterator[ErrorRule]:
    yield from FIRST
    yield from rules
    yield from GENERIC


def _holds(rule: ErrorRule, reading: Reading, *, whatever: bool = False) -> bool:
    """``whatever``: the status is not to be trusted."""
    if rule.status is not None and rule.status not in reading.statuses and not whatever:
        return False
    if reading.success and not rule.match:
        return False
    if rule.match and not _pattern(rule.match).search(_heard(rule, reading)):
        return False
    if not rule.header:
        return True
    name, _, wanted = rule.header.partition(":")
    value = reading.headers.get(name.strip().lower())
    return value is not None and (not wanted or bool(_pattern(wanted.strip()).search(value)))


def _heard(rule: ErrorRule, reading: Reading) -> str:
    """What rests a model or an account must be the provider's word, not a client's it quotes."""
    if rule.scope in ("account", "provider"):
        return reading.own
    return reading.named if rule.scope == "model" else reading.text


_ASKED = re.compile(
    r"\blimit:? ([\d,]{1,15})\b.{0,60}?\brequested:? ([\d,]{1,15})\b", re.IGNORECASE | re.DOTALL
)


def _never_fits(reading: Reading) -> bool:
    """The refusal itself says that more was asked for than the whole limit is."""
    found = None if reading.success else _ASKED.search(reading.text)
    if found is None:
        return False
    limit, asked = (int(part.replace(",", "") or 0) for part in found.groups())
    return 0 < limit < asked


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def _by_rule(rule: ErrorRule, reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    if rule.window is None and rule.kind in ("slow_down", "spent"):
        rule = replace(rule, window=messages.span(reading.text))
    window = rule.window
    metric = rule.metric or _metric(reading.text, rule.kind)
    limit = _limit(limits, window, metric)
    scope = rule.scope or _scope(limit)
    seconds = wait_of(rule, reading, limit, now)
    kind = rule.kind
    if rule.kind == "slow_down" and window is None and seconds is not None and seconds > 90:
        kind, window = "spent", _guess(limits, seconds)
    found = _finish(kind, reading, window, metric, scope, seconds, now)
    return replace(found, guessed=True) if not rule.scope and limit is None else found


def _finish(
    kind: str,
    reading: Reading,
    window: str | None,
    metric: str | None,
    scope: str,
    seconds: float | None,
    now: float,
) -> Outcome:
    retry, blame = _MEANING[kind]
    until = None if seconds is None else now + seconds
    return Outcome(kind, _reason(kind, reading), until, window, metric, scope, retry, blame)


def _limit(limits: Sequence[Limit], window: str | None, metric: str | None) -> Limit | None:
    same = [x for x in limits if x.window == window]
    return next((x for x in same if x.metric == metric), same[0] if same else None)


def _guess(limits: Sequence[Limit], seconds: float) -> str:
    """The shortest known window that can explain a long wait."""
    lengths = {x.window: window_seconds(x.window) for x in limits if x.window != "once"}
    fitting = [(n, w) for w, n in lengths.items() if n >= seconds]
    return min(fitting)[1] if fitting else "1h" if seconds <= _HOUR else "1d"


def _scope(limit: Limit | None) -> str:
    return "account" if limit is not None and limit.scope in ("account", "ip") else "model"


def _metric(text: str, kind: str) -> str | None:
    if kind not in ("slow_down", "spent"):
        return None
    if re.search(r"input[ _]token", text, re.IGNORECASE):
        return "input"
    if re.search(r"\bTP[MD]\b|tokens? (?:per|limit|rate)|too many tokens", text, re.IGNORECASE):
        return "tokens"
    if re.search(r"\bRP[MD]\b|requests?\b|calls\b", text, re.IGNORECASE):
        return "requests"
    return None


def _by_status(answer: Answer, reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    status = reading.status
    if answer.status is None and answer.phase == "connect":
        # Nobody there: that is so of everything behind the address, not of one model.
        late = "no connection in time" if answer.timeout else "no connection"
        return _plain("their_fault", answer.body or late, "provider")
    if status is None or answer.timeout:
        what = "it did not answer in time" if answer.timeout else "no connection"
        return _plain("their_fault", answer.body or what, "model")
    if reading.success:
        if answer.phase == "stream" or reading.error:
            return _plain("their_fault", reading.message or "the answer broke off", "model")
        return _plain("ok", "ok", "request")
    if status == 429:
        return _by_wait(reading, limits, now)
    if status >= 500 or status in (408, 425, 499):
        return _plain("their_fault", reading.message or f"status {status}", "model")
    return _client_or_gone(status, reading)


_RATE = re.compile(r"rate[ _-]?limit|too[ _]many[ _]requests|throttl", re.IGNORECASE)


def _by_wait(reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    """A 429 of which no rule knows: by the span that it names, else by how long it lasts."""
    said, named = stated("header", "UTC", reading, now), messages.span(reading.text)
    usual = 60.0 if named is None else min(_HOUR, window_seconds(named))
    seconds = capped(usual if said is None else said, named)
    long = (seconds if named is None else window_seconds(named)) > 90
    window = named or (_guess(limits, seconds) if long else "1m")
    metric = _metric(reading.text, "slow_down")
    limit = _limit(limits, window, metric)
    kind = "spent" if long else "slow_down"
    found = _finish(kind, reading, window, metric, _scope(limit), seconds, now)
    return replace(found, guessed=limit is None)


_MODEL = re.compile(r"model|deployment|endpoint|function", re.IGNORECASE)
_REGION = re.compile(
    rf"country|region|location is not supported|territory|{tongues.REGION}", re.IGNORECASE
)
_MODERATED = re.compile(r"moderation|flagged|content[ _]policy|content filter", re.IGNORECASE)
_KEYS = re.compile(
    rf"api[ _-]?key|token|credential|authoriz|authentic|forbidden|{tongues.KEY}", re.IGNORECASE
)
#: What the key may not do at all, whatever the model.
_SCOPE = re.compile(
    r"missing scopes?|(?:insufficient|sufficient) (?:\w+ )?(?:permissions?|scopes?)"
    r"|permission is required|SERVICE_DISABLED",
    re.IGNORECASE,
)
_OF_MODEL = re.compile(r"\b(?:access|use) (?:to )?(?:the |this )?model", re.IGNORECASE)
_PAGE = re.compile(r"\s*<(?:!doctype|html)\b", re.IGNORECASE)


def _client_or_gone(status: int, reading: Reading) -> Outcome:
    said = reading.message or f"status {status}"
    if status == 401:
        return _plain("key_bad", said, "account")
    if status == 403:
        if _MODERATED.search(said):
            return _plain("client_fault", said, "request")
        if _REGION.search(said):
            return _plain("not_on_plan", said, "provider")
        if _PAGE.match(reading.text):  # some gateway's page: of the key it says nothing
            return _plain("their_fault", "a page came instead of an answer", "provider")
        if _SCOPE.search(reading.text) and not _OF_MODEL.search(reading.text):
            return _plain("key_bad", said, "account")
        if not reading.message or (_KEYS.search(said) and not _MODEL.search(said)):
            return _plain("key_bad", said, "account")
        return _plain("not_on_plan", said, "model")
    if status in (404, 410):
        return _plain("model_gone", said, "model")
    if 300 <= status < 400:  # never followed: whatever is there, it is not the provider's API
        return _plain("their_fault", said, "provider")
    if status in (405, 406, 415, 426):
        return _plain("our_fault", said, "provider")
    return _plain("client_fault", said, "request")


def _plain(
    kind: str, reason: str, scope: str, retry: str | None = None, blame: str | None = None
) -> Outcome:
    usual_retry, usual_blame = _MEANING[kind]
    return Outcome(
        kind,
        reason[:300],
        scope=scope,
        retry=retry or usual_retry,
        blame=blame or usual_blame,
    )


def _reason(kind: str, reading: Reading) -> str:
    status = "" if reading.status is None else f"{reading.status} "
    return f"{status}{reading.message or kind.replace('_', ' ')}"[:300]
