"""Which field of an inference body goes where: the lists, and the sorting by them.

*Passed* fields go to the provider after a check; *counted* ones multiply what is
consumed and are taken into the estimate; *directives* are ours and never leave;
*consumed* ones are read by us alone; *refused* ones could steer the child or
the provider's address and end in a 400; everything else is dropped and named.

Deliberately not passed: ``user`` (it names the session, and LiteLLM would keep
books by it), ``store``, ``prediction``, ``audio`` and cache keys (they cost or
keep what nobody asked us for), and every vendor extension such as ``top_k``
(what one provider ignores, the next refuses).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freeloader.errors import InvalidRequest
from freeloader.settings.directives import DIRECTIVES
from freeloader.settings.spelling import snake


def words(text: str) -> frozenset[str]:
    """A list of names, written as text."""
    return frozenset(text.split())


_SAMPLING = frozenset(
    ["temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty", "logit_bias"]
)
_LENGTH = frozenset({"max_tokens", "max_completion_tokens"})


@dataclass(frozen=True, slots=True)
class Wire:
    """The lists of one API shape; names are the wire's own (snake_case)."""

    name: str
    passed: frozenset[str]
    counted: frozenset[str]
    consumed: frozenset[str]


CHAT = Wire(
    "chat",
    passed=_SAMPLING
    | _LENGTH
    | words(
        """
    messages tools tool_choice parallel_tool_calls functions function_call response_format
    logprobs top_logprobs reasoning_effort verbosity
    """
    ),
    counted=frozenset({"n", "service_tier", "web_search_options"}),
    consumed=frozenset({"model", "stream", "stream_options", "user", "modalities", "freeloader"}),
)
COMPLETIONS = Wire(
    "completions",
    passed=_SAMPLING
    | _LENGTH
    | frozenset({"prompt", "logprobs", "response_format", "reasoning_effort"}),
    counted=frozenset({"n", "best_of", "service_tier", "web_search_options"}),
    consumed=frozenset(
        {"model", "stream", "stream_options", "user", "echo", "suffix", "freeloader"}
    ),
)

#: Names (snake_case) that LiteLLM or an aggregator takes as orders. Nobody's client may send them.
REFUSED: frozenset[str] = words(
    """
    api_base base_url api_key api_version api_type organization deployment_id endpoint host
    fallbacks default_fallbacks context_window_fallbacks context_window_fallback_dict
    max_fallbacks router_settings content_policy_fallbacks
    disable_fallbacks num_retries max_retries retry_policy timeout request_timeout
    stream_timeout force_timeout custom_llm_provider provider providers models model_list
    model_info model_group route router routing plugins transforms order specific_deployment
    deployment base_model region_name extra_headers extra_body extra_query headers
    default_headers default_query http_client client mock_response mock_tool_calls
    mock_timeout mock_testing_fallbacks user_config configurable_clientside_auth_params
    proxy_server_request secret_fields credentials guardrails guardrail_config callbacks
    success_callback failure_callback logger_fn hooks input_cost_per_token
    output_cost_per_token input_cost_per_second output_cost_per_second cache caching cache_key
    ttl s_maxage no_log turn_off_message_logging tags allowed_openai_params drop_params
    additional_drop_params modify_params ssl_verify prompt_id prompt_variables prompt_version
    prompt_label merge_reasoning_content_in_choices hf_model_name acompletion text_completion
    async_call azure use_litellm_proxy tenant_id client_id client_secret max_parallel_requests
    rpm tpm preset_cache_key mcp_servers
    """
)
_REFUSED_PREFIXES = (
    "litellm",
    "aws_",
    "azure_",
    "vertex_",
    "vertexai_",
    "watsonx_",
    "bedrock_",
    "gcs_",
    "s3_",
    "langfuse_",
    "langsmith_",
    "mock_",
    "x_litellm",
    "sagemaker_",
    "databricks_",
    "openrouter_",
)

_SAFE_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MAX_NAMED = 40
#: Names that are looked at one by one; no honest object has so many.
_MAX_FIELDS = 1_000


@dataclass(slots=True)
class Sorted:
    """A body's fields by what becomes of them; names in snake_case, nulls left out."""

    passed: dict[str, Any]
    counted: dict[str, Any]
    consumed: dict[str, Any]
    directives: dict[str, Any]
    dropped: list[str]

    def drop(self, name: str) -> None:
        if name not in self.dropped and len(self.dropped) < _MAX_NAMED:
            self.dropped.append(name)


def sort_fields(body: Mapping[str, Any], wire: Wire) -> Sorted:
    """Sort a body by the wire's lists. Raises InvalidRequest for a refused or repeated field."""
    out = Sorted({}, {}, {}, {}, [])
    seen: set[str] = set()
    check_few("The body", body)
    for written, value in body.items():
        name = written if written in wire.passed else snake(written)
        refuse(name, written)
        if name in seen:
            raise InvalidRequest(f"{written} is given twice, in two spellings.", param=written)
        seen.add(name)
        if value is None:
            continue
        if name in wire.passed:
            out.passed[name] = value
        elif name in wire.counted:
            out.counted[name] = value
        elif name in wire.consumed:
            out.consumed[name] = value
        elif name in DIRECTIVES:
            out.directives[written] = value
        else:
            out.drop(safe_name(written))
    return out


def check_few(what: str, fields: Mapping[str, Any], param: str | None = None) -> None:
    """Raises InvalidRequest for more fields than can be looked at without keeping others waiting"""
    if len(fields) > _MAX_FIELDS:
        raise InvalidRequest(f"{what} must have at most {_MAX_FIELDS} fields.", param=param)


def refuse(name: str, written: str, inside: str = "") -> None:
    """Raises InvalidRequest for a name that could steer the child. ``name`` is snake_case."""
    if name in REFUSED or name.startswith(_REFUSED_PREFIXES):
        place = f"{inside}{safe_name(written)}"
        raise InvalidRequest(
            f"{place} is not accepted: which provider is called, and how, is decided here. "
            "Use the directives (strategy, qualityGates, fallback …) instead.",
            param=place,
            details={"field": place},
        )


def safe_name(name: str) -> str:
    """A client's field name, fit for headers and messages."""
    if _SAFE_NAME.fullmatch(name):
        return name
    return re.sub(r"[^A-Za-z0-9_.\[\]-]", "?", name[:64]) or "?"
