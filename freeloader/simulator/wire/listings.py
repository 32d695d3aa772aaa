"""What a provider tells without being asked to think: its model list, its quota. Pure."""

from __future__ import annotations

from typing import Any

from freeloader.simulator.config import ModelSpec, ProviderSpec
from freeloader.simulator.quota import View

_CREATED = 1_760_000_000


def models(spec: ProviderSpec) -> dict[str, Any]:
    """``GET models`` in the provider's style. Gemini prefixes ids with ``models/``."""
    data = [_model(spec, model) for model in spec.models.values()]
    if spec.style == "anthropic":
        ids = list(spec.models)
        ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
        return {"data": data, "has_more": False, **ends}
    return {"object": "list", "data": data}


def _model(spec: ProviderSpec, model: ModelSpec) -> dict[str, Any]:
    name = f"models/{model.id}" if spec.style == "gemini" else model.id
    entry: dict[str, Any] = {"id": name, "object": "model", "created": _CREATED}
    entry["owned_by"] = spec.name
    if spec.style == "anthropic":
        return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01"}
    if spec.style == "groq":
        entry |= {"active": True, "context_window": model.context}
        entry["max_completion_tokens"] = model.max_output
    elif spec.style == "openrouter":
        price = {"prompt": _dollars(model.rates.input), "completion": _dollars(model.rates.output)}
        entry |= {"name": name, "context_length": model.context, "pricing": price}
    elif spec.style == "mistral":
        entry["capabilities"] = {
            "completion_chat": not model.embedding,
            "function_calling": "tools" in model.capabilities,
        }
        entry["max_context_length"] = model.context
    return entry


def lm_studio_models(spec: ProviderSpec) -> dict[str, Any]:
    """``GET api/v0/models``: what is on the machine, and what is loaded."""
    data = [
        {
            "id": model.id,
            "object": "model",
            "type": "embeddings" if model.embedding else "llm",
            "publisher": "simulated",
            "arch": model.family,
            "compatibility_type": "gguf",
            "quantization": "Q4_K_M",
            "state": "loaded",
            "max_context_length": model.context,
        }
        for model in spec.models.values()
    ]
    return {"object": "list", "data": data}


def ollama_tags(spec: ProviderSpec) -> dict[str, Any]:
    """``GET api/tags``: the models that Ollama has pulled."""
    return {"models": [_tag(model) for model in spec.models.values()]}


def _tag(model: ModelSpec) -> dict[str, Any]:
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": "2026-11-01T00:00:00Z",
        "size": 4_920_753_328,
        "digest": "0" * 64,
        "details": _details(model),
    }


def ollama_show(model: ModelSpec) -> dict[str, Any]:
    """``POST api/show``: one model's details."""
    return {
        "modelfile": f"FROM {model.id}",
        "template": "{{ .Prompt }}",
        "details": _details(model),
        "model_info": {"llama.context_length": model.context},
        "capabilities": ["completion", *(c for c in model.capabilities if c == "tools")],
    }


def _details(model: ModelSpec) -> dict[str, Any]:
    families = [model.family]
    return {
        "format": "gguf",
        "family": model.family,
        "families": families,
        "parameter_size": "8.0B",
        "quantization_level": "Q4_K_M",
    }


def openrouter_key(views: list[View]) -> dict[str, Any]:
    """``GET api/v1/key``: what is left of the free requests and of the credit."""
    daily = next(
        (v for v in views if v.limit.metric == "requests" and v.limit.window == "1d"), None
    )
    money = next((v for v in views if v.limit.metric == "usd"), None)
    data: dict[str, Any] = {
        "label": "sk-or-v1-sim",
        "limit": None if money is None else money.limit.amount / 10**12,
        "limit_remaining": None if money is None else money.left / 10**12,
        "usage": 0 if money is None else (money.limit.amount - money.left) / 10**12,
        "is_free_tier": True,
        "rate_limit": {"requests": -1, "interval": "10s", "note": "deprecated"},
    }
    if daily is not None:
        limit = daily.limit.amount
        data["free_model_daily_requests"] = {
            "used": limit - daily.left,
            "limit": limit,
            "remaining": daily.left,
        }
    return {"data": data}


def _dollars(rate: int) -> str:
    return f"{rate / 10**12:.12f}".rstrip("0").rstrip(".") or "0"
