"""Refusals that mean the same at every provider, most telling first.

Data only, in the shape of a registry's error rules, tried after the provider's
own. Order is the classification order of the free-tier facts: key, plan,
credits, too large, day, month, session, overload, minute. Words that lie are
avoided: "quota" occurs in minute errors, and upsells mention "per day".
"""

from __future__ import annotations

from freeloader.core.model import ErrorRule
from freeloader.core.outcome import tongues


def code(*numbers: int) -> str:
    """A pattern for ``"code": N``, whether JSON or a Python repr, quoted or not."""
    return rf"[\"']code[\"']\s*:\s*[\"']?(?:{'|'.join(map(str, numbers))})\b"


_KEY = (
    r"invalid[ _]api[ _-]?key|incorrect api key|api key not valid|api_key_invalid"
    r"|api[ _]key (?:has )?(?:expired|is invalid|(?:been )?(?:revoked|disabled|reported as leaked))"
    r"|api key (?:has been|was) (?:revoked|disabled|reported as leaked)|invalid x-api-key"
    r"|invalid (?:authentication|bearer token|access token|api token)|no auth credentials"
)
_PLAN = (
    r"only available on agentic harnesses|FreeTierError|customer_verification_required"
    r"|requires the Workers Paid plan|RestrictedModelsError"
    r"|requires terms acceptance|model_terms_required"
    r"|must (?:accept|agree to) the (?:terms|licen[cs]e)"
    r"|not (?:available|included) (?:on|in|for) (?:your|the) (?:current |free )?(?:plan|tier)"
)
_REGION = (
    r"unsupported_country|(?:country|region|territory|location)[^.]{0,40}(?:is |are )?not supported"
    r"|not available in your (?:country|region)"
)
_CREDITS = (
    r"insufficient_quota|insufficient[ _](?:balance|credits?|funds)|AllocationQuota\.FreeTierOnly"
    r"|payment_required|credit balance is too low|requires more credits|out of credits"
    r"|exceeded your monthly included credits|not[ _]enough[ _](?:balance|credits?|funds)"
    r"|balance is (?:insufficient|too low|negative)|(?:have|has) (?:no|any) credits|no credits left"
    r"|exceeded_current_quota"
    r"|credits? (?:are |have |has |is )?(?:expired|exhausted|used up|depleted)"
    r"|billing[ _](?:hard[ _])?limit|billing_not_active|spend(?:ing)? (?:limit|cap)"
    r"|arrear|AccountOverdue"
    r"|BILLING_DISABLED|requires billing to be enabled"
    r"|(?<!daily )(?<!today's )free (?:tier|trial) (?:quota |credits? )?(?:of the model )?"
    r"(?:has been |is |was )?(?:exhausted|used up|expired)"
    r"|exhausted (?:its|your|the|all(?: of)?(?: your)?) free[ -](?:trial|tier)"
    r"|used (?:up|all(?: of)?) your (?:free[ -])?(?:trial|credits)\b"
    r"|insufficient_user_quota|pre_consume_token_quota_failed|"  # one-api's and its kin's
    + tongues.CREDITS
)
#: The account itself is shut, whatever it may still have: no model of it serves.
_SHUT = (
    r"\b(?:account|organi[sz]ation|project|team|consumer|workspace|tenant)\b[^.]{0,60}"
    r"\b(?:has been|have been|is|was)\b[^.]{0,20}"
    r"\b(?:suspended|deactivated|disabled|banned|terminated|restricted|blocked|denied access)\b"
    r"|account (?:suspended|deactivated|disabled|banned|blocked)|organization_restricted|"
    + tongues.SHUT
)
_TOO_LARGE = (
    r"request too large|context_length_exceeded|ContextWindowExceeded|maximum context length"
    r"|prompt is too long|input is too long"
    r"|too many (?:input )?tokens in (?:the )?(?:prompt|request)"
    r"|exceeds? (?:the )?(?:model'?s )?(?:maximum )?(?:context|max_model_len)"
    r"|input token count .{0,60}exceeds the maximum|reduce the length of the (?:messages|prompt)"
    r"|request entity too large|string_above_max_length"
    # of llama.cpp, LM Studio, TGI, Qwen, Moonshot, Cohere and others
    r"|exceed_context_size|exceeds? (?:the )?available context|context length of only"
    r"|exceed\w* (?:the )?(?:maximum|max) (?:allowed )?(?:input|prompt|sequence|model) length"
    r"|maximum (?:supported |allowed )?(?:input|prompt|sequence|model) length"
    r"|exceed\w* (?:the )?model'?s? token limit|tokens in the prompt cannot exceed"
    r"|range of input length|`inputs` (?:tokens|must have less than)"
)
_HISTORY = (
    r"thought_?signature|invalid .{0,20}signature.{0,20} in .{0,20}thinking"
    r"|thinking(?: or redacted_thinking)? blocks? .{0,80}(?:cannot be modified|must be|expected)"
    r"|reasoning_content.{0,60}must be passed back|encrypted[ _]content.{0,60}could not be verified"
)
_GONE = (
    r"model_decommissioned|has been decommissioned|model_not_found|is not a valid model"
    r"|model_not_supported|unknown_model|model_archived|no such model"
    r"|model .{1,160}(?:does not exist|no longer (?:available|supported))"
)
_BLOCKED = (
    r"error code: 10\d\d\b|attention required! \| cloudflare|cf-error-details"
    r"|<title>just a moment|request blocked.{0,40}(?:firewall|security)"
)
_DAY = (
    r"PerDay|free-models-per-day|openrouter_free_tier_daily|\((?:TPD|RPD)\)"
    r"|(?:tokens|requests) per day limit exceeded|too many tokens per day|UserByModelByDay"
    r"|daily free allocation|daily (?:[a-z]+ ){0,2}(?:limit|quota|allowance)|today'?s? quota"
    r"|\bper 86400 ?s|daily ?limit ?exceeded|(?:again|until) tomorrow|until midnight|"
    + code(3036, 4006)
)
_MONTH = (
    r"(?:calls|requests|tokens) / month|monthly (?:[a-z]+ ){0,2}(?:limit|quota|allowance)"
    r"|limit(?:ed)? (?:of|to) [\d,]+ [a-z ]{1,20}per month|\bper month (?:limit|quota)"
)
_MINUTE = (
    r"PerMinute|free-models-per-min\b|openrouter_free_tier_per_minute|\((?:TPM|RPM)\)"
    r"|\bper 60 ?s\b|\b[RT]PM limit"
)
_OVERLOAD = (
    r"DEGRADED function|queue_exceeded|temporarily rate-limited upstream|overloaded_error"
    r"|service_tier_capacity_exceeded|no capacity|out of capacity|capacity temporarily exceeded"
    r"|(?:model|engine|service) ?(?:is )?(?:currently )?overloaded"
    r"|engine_overloaded|ServerOverloaded"
    r"|server (?:is )?(?:busy|overloaded)|currently overloaded|flex tier capacity"
    r"|model .{0,120}is (?:currently )?loading|no models? (?:is |are )?(?:currently )?loaded"
    rf"|{tongues.OVERLOAD}|" + code(3505, 3040)
)
#: Google's errors name the quota; its days are Pacific, whoever passes them on.
_GOOGLES_DAY = r"quota_?id[\"']?\s*:\s*[\"'][^\"']{1,120}PerDay"
_DAY_403 = r"daily[ _]?(?:limit|quota)[ _]?exceeded|quota[ _]?exceeded.{0,120}\bper day\b"
_WEEK = r"weekly (?:[a-z]+ ){0,2}(?:limit|quota|allowance)"
_EDGE = r"\berror code: ?1015\b|\berror 1015\b|used cloudflare to restrict access"
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
    ErrorRule("incompatible_history", match=_HISTORY, scope="model", wait="none"),
    ErrorRule("our_fault", status=403, match=_BLOCKED, scope="provider", wait="none"),
    ErrorRule("key_bad", match=_KEY, scope="account", wait="none"),
    ErrorRule("not_on_plan", match=_PLAN, scope="model", wait="none"),
    ErrorRule("not_on_plan", status=400, match=_REGION, scope="provider", wait="none"),
    ErrorRule("not_on_plan", status=451, scope="provider", wait="none"),
    ErrorRule("credits_gone", match=_CREDITS, scope="account", wait="none"),
    ErrorRule("credits_gone", status=402, scope="account", wait="none"),
    *(
        ErrorRule("key_bad", status=status, match=_SHUT, scope="account", wait="none")
        for status in (400, 403)
    ),
    ErrorRule(
        "not_on_plan",
        match=r"\blimit:?\s+0(?!\d|[.,]\d)|quota_?(?:limit_?)?value[\"']\s*:\s*[\"']0[\"']",
        scope="model",
        wait="none",
    ),
    *(
        ErrorRule("not_on_plan", status=429, header=f"{name}: ^0+$", scope="model", wait="none")
        for name in _NO_LIMIT
    ),
    ErrorRule("request_too_large", status=413, scope="request", wait="none"),
    ErrorRule("request_too_large", match=_TOO_LARGE, scope="request", wait="none"),
    ErrorRule(
        "spent",
        status=429,
        match=_GOOGLES_DAY,
        window="1d",
        wait="midnight America/Los_Angeles",
    ),
    ErrorRule("spent", status=429, match=_DAY, window="1d", wait="message"),
    ErrorRule("spent", status=503, match=_DAY, window="1d", wait="message"),
    ErrorRule("slow_down", status=429, match=tongues.SECOND, window="1s", wait="header"),
    ErrorRule("slow_down", status=429, match=tongues.MINUTE, window="1m", wait="header"),
    ErrorRule("spent", status=429, match=tongues.HOUR, window="1h", wait="message"),
    ErrorRule("spent", status=429, match=tongues.DAY, window="1d", wait="message"),
    ErrorRule("spent", status=429, match=f"{_MONTH}|{tongues.MONTH}", window="month"),
    ErrorRule(
        "spent",
        status=429,
        header=r"x-ratelimit-remaining-tokens-month: ^0+$",
        window="month",
        metric="tokens",
        wait="window",
    ),
    ErrorRule("spent", status=429, match=_WEEK, window="7d", wait="14400"),
    ErrorRule("spent", status=429, match=r"session usage limit", window="5h", wait="window"),
    ErrorRule(
        "spent", status=429, match=r"hourly (?:usage |rate )?limit|per 3600 ?s\b", window="1h"
    ),
    # Cloudflare's own, before the provider ever sees the call: of the caller's address.
    ErrorRule("slow_down", status=429, match=_EDGE, scope="provider", wait="header"),
    ErrorRule("overloaded", match=_OVERLOAD, scope="model", wait="header"),
    ErrorRule("overloaded", status=503, scope="model", wait="header"),
    ErrorRule("overloaded", status=529, scope="model", wait="header"),
    ErrorRule("overloaded", status=498, scope="model", wait="header"),
    ErrorRule("slow_down", status=429, match=_MINUTE, window="1m", wait="header"),
    ErrorRule("spent", status=429, match=r"\b[RT]PD(?: limit|: ?\d)", window="1d", wait="message"),
    ErrorRule(
        "slow_down",
        status=429,
        match=r"concurren|too many (?:simultaneous|parallel)|并发",
        metric="concurrency",
        scope="account",
        wait="1",
    ),
    ErrorRule(
        "slow_down", status=429, match=r"per (?:1 )?sec(?:ond)?\b|/ ?sec(?:ond)?\b", window="1s"
    ),
    ErrorRule(
        "slow_down", status=429, match=r"per (?:1 )?min(?:ute)?\b|/ ?min(?:ute)?\b", window="1m"
    ),
    ErrorRule("spent", status=429, match=r"per (?:1 )?hour|/ ?hour\b", window="1h"),
    ErrorRule(
        "spent", status=429, match=r"per (?:1 )?day\b|/ ?day\b|\b24[ -]?h(?:ours?)?\b", window="1d"
    ),
    # Some of Google's and others' gateways say 403 for a rate.
    ErrorRule("spent", status=403, match=_DAY_403, window="1d"),
    ErrorRule(
        "slow_down",
        status=403,
        match=r"(?:rate[ _]?limit|quota)[ _]?exceeded|too many requests",
        window="1m",
    ),
    ErrorRule("model_gone", status=400, match=_GONE, scope="model", wait="none"),
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
