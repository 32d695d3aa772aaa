"""Refusals that mean the same at every provider, most telling first.

Data only, in the shape of a registry's error rules, tried after the provider's
own. Order is the classification order of the free-tier facts: key, plan,
credits, too large, day, month, session, overload, minute. Words that lie are
avoided: "quota" occurs in minute errors, and upsells mention "per day".
"""

from __future__ import annotations

from freeloader.core.model import ErrorRule


def code(*numbers: int) -> str:
    """A pattern for ``"code": N``, whether JSON or a Python repr, quoted or not."""
    return rf"[\"']code[\"']\s*:\s*[\"']?(?:{'|'.join(map(str, numbers))})\b"


_KEY = (
    r"invalid[ _]api[ _-]?key|incorrect api key|api key not valid|api_key_invalid"
    r"|api key (?:expired|is invalid|has been (?:revoked|disabled))|invalid x-api-key"
    r"|invalid (?:authentication|bearer token|access token)|no auth credentials"
)
_PLAN = (
    r"only available on agentic harnesses|FreeTierError|customer_verification_required"
    r"|requires the Workers Paid plan|RestrictedModelsError"
    r"|not (?:available|included) (?:on|in) (?:your|the) (?:current |free )?(?:plan|tier)"
)
_CREDITS = (
    r"insufficient_quota|insufficient[ _](?:balance|credits?|funds)|AllocationQuota\.FreeTierOnly"
    r"|payment_required|credit balance is too low|requires more credits|out of credits"
    r"|exceeded your monthly included credits"
)
_TOO_LARGE = (
    r"request too large|context_length_exceeded|ContextWindowExceeded|maximum context length"
    r"|prompt is too long|input is too long"
    r"|too many (?:input )?tokens in (?:the )?(?:prompt|request)"
    r"|exceeds? (?:the )?(?:model'?s )?(?:maximum )?(?:context|max_model_len)"
    r"|input token count .{0,60}exceeds the maximum|reduce the length of the (?:messages|prompt)"
    r"|request entity too large|string_above_max_length"
)
_HISTORY = (
    r"thought_?signature|invalid .{0,20}signature.{0,20} in .{0,20}thinking"
    r"|thinking(?: or redacted_thinking)? blocks? .{0,80}(?:cannot be modified|must be|expected)"
    r"|reasoning_content.{0,60}must be passed back|encrypted[ _]content.{0,60}could not be verified"
)
_DAY = (
    r"PerDay|free-models-per-day|openrouter_free_tier_daily|\((?:TPD|RPD)\)"
    r"|(?:tokens|requests) per day limit exceeded|too many tokens per day|UserByModelByDay"
    r"|daily free allocation|daily (?:request |token |usage )?(?:limit|quota)"
    + "|"
    + code(3036, 4006)
)
_MINUTE = r"PerMinute|free-models-per-min\b|openrouter_free_tier_per_minute|\((?:TPM|RPM)\)"
_OVERLOAD = (
    r"DEGRADED function|queue_exceeded|temporarily rate-limited upstream|overloaded_error"
    r"|service_tier_capacity_exceeded|no capacity|out of capacity|model is overloaded"
    r"|server (?:is )?(?:busy|overloaded)|currently overloaded|" + code(3505, 3040)
)

GENERIC: tuple[ErrorRule, ...] = (
    ErrorRule("incompatible_history", match=_HISTORY, scope="model", wait="none"),
    ErrorRule("key_bad", match=_KEY, scope="account", wait="none"),
    ErrorRule("not_on_plan", match=_PLAN, scope="model", wait="none"),
    ErrorRule("credits_gone", match=_CREDITS, scope="account", wait="none"),
    ErrorRule("credits_gone", status=402, scope="account", wait="none"),
    ErrorRule(
        "not_on_plan",
        match=r"limit: 0(?![\d.])|[\"']quotaValue[\"']\s*:\s*[\"']0[\"']",
        scope="model",
        wait="none",
    ),
    ErrorRule(
        "not_on_plan",
        status=429,
        header=r"x-ratelimit-limit-req-minute: ^0+$",
        scope="model",
        wait="none",
    ),
    ErrorRule("request_too_large", status=413, scope="request", wait="none"),
    ErrorRule("request_too_large", match=_TOO_LARGE, scope="request", wait="none"),
    ErrorRule("spent", status=429, match=_DAY, window="1d", wait="message"),
    ErrorRule("spent", status=429, match=r"(?:calls|requests) / month", window="month"),
    ErrorRule(
        "spent",
        status=429,
        header=r"x-ratelimit-remaining-tokens-month: ^0+$",
        window="month",
        metric="tokens",
        wait="window",
    ),
    ErrorRule("spent", status=429, match=r"weekly (?:usage )?limit", window="7d", wait="14400"),
    ErrorRule("spent", status=429, match=r"session usage limit", window="5h", wait="window"),
    ErrorRule("overloaded", match=_OVERLOAD, scope="model", wait="header"),
    ErrorRule("overloaded", status=503, scope="model", wait="header"),
    ErrorRule("overloaded", status=529, scope="model", wait="header"),
    ErrorRule("slow_down", status=429, match=_MINUTE, window="1m", wait="header"),
    ErrorRule(
        "slow_down", status=429, match=r"concurren", metric="concurrency", scope="account", wait="1"
    ),
    ErrorRule("slow_down", status=429, match=r"per min(?:ute)?\b|/ minute", window="1m"),
    ErrorRule("spent", status=429, match=r"(?:tokens|requests) per (?:1 )?day", window="1d"),
    ErrorRule("spent", status=429, match=r"(?:tokens|requests) per hour", window="1h"),
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
