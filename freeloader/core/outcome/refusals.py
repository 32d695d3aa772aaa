"""Refusals that mean the same at every provider, most telling first.

Data only, in the shape of a registry's error rules, tried after the provider's
own. Order is the classification order of the free-tier facts: key, plan,
credits, too large, day, month, session, overload, minute. Words that lie are
avoided: "quota" occurs in minute errors, and upsells mention "per day".
"""

from __future__ import annotations

from freeloader.core.model import ErrorRule
from freeloader.core.outcome import tongues, words

#: Headers by which a provider says that a model has no allowance at all on this plan.
_NO_LIMIT = (
    "x-ratelimit-limit-req-minute",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-limit",
)

#: So precise that no provider's own rule may be asked before: a request that can never fit
#: carries the words, type and code of an ordinary minute's refusal, and a wait that is a lie.
FIRST: tuple[ErrorRule, ...] = (
    ErrorRule("request_too_large", match=r"request too large", scope="request", wait="none"),
)

GENERIC: tuple[ErrorRule, ...] = (
    ErrorRule("incompatible_history", match=words.HISTORY, scope="model", wait="none"),
    ErrorRule("our_fault", status=403, match=words.BLOCKED, scope="provider", wait="none"),
    ErrorRule("key_bad", match=words.KEY, scope="account", wait="none"),
    ErrorRule("not_on_plan", match=words.PLAN, scope="model", wait="none"),
    ErrorRule("not_on_plan", status=400, match=words.REGION, scope="provider", wait="none"),
    ErrorRule("not_on_plan", status=451, scope="provider", wait="none"),
    # What says when it begins anew is not gone, whatever the status is called.
    ErrorRule("spent", status=402, match=words.BACK_AT, scope="account", wait="message"),
    ErrorRule("spent", status=402, match=words.TODAYS, window="1d"),
    ErrorRule("credits_gone", match=words.CREDITS, scope="account", wait="none"),
    ErrorRule("credits_gone", status=402, scope="account", wait="none"),
    *(
        ErrorRule("key_bad", status=status, match=words.SHUT, scope="account", wait="none")
        for status in (400, 403)
    ),
    *(
        ErrorRule("key_bad", status=status, match=words.FOR_GOOD, scope="account", wait="none")
        for status in (429, 500, 503)
    ),
    ErrorRule(
        "not_on_plan",
        match=words.NOTHING,
        scope="model",
        wait="none",
    ),
    *(
        ErrorRule("not_on_plan", status=429, header=f"{name}: ^0+$", scope="model", wait="none")
        for name in _NO_LIMIT
    ),
    ErrorRule("request_too_large", status=413, scope="request", wait="none"),
    ErrorRule("request_too_large", match=words.TOO_LARGE, scope="request", wait="none"),
    *(
        ErrorRule(
            "request_too_large", status=status, match=words.TOO_LONG, scope="request", wait="none"
        )
        for status in (400, 422)
    ),
    ErrorRule(
        "spent",
        status=429,
        match=words.GOOGLES_DAY,
        window="1d",
        wait="midnight America/Los_Angeles",
    ),
    ErrorRule("slow_down", status=429, match=words.MINUTE_FULL, window="1m", wait="header"),
    ErrorRule("spent", status=429, match=words.DAY, window="1d", wait="message"),
    ErrorRule("spent", status=503, match=words.DAY, window="1d", wait="message"),
    ErrorRule("slow_down", status=429, match=tongues.SECOND, window="1s", wait="header"),
    ErrorRule("slow_down", status=429, match=tongues.MINUTE, window="1m", wait="header"),
    ErrorRule("spent", status=429, match=tongues.HOUR, window="1h", wait="message"),
    ErrorRule("spent", status=429, match=tongues.DAY, window="1d", wait="message"),
    ErrorRule("spent", status=429, match=f"{words.MONTH}|{tongues.MONTH}", window="month"),
    ErrorRule(
        "spent",
        status=429,
        header=r"x-ratelimit-remaining-tokens-month: ^0+$",
        window="month",
        metric="tokens",
        wait="window",
    ),
    *(
        ErrorRule(
            "spent",
            status=429,
            header=f"x-ratelimit-remaining-{what}{span}: ^0+$",
            window=window,
            wait="reset",
        )
        for what in ("", "requests-", "tokens-")
        for span, window in (("day", "1d"), ("hour", "1h"))
    ),
    ErrorRule("spent", status=429, match=words.WEEK, window="7d", wait="14400"),
    ErrorRule("spent", status=429, match=r"session (?:usage )?limit", window="5h", wait="message"),
    ErrorRule(
        "spent",
        status=429,
        match=rf"hourly[ _](?:[a-z]+[ _]){{0,2}}{words.SUM}|per 3600 ?s\b|\breset hourly\b",
        window="1h",
    ),
    # Cloudflare's own, before the provider ever sees the call: of the caller's address.
    ErrorRule("slow_down", status=429, match=words.EDGE, scope="provider", wait="header"),
    ErrorRule("overloaded", match=words.OVERLOAD, scope="model", wait="header"),
    ErrorRule("overloaded", status=503, scope="model", wait="header"),
    ErrorRule("overloaded", status=529, scope="model", wait="header"),
    ErrorRule("overloaded", status=498, scope="model", wait="header"),
    ErrorRule("slow_down", status=429, match=words.MINUTE, window="1m", wait="header"),
    ErrorRule(
        "spent",
        status=429,
        match=r"\b[RTIA]PD(?: (?:rate )?limit|: ?\d)",
        window="1d",
        wait="message",
    ),
    ErrorRule(
        "slow_down",
        status=429,
        match=r"concurren|simultaneous (?:request|call)|parallel (?:request|call)"
        r"|in-?flight requests|并发",
        metric="concurrency",
        scope="account",
        wait="1",
    ),
    ErrorRule(
        "slow_down",
        status=429,
        match=r"per (?:1 )?sec(?:ond)?\b|/ ?s(?:ec(?:ond)?)?\b",
        window="1s",
    ),
    ErrorRule(
        "slow_down", status=429, match=r"per (?:1 )?min(?:ute)?\b|/ ?min(?:ute)?\b", window="1m"
    ),
    ErrorRule("spent", status=429, match=r"per (?:1 )?hour|/ ?hour\b", window="1h"),
    ErrorRule(
        "spent", status=429, match=r"per (?:1 )?day\b|/ ?day\b|\b24[ -]?h(?:ours?)?\b", window="1d"
    ),
    # Some of Google's and others' gateways say 403 for a rate.
    ErrorRule("spent", status=403, match=words.DAY_403, window="1d"),
    ErrorRule("spent", status=403, match=words.MONTH_403, window="month"),
    ErrorRule("spent", status=403, match=r"out of (?:call volume|bandwidth) quota"),
    ErrorRule(
        "slow_down",
        status=403,
        match=r"(?:rate[ _]?limit|quota)[ _]?exceeded|too many requests",
        window="1m",
    ),
    ErrorRule("model_gone", status=403, match=words.RETIRED, scope="model", wait="none"),
    ErrorRule("model_gone", status=400, match=words.GONE, scope="model", wait="none"),
    ErrorRule("model_gone", status=400, match=words.UNKNOWN, scope="model", wait="none"),
    ErrorRule("not_on_plan", status=403, match=words.UNREADY, scope="account", wait="none"),
    ErrorRule(
        "our_fault",
        match=r"object has no attribute '|no connected db|invalid model name passed in"
        r"|LLM Provider NOT provided|unsupported (?:parameter|value)|unknown parameter"
        r"|extra_forbidden|extra inputs are not permitted|unrecognized request argument"
        r"|UnsupportedParamsError",
        scope="request",
        wait="none",
    ),
)
