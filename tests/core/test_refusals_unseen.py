"""Refusals in every provider's style that no capture has: kind, window, scope and wait.

Written by what a reader of the answer would conclude, before the rules were asked. The
waits are seconds from NOW, a Monday of summer time, 14:13:20 UTC.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from freeloader.catalog import load
from freeloader.core.events import Answer
from freeloader.core.outcome import Outcome, classify

NOW = 1_790_000_000.0
#: Seconds to midnight in UTC and in Los Angeles, and to the first of October in UTC.
UTC_DAY, PACIFIC_DAY, UTC_MONTH = 35_200.0, 60_400.0, 812_800.0
PROVIDERS = load(prices=None).providers
ANY = None
#: 30 s from NOW, in several spellings.
HTTP_DATE, ISO, ISO_ZONE = (
    "Mon, 21 Sep 2026 14:13:50 GMT", "2026-09-21T14:13:50Z", "2026-09-21T16:13:50+02:00",
)  # fmt: skip


class Case(NamedTuple):
    """``wait``: seconds, or None where waiting does not help or nobody knows."""

    id: str
    provider: str | None
    status: int
    headers: dict[str, str]
    body: Any
    kind: str
    window: str | None
    scope: str
    wait: float | None


def error(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def google(message: str, *details: dict[str, Any], status: str = "RESOURCE_EXHAUSTED") -> Any:
    named = [{"@type": f"type.googleapis.com/google.rpc.{d.pop('_')}", **d} for d in details]
    return {"error": {"code": 429, "message": message, "status": status, "details": named}}


def violation(name: str, value: str, delay: str | None = None, **more: Any) -> Any:
    failure = {"_": "QuotaFailure", "violations": [{"quotaId": name, "quotaValue": value, **more}]}
    retry = [] if delay is None else [{"_": "RetryInfo", "retryDelay": delay}]
    said = "You exceeded your current quota, please check your plan and billing details."
    return google(said, failure, *retry)


HOWEVER_SAID = (
    Case("http-date", ANY, 429, {"Retry-After": HTTP_DATE}, error("Too many requests"),
         "slow_down", "1m", "model", 30),
    Case("http-date-rfc850", ANY, 429, {"retry-after": "Monday, 21-Sep-26 14:13:50 GMT"}, "",
         "slow_down", "1m", "model", 30),
    Case("http-date-past", ANY, 429, {"retry-after": "Mon, 21 Sep 2026 14:00:00 GMT"}, "",
         "slow_down", "1m", "model", 1),
    Case("retry-after-0", ANY, 429, {"retry-after": "0"}, "", "slow_down", "1m", "model", 1),
    Case("retry-after-negative", ANY, 429, {"retry-after": "-20"}, "",
         "slow_down", "1m", "model", 1),
    Case("retry-after-ms-0", ANY, 503, {"retry-after-ms": "0"}, "", "overloaded", None, "model", 1),
    Case("iso-retry-after", ANY, 429, {"retry-after": ISO}, "", "slow_down", "1m", "model", 30),
    Case("go-retry-after", ANY, 429, {"retry-after": "1m0.5s"}, error("requests per hour"),
         "spent", "1h", "model", 60.5),
    Case("retry-after-ms", ANY, 429, {"retry-after-ms": "1500", "retry-after": "2"}, "",
         "slow_down", "1m", "model", 1.5),
    Case("x-ms-retry-after-ms", ANY, 429, {"x-ms-retry-after-ms": "2500"}, "",
         "slow_down", "1m", "model", 2.5),
    Case("retry-after-words", ANY, 429, {"retry-after": "7 seconds"}, "",
         "slow_down", "1m", "model", 7),
    Case("retry-after-epoch", ANY, 429, {"retry-after": "1790000030"}, "",
         "slow_down", "1m", "model", 30),
    Case("reset-epoch-s", ANY, 429, {"x-ratelimit-reset": "1790000030"}, "",
         "slow_down", "1m", "model", 30),
    Case("reset-epoch-ms", ANY, 429, {"x-ratelimit-reset": "1790000030000"}, "",
         "slow_down", "1m", "model", 30),
    Case("reset-epoch-float", ANY, 429, {"x-ratelimit-reset": "1790000030.25"}, "",
         "slow_down", "1m", "model", 30.25),
    Case("reset-go", ANY, 429, {"x-ratelimit-reset-tokens": "1m0.5s",
                                "x-ratelimit-remaining-tokens": "0"},
         error("Tokens per hour exceeded"), "spent", "1h", "model", 60.5),
    Case("reset-ms-unit", ANY, 429, {"x-ratelimit-reset-requests": "825ms"}, "",
         "slow_down", "1m", "model", 0.825),
    Case("reset-iso-zone", ANY, 429, {"x-ratelimit-reset": ISO_ZONE}, "",
         "slow_down", "1m", "model", 30),
    Case("reset-after", ANY, 429, {"x-ratelimit-reset-after": "12.5"}, "",
         "slow_down", "1m", "model", 12.5),
    Case("rate-limit-with-a-hyphen", ANY, 429, {"x-rate-limit-reset": "1790000030"}, "",
         "slow_down", "1m", "model", 30),
    Case("ietf-policy", ANY, 429, {"ratelimit-policy": '"burst";q=100;w=60',
                                   "ratelimit": '"burst";r=0;t=42'}, "",
         "slow_down", "1m", "model", 42),
    Case("ietf-two-policies", ANY, 429, {"ratelimit": '"burst";r=9;t=4, "daily";r=0;t=7200'}, "",
         "spent", "1d", "model", 7200),
    Case("problem-json", ANY, 429, {"content-type": "application/problem+json"},
         {"type": "https://example.test/probs/rate", "title": "Too Many Requests", "status": 429,
          "detail": "Limit of 20 requests per minute reached. Retry after 17 seconds."},
         "slow_down", "1m", "model", 17),
    Case("problem-json-quota", ANY, 429, {},
         {"type": "urn:ietf:params:rate-limit:quota-exceeded", "title": "Daily quota exceeded",
          "status": 429, "violated-policies": ["daily"]}, "spent", "1d", "model", UTC_DAY),
    Case("problem-json-inside-200", ANY, 200, {},
         {"title": "Too Many Requests", "status": 429, "detail": "Retry in 5s"},
         "slow_down", "1m", "model", 5),
    Case("message-minutes-seconds", ANY, 429, {}, error("Please try again in 1 minute 15 seconds."),
         "slow_down", "1m", "model", 75),
    Case("message-hours-minutes", ANY, 429, {},
         error("Daily limit reached. Try again in 2 hours and 5 minutes."),
         "spent", "1d", "model", 7500),
    Case("message-clock", ANY, 429, {}, error("Daily quota reached, resets in 02:05:00."),
         "spent", "1d", "model", 7500),
    Case("message-ms", ANY, 429, {}, error("Please try again in 340ms."),
         "slow_down", "1m", "model", 0.34),
    Case("message-in-n-secs", ANY, 429, {}, error("Rate limited; retry in 9 secs"),
         "slow_down", "1m", "model", 9),
    Case("body-retry-at", ANY, 429, {}, {"error": "slow down", "retry_at": ISO},
         "slow_down", "1m", "model", 30),
    Case("body-reset-epoch", ANY, 429, {}, {"error": "slow down", "reset_at": 1790000030},
         "slow_down", "1m", "model", 30),
    Case("body-camel-seconds", ANY, 429, {}, {"error": {"message": "x", "retryAfterSeconds": 8}},
         "slow_down", "1m", "model", 8),
)  # fmt: skip

TONGUES = (
    Case("german-day", ANY, 429, {}, error("Tageskontingent überschritten"),
         "spent", "1d", "model", UTC_DAY),
    Case("german-minute", ANY, 429, {}, error("Kontingent überschritten: 30 Anfragen pro Minute"),
         "slow_down", "1m", "model", 60),
    Case("french-day", ANY, 429, {}, error("Quota journalier dépassé"),
         "spent", "1d", "model", UTC_DAY),
    Case("french-minute", ANY, 429, {}, error("Trop de requêtes : 5 requêtes par minute"),
         "slow_down", "1m", "model", 60),
    Case("spanish-day", ANY, 429, {}, error("Se ha superado la cuota diaria"),
         "spent", "1d", "model", UTC_DAY),
    Case("portuguese-minute", ANY, 429, {}, error("Limite de 10 pedidos por minuto excedido"),
         "slow_down", "1m", "model", 60),
    Case("italian-day", ANY, 429, {}, error("Quota giornaliera superata"),
         "spent", "1d", "model", UTC_DAY),
    Case("japanese-day", ANY, 429, {}, error("1日あたりの利用上限に達しました"),
         "spent", "1d", "model", UTC_DAY),
    Case("japanese-minute", ANY, 429, {}, error("1分あたりのリクエスト上限を超えました"),
         "slow_down", "1m", "model", 60),
    Case("korean-day", ANY, 429, {}, error("일일 한도를 초과했습니다"),
         "spent", "1d", "model", UTC_DAY),
    Case("korean-minute", ANY, 429, {}, error("분당 요청 한도 초과"),
         "slow_down", "1m", "model", 60),
    Case("russian-day", ANY, 429, {}, error("Превышен дневной лимит запросов"),
         "spent", "1d", "model", UTC_DAY),
    Case("russian-minute", ANY, 429, {}, error("Превышена квота: 5 запросов в минуту"),
         "slow_down", "1m", "model", 60),
    Case("chinese-escaped", ANY, 429, {}, r'{"error": {"message": "\u4eca\u65e5\u8c03\u7528\u6b21'
         r'\u6570\u5df2\u8fbe\u4e0a\u9650"}}', "spent", "1d", "model", UTC_DAY),
    Case("chinese-credits", ANY, 429, {}, error("您的账户已欠费，请充值"),
         "credits_gone", None, "account", None),
    Case("chinese-month", ANY, 429, {}, error("本月免费额度已用完"),
         "spent", "month", "model", UTC_MONTH),
    Case("german-credits", ANY, 402, {}, error("Guthaben aufgebraucht"),
         "credits_gone", None, "account", None),
)  # fmt: skip

STYLES = (
    Case("groq-rpm", "groq", 429, {"retry-after": "2"},
         error("Rate limit reached for model `m` on requests per minute (RPM): Limit 30, Used 30, "
               "Requested 1. Please try again in 2s."), "slow_down", "1m", "model", 2),
    Case("groq-rpd", "groq", 429, {"retry-after": "87"},
         error("Rate limit reached for model `m` on requests per day (RPD): Limit 1000, Used 1000, "
               "Requested 1. Please try again in 1m26.4s."), "spent", "1d", "model", 86.4),
    Case("groq-413-minute", "groq", 413, {"retry-after": "9"},
         error("Request too large for model `m` on tokens per minute (TPM): Limit 6000, "
               "Requested 7001"), "request_too_large", None, "request", None),
    Case("gemini-rpm", "gemini", 429, {},
         violation("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5", "41s"),
         "slow_down", "1m", "model", 41),
    Case("gemini-rpm-fraction", "gemini", 429, {},
         violation("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5", "0.250s"),
         "slow_down", "1m", "model", 0.25),
    Case("gemini-day-short-delay", "gemini", 429, {"retry-after": "3"},
         violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20", "3s"),
         "spent", "1d", "model", PACIFIC_DAY),
    Case("gemini-day-hours", "gemini", 429, {},
         violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "500", "32270s"),
         "spent", "1d", "model", 32270),
    Case("gemini-zero", "gemini", 429, {},
         violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "0", "12s"),
         "not_on_plan", None, "model", None),
    Case("gemini-grpc-camel", ANY, 429, {},
         google("Resource has been exhausted (e.g. check quota).",
                {"_": "RetryInfo", "retryDelay": "7.5s"}), "slow_down", "1m", "model", 7.5),
    Case("grpc-retry-object", ANY, 429, {},
         google("busy", {"_": "RetryInfo", "retry_delay": {"seconds": 21, "nanos": 500000000}}),
         "slow_down", "1m", "model", 21.5),
    Case("grpc-text", ANY, 429, {},
         error('429 Quota exceeded for metric. [violations { quota_id: "GenerateRequestsPerMinute'
               'PerProject" } , retry_delay { seconds: 34 } ]'), "slow_down", "1m", "model", 34),
    Case("openai-rpm", "openai", 429, {"x-ratelimit-reset-requests": "20s",
                                       "x-ratelimit-remaining-requests": "0"},
         error("Rate limit reached for gpt-4o in organization org-x on requests per min (RPM): "
               "Limit 3, Used 3, Requested 1. Please try again in 20s.", code="rate_limit_exceeded",
               type="requests"), "slow_down", "1m", "model", 20),
    Case("openai-quota", "openai", 429, {"retry-after": "5"},
         error("You exceeded your current quota, please check your plan and billing details.",
               type="insufficient_quota", code="insufficient_quota"),
         "credits_gone", None, "account", None),
    Case("anthropic-dates", "anthropic", 429,
         {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": ISO,
          "anthropic-ratelimit-requests-remaining": "49",
          "anthropic-ratelimit-requests-reset": "2026-09-21T14:13:21Z"},
         {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would "
                                     "exceed your organization's rate limit of 10,000 input "
                                     "tokens per minute"}}, "slow_down", "1m", "model", 30),
    Case("anthropic-requests-dates", "anthropic", 429,
         {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": ISO},
         {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}},
         "slow_down", "1m", "account", 30),
    Case("anthropic-529", "anthropic", 529, {},
         {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
         "overloaded", None, "provider", None),
    Case("azure", ANY, 429, {"retry-after": "18", "retry-after-ms": "17800"},
         error("Requests to the ChatCompletions_Create Operation under Azure OpenAI API have "
               "exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry "
               "after 18 seconds.", code="429"), "slow_down", "1m", "model", 17.8),
    Case("bedrock", ANY, 429, {"x-amzn-errortype": "ThrottlingException"},
         {"message": "Too many requests, please wait before trying again."},
         "slow_down", "1m", "model", 60),
    Case("bedrock-day", ANY, 429, {"x-amzn-errortype": "ThrottlingException"},
         {"message": "Too many tokens per day, please wait before trying again."},
         "spent", "1d", "model", UTC_DAY),
    Case("cloudflare-1015-html", ANY, 429, {"retry-after": "10", "content-type": "text/html"},
         "<!DOCTYPE html><html><head><title>Access denied | api.example.test used Cloudflare to "
         "restrict access</title></head><body><h1>Error 1015</h1><p>You are being rate "
         "limited</p></body></html>", "slow_down", None, "provider", 10),
    Case("cloudflare-1015-text", ANY, 429, {}, "error code: 1015",
         "slow_down", None, "provider", 60),
    Case("cloudflare-day", "cloudflare", 429, {},
         {"errors": [{"code": 4006, "message": "you have used up your daily free allocation of "
                      "10,000 neurons"}], "success": False}, "spent", "1d", "account", UTC_DAY),
    Case("huggingface-zerogpu", "huggingface", 429, {},
         error("You have exceeded your GPU quota (60s requested vs. 0s left). "
               "Try again in 1:30:00"), "spent", "1d", "account", 5400),
    Case("huggingface-monthly", "huggingface", 402, {},
         {"error": "You have exceeded your monthly included credits for Inference Providers. "
                   "Subscribe to PRO to get 20x more monthly included credits."},
         "credits_gone", "month", "account", UTC_MONTH),
    Case("cohere-month", "cohere", 429, {},
         {"message": "You are using a Trial key, which is limited to 1000 API calls / month. You "
                     "can continue to use the Trial key for free or upgrade to a Production key"},
         "spent", "month", "account", UTC_MONTH),
    Case("cohere-minute", "cohere", 429, {},
         {"message": "You are using a Trial key, which is limited to 20 API calls / minute."},
         "slow_down", "1m", "account", 60),
    Case("mistral-plain", "mistral", 429, {"ratelimitbysize-reset": "17"},
         {"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited",
          "code": "1300"}, "slow_down", "1m", "model", 17),
    Case("mistral-zero", "mistral", 429, {"x-ratelimit-limit-req-minute": "0"},
         {"message": "Rate limit exceeded", "code": "1300"}, "not_on_plan", None, "model", None),
    Case("mistral-month", "mistral", 429, {"x-ratelimit-remaining-tokens-month": "0"},
         {"message": "Rate limit exceeded"}, "spent", "month", "account", UTC_MONTH),
    Case("mistral-capacity", "mistral", 429, {},
         {"message": "Service tier capacity exceeded for this model.", "code": "3505",
          "type": "service_tier_capacity_exceeded"}, "overloaded", None, "model", None),
    Case("cerebras-day-float", "cerebras", 429, {"x-ratelimit-reset-requests-day": "33011.382",
                                                 "x-ratelimit-remaining-requests-day": "0"},
         {"message": "Requests per day limit exceeded - too many requests sent.",
          "type": "too_many_requests_error", "param": "quota", "code": "request_quota_exceeded"},
         "spent", "1d", "model", 33011.382),
    Case("cerebras-tokens-minute", "cerebras", 429, {"retry-after": "11"},
         {"message": "Tokens per minute limit exceeded - too many tokens processed.",
          "param": "quota", "code": "token_quota_exceeded"}, "slow_down", "1m", "model", 11),
    Case("cerebras-queue", "cerebras", 429, {},
         {"message": "We're experiencing high traffic right now!", "param": "queue",
          "code": "queue_exceeded"}, "overloaded", None, "model", None),
    Case("sambanova-day", "sambanova", 429, {"x-ratelimit-remaining-requests-day": "0",
                                             "x-ratelimit-reset-requests-day": "1790010000"},
         error("Rate limit exceeded"), "spent", "1d", "model", 10000),
    Case("sambanova-minute", "sambanova", 429, {"x-ratelimit-remaining-requests": "0",
                                                "x-ratelimit-reset-requests": "1790000041"},
         error("Rate limit exceeded"), "slow_down", "1m", "model", 41),
    Case("github-day", "github_models", 429, {"retry-after": "43200"},
         error("Rate limit of 50 per 86400s exceeded for UserByModelByDay. Please wait 43200 "
               "seconds before retrying.", code="RateLimitReached"),
         "spent", "1d", "model", 43200),
    Case("github-concurrent", "github_models", 429, {},
         error("Rate limit of 2 per 0s exceeded for UserConcurrentRequests. Please wait 0 seconds "
               "before retrying.", code="RateLimitReached"), "slow_down", None, "account", 1),
    Case("nvidia-402", "nvidia_nim", 402, {},
         {"type": "urn:nvcf-worker-service:problem-details:payment-required", "title": "Payment "
          "Required", "status": 402, "detail": "Cloud credits expired - Please contact NVIDIA"},
         "credits_gone", None, "account", None),
    Case("nvidia-minute", "nvidia_nim", 429, {}, {"status": 429, "title": "Too Many Requests"},
         "slow_down", "1m", "account", 60),
    Case("openrouter-day", "openrouter", 429, {},
         error("Rate limit exceeded: free-models-per-day-high-balance.", code=429, metadata={
             "headers": {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0",
                         "X-RateLimit-Reset": "1790035200000"}}),
         "spent", "1d", "account", UTC_DAY),
    Case("openrouter-upstream", "openrouter", 429, {"retry-after": "6"},
         error("Provider returned error", code=429, metadata={
             "raw": "meta-llama/x:free is temporarily rate-limited upstream. Please retry shortly.",
             "provider_name": "Chutes"}), "overloaded", None, "model", 6),
    Case("zai-overload", "zai", 429, {}, error("当前API请求过多，请稍后重试。", code="1305"),
         "overloaded", None, "model", None),
    Case("ollama-week", "ollama_cloud", 429, {},
         {"error": "you (user) have reached your weekly usage limit, upgrade for higher limits"},
         "spent", "7d", "account", 14400),
    Case("dashscope-minute", "dashscope", 429, {},
         error("You exceeded your current requests list.", code="limit_requests"),
         "slow_down", "1m", "model", 60),
    Case("siliconflow-tpm", "siliconflow_cn", 429, {},
         {"message": "Request was rejected due to rate limiting. Details: TPM limit reached.",
          "data": None}, "slow_down", "1m", "model", 60),
    Case("moonshot-rpd", ANY, 429, {},
         error("Your account org-x<ak-x> request reached organization max RPD: 100, please try "
               "again after 3600 seconds", type="rate_limit_reached_error"),
         "spent", "1d", "model", 3600),
    Case("moonshot-concurrency", ANY, 429, {},
         error("Your account reached organization max concurrency: 1, please try again after 1 "
               "seconds", type="rate_limit_reached_error"), "slow_down", None, "account", 1),
    Case("together", ANY, 429, {"x-ratelimit-reset": "3"},
         error("You have reached the rate limit specific to this model. The maximum rate limit for "
               "this model is 0.6 queries per minute.", type="model_rate_limit"),
         "slow_down", "1m", "model", 3),
    Case("vertex-zero", ANY, 429, {},
         error("Quota exceeded", details=[{"metadata": {"quota_limit_value": "0"}}]),
         "not_on_plan", None, "model", None),
    Case("week", ANY, 429, {}, error("You have hit your weekly limit of 500 messages."),
         "spent", "7d", "model", 14400),
    Case("hour-window", ANY, 429, {}, error("Limit exceeded: 200 requests per hour"),
         "spent", "1h", "model", 3600),
)  # fmt: skip

OTHER_STATUSES = (
    Case("403-region", ANY, 403, {}, error("Access is not permitted from your region"),
         "not_on_plan", None, "provider", None),
    Case("403-region-gcp", "gemini", 400, {},
         error("User location is not supported for the API use.", status="FAILED_PRECONDITION"),
         "not_on_plan", None, "provider", None),
    Case("403-key", ANY, 403, {}, error("Your API key does not have permission"),
         "key_bad", None, "account", None),
    Case("403-model", ANY, 403, {}, error("Your API key has no access to model `x-large`"),
         "not_on_plan", None, "model", None),
    Case("403-quota-day", ANY, 403, {}, error("dailyLimitExceeded: Daily Limit Exceeded"),
         "spent", "1d", "model", UTC_DAY),
    Case("403-quota-rate", ANY, 403, {"retry-after": "9"}, error("userRateLimitExceeded"),
         "slow_down", "1m", "model", 9),
    Case("403-quota-plain", ANY, 403, {}, error("quotaExceeded: the quota has been exceeded"),
         "slow_down", "1m", "model", 60),
    Case("401-expired", ANY, 401, {}, error("Token expired"), "key_bad", None, "account", None),
    Case("503-with-minute", ANY, 503, {"retry-after": "20"}, error("Slow down"),
         "overloaded", None, "model", 20),
    Case("200-sse-day", "openrouter", 200, {}, 'data: {"error": {"code": 429, "message": "Rate '
         'limit exceeded: free-models-per-day. Add 10 credits to unlock 1000"}}\n\n',
         "spent", "1d", "account", UTC_DAY),
    Case("200-sse-event", "anthropic", 200, {}, 'event: error\ndata: {"type": "error", "error": '
         '{"type": "overloaded_error", "message": "Overloaded"}}\n\n',
         "overloaded", None, "provider", None),
    Case("200-json-key", ANY, 200, {}, error("Incorrect API key provided", code=401),
         "key_bad", None, "account", None),
    Case("413-tpm", "openai", 413, {"retry-after": "30"},
         error("tokens per minute limit exceeded"), "request_too_large", None, "request", None),
)  # fmt: skip

#: A minute's refusal that speaks of days, numbers that look like codes, windows in rare words.
TRAPS = (
    Case("upsell-french", ANY, 429, {},
         error("Limite de 5 requêtes par minute atteinte. Le forfait payant a un quota journalier "
               "plus élevé."), "slow_down", "1m", "model", 60),
    Case("upsell-german", ANY, 429, {},
         error("Zu viele Anfragen pro Minute. Ihr Tageskontingent ist davon nicht betroffen."),
         "slow_down", "1m", "model", 60),
    Case("upsell-japanese", ANY, 429, {},
         error("1分あたりの上限に達しました。1日あたりの上限は残っています"),
         "slow_down", "1m", "model", 60),
    Case("upsell-rpd", ANY, 429, {}, error("RPM limit exceeded. Paid plans have RPD: 10000"),
         "slow_down", "1m", "model", 60),
    Case("a-moment-that-is-past", ANY, 429, {}, {"error": "x", "reset_at": "2020-01-01T00:00:00Z"},
         "slow_down", "1m", "model", 60),
    Case("1015-in-an-id", ANY, 429, {}, error("Request id 10151015: too many requests"),
         "slow_down", "1m", "model", 60),
    Case("1015-requests", ANY, 429, {}, error("error: 1015 requests, the limit is 1000 per minute"),
         "slow_down", "1m", "model", 60),
    Case("day-in-a-500", ANY, 500, {}, error("the quota per day service broke"),
         "their_fault", None, "model", None),
    Case("403-quota-per-day", ANY, 403, {},
         error("Quota exceeded for quota metric 'Generate requests' and limit 'requests per day'"),
         "spent", "1d", "model", UTC_DAY),
    Case("403-suspended", ANY, 403, {}, error("Consumer 'api_key:x' has been suspended."),
         "key_bad", None, "account", None),
    Case("one-api-user-quota", ANY, 403, {}, error("用户额度不足", code="insufficient_user_quota"),
         "credits_gone", None, "account", None),
    Case("week-says-when", ANY, 429, {},
         error("Weekly token quota exceeded; resets at 2026-09-24T00:00:00Z"),
         "spent", "7d", "model", 208_000),
    Case("month-spanish", ANY, 429, {}, error("Límite mensual alcanzado"),
         "spent", "month", "model", UTC_MONTH),
    Case("rolling-24h", ANY, 429, {}, error("100000 tokens per rolling 24h exceeded"),
         "spent", "1d", "model", UTC_DAY),
    Case("24-hour-limit", ANY, 429, {}, error("You exceeded the 24-hour request limit"),
         "spent", "1d", "model", UTC_DAY),
    Case("tomorrow", ANY, 429, {}, error("Please try again tomorrow."),
         "spent", "1d", "model", UTC_DAY),
    Case("midnight", ANY, 429, {}, error("Free quota used up until midnight UTC"),
         "spent", "1d", "model", UTC_DAY),
    Case("trial-used-up", ANY, 429, {}, error("You have used all of your trial requests"),
         "credits_gone", None, "account", None),
    Case("not-a-number", ANY, 429, {"retry-after": "inf"}, "", "slow_down", "1m", "model", 60),
)  # fmt: skip

CASES = (*HOWEVER_SAID, *TONGUES, *STYLES, *OTHER_STATUSES, *TRAPS)


def judge(case: Case) -> Outcome:
    rules, limits = (), ()  # type: ignore[var-annotated]
    if case.provider is not None:
        known = PROVIDERS[case.provider]
        rules, limits = known.error_rules, known.limits  # type: ignore[assignment]
    text = case.body if isinstance(case.body, str) else json.dumps(case.body)
    phase = "stream" if case.status == 200 else "answer"
    answer = Answer(case.status, case.headers, text, phase=phase)
    return classify(answer, rules, limits, NOW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_refusal_that_nobody_captured(case: Case) -> None:
    found = judge(case)
    assert (found.kind, found.window, found.scope) == (case.kind, case.window, case.scope)
    wait = None if found.until is None else found.until - NOW
    assert wait == (None if case.wait is None else pytest.approx(case.wait))


def test_no_two_cases_share_a_name() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
