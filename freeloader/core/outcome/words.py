"""What refusals say in English: patterns, one per meaning. Data for ``refusals``; judges nothing.

Words that lie are avoided: "quota" occurs in minute errors, and upsells mention "per day".
"""

from __future__ import annotations

from freeloader.core.outcome import tongues


def code(*numbers: int) -> str:
    """A pattern for ``"code": N``, whether JSON or a Python repr, quoted or not."""
    return rf"[\"']code[\"']\s*:\s*[\"']?(?:{'|'.join(map(str, numbers))})\b"


#: What a window has a whole of.
SUM = r"(?:limit|quota|allowance|cap\b|maximum|budget)"

KEY = (
    r"invalid[ _]api[ _-]?key|incorrect api key|api key not valid"
    r"|api_key_(?:invalid|[a-z_]{1,20}_blocked)"
    r"|api[ _]key (?:has )?(?:expired|is invalid|(?:been )?(?:revoked|disabled|reported as leaked))"
    r"|api key (?:has been|was) (?:revoked|disabled|reported as leaked)|invalid x-api-key"
    r"|invalid (?:authentication|bearer token|access token|api token)|no auth credentials"
)
PLAN = (
    r"only available on agentic harnesses|FreeTierError|customer_verification_required"
    r"|requires the Workers Paid plan|RestrictedModelsError"
    r"|requires terms acceptance|model_terms_required"
    r"|must (?:accept|agree to) the (?:terms|licen[cs]e)"
    r"|not (?:available|included) (?:on|in|for) (?:your|the) (?:current |free )?(?:plan|tier)"
    r"|(?:plan|subscription|tier) does not (?:yet )?include|requires a (?:\w{2,12} )?subscription"
    r"|only available (?:on|to|for|with) (?:the )?(?:paid|pro|premium|plus|enterprise)\b"
    r"|(?:fill (?:out|in)|complete|submit) [^.]{0,60}\bform\b"
)
#: An allowance of nothing.
NOTHING = (
    r"\blimit:?\s+(?:of\s+|is\s+)?0(?!\d|[.,]\d)|quota_?(?:limit_?)?value[\"']\s*:\s*[\"']0[\"']"
    r"|(?<![\d.,/])0 (?:free )?(?:requests|tokens|calls|messages) (?:are )?(?:allowed|included)\b"
)
REGION = (
    r"unsupported_country|(?:country|region|territory|location)[^.]{0,40}(?:is |are )?not supported"
    r"|not available in your (?:country|region)"
)
CREDITS = (
    r"(?:insufficient|terminal)_quota|insufficient[ _](?:\w{1,12}[ _])?(?:balance|credits?|funds)"
    r"|AllocationQuota\.FreeTierOnly"
    r"|payment_required|credit balance is too low|requires more credits|out of credits"
    r"|exceeded your monthly included credits|not[ _]enough[ _](?:balance|credits?|funds)"
    r"|(?:balance|credits?|funds)[ _](?:is |are )?(?:insufficient|too low|negative|not[ _]enough"
    r"|not sufficient)|(?:have|has) (?:no|any) credits|no credits left"
    r"|(?:balance|wallet) is (?:empty|zero|exhausted)|exceeded_current_quota"
    r"|credits? (?:are |have |has |is )?(?:expired|exhausted|used up|depleted)"
    r"|billing[ _](?:hard[ _])?limit|billing_not_active|spend(?:ing)? (?:limit|cap)"
    r"|arrear|AccountOverdue"
    r"|budget (?:has been |is |was )?(?:exceeded|exhausted)|ExceededBudget"
    r"|trial (?:period )?(?:has |is )?(?:ended|expired|over)\b"
    r"|subscription (?:has |is )?(?:been )?(?:expired|inactive|ended|cancell?ed)"
    r"|(?:add|update) (?:a |your )?(?:valid )?payment method(?! to (?:increase|raise|get|unlock))"
    r"|BILLING_DISABLED|requires billing to be enabled"
    r"|(?<!daily )(?<!today's )free (?:tier|trial) (?:quota |credits? )?(?:of the model )?"
    r"(?:has been |is |was )?(?:exhausted|used up|expired)"
    r"|exhausted (?:its|your|the|all(?: of)?(?: your)?) free[ -](?:trial|tier)"
    r"|used (?:up|all(?: of)?) your (?:free[ -])?(?:trial|credits)\b"
    r"|insufficient_user_quota|pre_consume_token_quota_failed|"  # one-api's and its kin's
    + tongues.CREDITS
)
#: The account itself is shut, whatever it may still have: no model of it serves.
SHUT = (
    r"\b(?:account|organi[sz]ation|project|team|consumer|workspace|tenant)\b[^.]{0,60}"
    r"\b(?:has been|have been|is|was)\b[^.]{0,20}"
    r"\b(?:suspended|deactivated|disabled|banned|terminated|restricted|blocked|denied access)\b"
    r"|account (?:suspended|deactivated|disabled|banned|blocked)|organization_restricted|"
    + tongues.SHUT
)
#: Under a status of what passes: not where a rate's refusal shuts it for a while.
FOR_GOOD = (
    r"\b(?:account|organi[sz]ation|project|team|workspace)\b[^.]{0,60}\b(?:has been|is|was) "
    r"(?:permanently )?(?:suspended|deactivated|disabled|banned|terminated)\b"
    r"(?!.{0,160}(?:again|until|minute|hour))"
)
TOO_LARGE = (
    r"(?:request (?:body |is )?|payload )too large|tokens_limit_reached|context_length_exceeded"
    r"|ContextWindowExceeded|maximum context length"
    r"|prompt is too long|input is too long"
    r"|too many (?:input )?tokens in (?:the )?(?:prompt|request)"
    r"|exceed\w* (?:the |this )?(?:model'?s? )?(?:maximum )?(?:context|max_model_len)"
    r"|request exceeds the maximum (?:allowed )?(?:size|number of bytes)"
    r"|size limit exceeded by [\d,]+ tokens"
    r"|input token count .{0,60}exceeds the maximum|reduce the length of the (?:messages|prompt)"
    r"|request entity too large|string_above_max_length"
    # of llama.cpp, LM Studio, TGI, Qwen, Moonshot, Cohere and others
    r"|exceed_context_size|exceeds? (?:the )?available context|context length of only"
    r"|exceed\w* (?:the )?(?:maximum|max) (?:allowed )?(?:input|prompt|sequence|model) length"
    r"|maximum (?:supported |allowed )?(?:input|prompt|sequence|model) length"
    r"|context (?:length|window|size) (?:was |is |has been )?exceeded|prompt is too large"
    r"|exceeds (?:the )?(?:maximum |max )?(?:allowed )?token limit of"
    r"|\bover (?:the |this )?(?:model'?s? )?(?:[a-z]+ )?limit of [\d,]+ tokens"
    r"|exceed\w* (?:the )?model'?s? token limit|tokens in the prompt cannot exceed"
    r"|tokens\b.{0,30}\bexceeds? (?:the )?limit of|> (?:the )?context (?:window|length)"
    r"|more than max tokens allowed|must be less than max_seq_len"
    r"|range of input length|`inputs` (?:tokens|must have less than)"
)
_OUTPUT = r"(?:max[_ ]?(?:completion|new|output)?[_ ]?tokens|\bmax(?:imum)? output)"
#: More of an answer than this model gives: another may. A rate's refusal speaks of it as well.
TOO_LONG = (
    rf"{_OUTPUT}[^.]{{0,60}}?(?:too large|must be (?:less than|at most|<)|range|exceed|\d > \d"
    rf"|maximum (?:allowed|value))|\brange of {_OUTPUT}|at most [\d,]+ (?:completion|output) tokens"
    r"|\btokens\b[^.]{0,60}\b(?:accepts?|allows?|supports?) (?:only|at most|up to) [\d,]+"
)
HISTORY = (
    r"thought_?signature|invalid .{0,20}signature.{0,20} in .{0,20}thinking"
    r"|thinking(?: or redacted_thinking)? blocks? .{0,80}(?:cannot be modified|must be|expected)"
    r"|reasoning_content.{0,60}(?:must be passed back|is missing)|missing .{0,3}reasoning_content"
    # One maker's order of turns, which another's models take as it is.
    r"|function call turn comes immediately after|expected last role user or tool"
    r"|same number of function calls and responses"
    r"|roles must alternate|not support assistant message prefill"
    r"|encrypted[ _]content.{0,60}could not be verified"
)
GONE = (
    r"model_decommissioned|has been decommissioned|model_not_found|is not a valid model"
    r"|model_not_supported|unknown_model|model_archived|no such model"
    r"|model .{1,160}(?:does not exist|no longer (?:available|supported))"
)
#: Not that one may not have it.
RETIRED = r"\bmodel\b[^.]{0,80}\b(?:has been|was|is) (?:deprecated|retired|discontinued|removed)\b"
#: Said of a 400 only. What a model cannot do is not that it is not there.
UNKNOWN = (
    r"(?:unknown|unavailable)[ _]model\b|model not exist|(?:invalid|unsupported) model:"
    r"|allowed models (?:now )?are|model_not_available|non-serverless model"
    r"|not supported by any provider"
    r"|\bmodel:? [`'\"]?[\w./:@-]{1,120}[`'\"]? "
    r"(?:(?:is |was )?not (?:found|available)|(?:is|was|has been) (?:deprecated|retired|removed))\b"
)
#: What the owner of the account has to do first.
UNREADY = (
    r"real-?name (?:authentication|verification)|实名"
    r"|not enabled (?:for|on) (?:this |your )?(?:account|organi[sz]ation|project)\b"
    r"|verify your (?:e-?mail|phone|account|identity)|(?:e-?mail|phone)[^.]{0,20}not verified"
    r"|virtual network/firewall|\bip (?:address )?[^!?]{0,60}not (?:allowed|authorized|whitelisted)"
)
BLOCKED = (
    r"error code: 10(?:0[5-9]|1[0-2]|20)\b|attention required! \| cloudflare|cf-error-details"
    r"|check your network settings|disable your (?:vpn|proxy)"
    r"|<title>just a moment|request blocked.{0,40}(?:firewall|security)"
)
DAY = (
    r"PerDay|free-models-per-day|openrouter_free_tier_daily|\([RTIA]PD\)"
    r"|(?:tokens|requests) per day limit exceeded|too many tokens per day|UserByModelByDay"
    rf"|daily free allocation|daily (?:[a-z]+ ){{0,2}}{SUM}|today'?s? quota"
    r"|[\"'](?:window|period|interval)[\"']\s*:\s*[\"'](?:1 ?d(?:ay)?|day|daily|24 ?h)[\"']"
    r"|used [^.]{0,30}\bdaily\b|\bfor (?:today|the day)\b"
    r"|\bper 86400 ?s|daily ?limit ?exceeded"
    r"|daily_(?:[a-z]+_){0,2}(?:limit|quota)_(?:exceeded|reached)"
    r"|(?:again|until|resets?) tomorrow|\bquota of the day\b|until midnight|" + code(3036, 4006)
)
MONTH_403 = r"\b(?:reached|exceeded|used|exhausted)\b[^.]{0,60}\b(?:this month|monthly)\b"
MONTH = (
    rf"(?:calls|requests|tokens) / month|monthly (?:[a-z]+ ){{0,2}}{SUM}"
    r"|monthly_(?:[a-z]+_){0,2}(?:limit|quota)_(?:exceeded|reached)"
    r"|limit(?:ed)? (?:of|to) [\d,]+ [a-z ]{1,20}per month|\bper month (?:limit|quota)"
    r"|(?:this|current) billing (?:period|cycle)|\bfor (?:this|the current) month\b"
    rf"|{MONTH_403}"
    r"|this month'?s (?:limit|quota|allowance)"
)
#: Said to be full: before a day of which the text may speak as well.
MINUTE_FULL = r"\bminute\b[^.]{0,20}\b(?:reached|exceeded|hit)\b"
MINUTE = (
    r"PerMinute|free-models-per-min\b|openrouter_free_tier_per_minute|\([RTIA]PM\)"
    r"|\bper 60 ?s\b|\b(?:this|each|every) minute\b|\b[RTIA]PM (?:rate )?limit"
)
OVERLOAD = (
    r"DEGRADED function|queue_exceeded|temporarily rate-limited upstream|overloaded_error"
    r"|(?:tier|model|server|temporarily)[ _]capacity[ _]exceeded|capacity temporarily exceeded"
    r"|\ball (?:of )?(?:our |the )?(?:gpus|workers|instances|slots|servers|replicas) are [^.]{0,20}"
    r"(?:in use|busy|occupied)"
    r"|no capacity|(?:out of|over|at(?: maximum| full)?|system) capacity|CAPACITY_EXHAUSTED"
    r"|(?:high|peak|heavy) (?:demand|traffic|load)\b"
    r"|model (?:is (?:currently |temporarily )?|currently |temporarily )unavailable"
    r"|service[ _](?:is |temporarily )?unavailable|(?:insufficient capacity|capacity constraints)\b"
    r"|(?:model|engine|service) ?(?:is )?(?:currently )?overloaded"
    r"|engine_overloaded|ServerOverloaded"
    r"|(?:server|system|service|model) (?:is )?(?:currently )?(?:too )?(?:busy|overloaded)"
    r"|currently overloaded|flex tier capacity"
    r"|model .{0,120}is (?:currently )?loading|no models? (?:is |are )?(?:currently )?loaded"
    rf"|{tongues.OVERLOAD}|" + code(3505, 3040)
)
#: Google's errors name the quota; its days are Pacific, whoever passes them on.
GOOGLES_DAY = r"quota_?id[\"']?\s*:\s*[\"'][^\"']{1,120}PerDay"
DAY_403 = (
    r"daily[ _]?(?:limit|quota)[ _]?exceeded|quota[ _]?exceeded.{0,120}\bper day\b"
    r"|(?:quota|limit) (?:reached|exceeded)[^{]{0,60}\b(?:resets daily|tomorrow|midnight)\b"
)
WEEK = (
    rf"weekly (?:[a-z]+ ){{0,2}}{SUM}"
    r"|weekly_(?:[a-z]+_){0,2}(?:limit|quota)_(?:exceeded|reached)"
    r"|(?:requests|tokens|calls) per week\b|[本每当]周"
)
EDGE = r"\berror code: ?1015\b|\berror 1015\b|used cloudflare to restrict access"
#: A moment at which the allowance is whole again: what merely renews with money has none.
BACK_AT = (
    r"\b(?:free|trial) (?:quota|usage|allowance|requests?|tokens?)\b[^{]{0,80}"
    r"\b(?:resets?|refresh(?:es)?|renews?|refills?) (?:at|in|on) [^.]{0,30}\d"
)
#: A day's, under a status that speaks of money.
TODAYS = rf"{DAY}|[今当][日天][^。]{{0,12}}(?:用完|用尽|耗尽|上限)"
