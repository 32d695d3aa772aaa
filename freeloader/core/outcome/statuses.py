"""An answer that no rule knows: what its status and its wait say of it. Pure.

Also which of the known limits a refusal is about. Rules are ``core.outcome.refusals``'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from freeloader.core.events import Answer
from freeloader.core.model import Limit
from freeloader.core.outcome import messages, tongues
from freeloader.core.outcome.answers import Reading
from freeloader.core.outcome.figures import size
from freeloader.core.outcome.kinds import Outcome, finish, plain
from freeloader.core.outcome.waits import capped, stated
from freeloader.core.periods import window_seconds

_HOUR = 3600.0
_MODEL = re.compile(r"model|deployment|endpoint|function|模型", re.IGNORECASE)
_REGION = re.compile(
    rf"country|region|location is not supported|territory|{tongues.REGION}", re.IGNORECASE
)
_MODERATED = re.compile(
    r"moderation|flagged|content[ _]policy|content filter|violates [^.]{0,30}(?:guidelines|polic)",
    re.IGNORECASE,
)
_KEYS = re.compile(
    rf"api[ _-]?key|token|credential|authoriz|authentic|forbidden|{tongues.KEY}", re.IGNORECASE
)
#: What the key may not do at all, whatever the model.
_SCOPE = re.compile(
    r"missing scopes?|(?:insufficient|sufficient) (?:\w+ )?(?:permissions?|scopes?)"
    r"|permission is required|SERVICE_DISABLED",
    re.IGNORECASE,
)
_THIS_MODEL = re.compile(
    r"\b(?:for|on|of|to) (?:this|the) model\b|\b(?:limit|quota) for model\b", re.IGNORECASE
)
_OF_MODEL = re.compile(r"\b(?:access|use) (?:to )?(?:the |this )?model", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype html|html)\b", re.IGNORECASE)


def by_status(answer: Answer, reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    """What the status alone says, or that there was none."""
    status = reading.status
    if answer.status is None and answer.phase == "connect":
        # Nobody there: that is so of everything behind the address, not of one model.
        late = "no connection in time" if answer.timeout else "no connection"
        return plain("their_fault", answer.body or late, "provider")
    if status is None or answer.timeout:
        what = "it did not answer in time" if answer.timeout else "no connection"
        return plain("their_fault", answer.body or what, "model")
    if reading.success:
        if answer.phase == "stream" or reading.error:
            return plain("their_fault", reading.message or "the answer broke off", "model")
        return plain("ok", "ok", "request")
    if status == 429:
        return by_wait(reading, limits, now)
    if status >= 500 or status in (408, 424, 425, 499):
        return plain("their_fault", reading.message or f"status {status}", "model")
    return _client_or_gone(status, reading)


def by_wait(reading: Reading, limits: Sequence[Limit], now: float) -> Outcome:
    """A 429 of which no rule knows: by the span that it names, else by how long it lasts."""
    said, named = stated("header", "UTC", reading, now), messages.span(reading.text)
    usual = 60.0 if named is None else min(_HOUR, window_seconds(named))
    seconds = capped(usual if said is None else said, named)
    long = (seconds if named is None else window_seconds(named)) > 90
    window = named or (window_of(limits, seconds) if long else "1m")
    metric = metric_of(reading.text, "slow_down")
    limit = limit_of(limits, window, metric)
    kind = "spent" if long else "slow_down"
    found = finish(kind, reading, window, metric, scope_of(limit, reading.text), seconds, now)
    said = None if named is None else size(reading.own, metric)
    return replace(found, guessed=limit is None, limit=said)


def _client_or_gone(status: int, reading: Reading) -> Outcome:
    said = reading.message or f"status {status}"
    if status == 401:
        return plain("key_bad", said, "account")
    if status == 403:
        if _MODERATED.search(said):
            return plain("client_fault", said, "request")
        if _REGION.search(said):
            return plain("not_on_plan", said, "provider")
        if _PAGE.search(reading.text):  # some gateway's page: of the key it says nothing
            return plain("their_fault", "a page came instead of an answer", "provider")
        if _SCOPE.search(reading.text) and not _OF_MODEL.search(reading.text):
            return plain("key_bad", said, "account")
        if not reading.message or (_KEYS.search(said) and not _MODEL.search(said)):
            return plain("key_bad", said, "account")
        return plain("not_on_plan", said, "model")
    if status in (404, 410):
        return plain("model_gone", said, "model")
    if 300 <= status < 400:  # never followed: whatever is there, it is not the provider's API
        return plain("their_fault", said, "provider")
    if status in (405, 406, 415, 426):
        return plain("our_fault", said, "provider")
    return plain("client_fault", said, "request")


def limit_of(limits: Sequence[Limit], window: str | None, metric: str | None) -> Limit | None:
    """The known limit that a refusal is about: of that window, and of that metric if one is."""
    same = [x for x in limits if x.window == window]
    return next((x for x in same if x.metric == metric), same[0] if same else None)


def window_of(limits: Sequence[Limit], seconds: float) -> str:
    """The shortest known window that can explain a long wait."""
    lengths = {x.window: window_seconds(x.window) for x in limits if x.window != "once"}
    fitting = [(n, w) for w, n in lengths.items() if n >= seconds]
    return min(fitting)[1] if fitting else "1h" if seconds <= _HOUR else "1d"


def scope_of(limit: Limit | None, text: str) -> str:
    """Who else it is about: the account where that has the limit, and no model is spoken of."""
    if _THIS_MODEL.search(text):
        return "model"
    return "account" if limit is not None and limit.scope in ("account", "ip") else "model"


def metric_of(text: str, kind: str) -> str | None:
    """What was counted, by the words of a refusal that is about a limit."""
    if kind not in ("slow_down", "spent"):
        return None
    if re.search(r"input[ _]token", text, re.IGNORECASE):
        return "input"
    if re.search(r"\bTP[MD]\b|tokens? (?:per|limit|rate)|too many tokens", text, re.IGNORECASE):
        return "tokens"
    if re.search(r"\bRP[MD]\b|requests?\b|calls\b", text, re.IGNORECASE):
        return "requests"
    return None
