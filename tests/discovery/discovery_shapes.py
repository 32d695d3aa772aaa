"""Model lists in the shapes that providers document, shortened; and what is to be read in them."""

from __future__ import annotations

from typing import Any

#: provider → (the list, what its entries say: id → fields).
LISTS: dict[str, tuple[Any, dict[str, dict[str, Any]]]] = {
    "openrouter": (
        {
            "data": [
                {
                    "id": "deepseek/deepseek-chat-v3.1:free",
                    "canonical_slug": "deepseek/deepseek-chat-v3.1",
                    "name": "DeepSeek: DeepSeek V3.1 (free)",
                    "created": 1755779628,
                    "context_length": 163840,
                    "architecture": {"modality": "text->text", "input_modalities": ["text"]},
                    "pricing": {"prompt": "0", "completion": "0", "request": "0", "image": "0"},
                    "top_provider": {"context_length": 163840, "max_completion_tokens": None},
                    "supported_parameters": ["max_tokens", "tools", "reasoning"],
                },
                {
                    "id": "openai/gpt-4o-mini",
                    "name": "OpenAI: GPT-4o-mini",
                    "context_length": 128000,
                    "architecture": {"input_modalities": ["text", "image"]},
                    "pricing": {
                        "prompt": "0.00000015",
                        "completion": "0.0000006",
                        "input_cache_read": "0.000000075",
                        "image": "0.000217",
                    },
                    "top_provider": {"max_completion_tokens": 16384},
                    "supported_parameters": ["tools", "structured_outputs"],
                    "expiration_date": "2027-01-31",
                },
                {
                    "id": "openrouter/auto",
                    "context_length": 2000000,
                    "pricing": {"prompt": "-1", "completion": "-1"},
                    "supported_parameters": [],
                },
            ]
        },
        {
            "deepseek/deepseek-chat-v3.1:free": {
                "context": 163840,
                "max_output": None,
                "free": True,
                "capabilities": ("reasoning", "streaming", "tools"),
            },
            "openai/gpt-4o-mini": {
                "context": 128000,
                "max_output": 16384,
                "free": False,
                "pricing": {
                    "input": 0.15,
                    "output": 0.6,
                    "cacheRead": 0.075,
                    "perImage": 0.000217,
                },
                "capabilities": ("json", "streaming", "tools", "vision"),
                "deprecated_on": "2027-01-31",
            },
            "openrouter/auto": {"pricing": None, "free": None},
        },
    ),
    "groq": (
        {
            "object": "list",
            "data": [
                {
                    "id": "openai/gpt-oss-120b",
                    "object": "model",
                    "created": 1754408224,
                    "owned_by": "OpenAI",
                    "active": True,
                    "context_window": 131072,
                    "public_apps": None,
                    "max_completion_tokens": 65536,
                },
                {"id": "gone-8b", "active": False, "context_window": 8192},
            ],
        },
        {"openai/gpt-oss-120b": {"context": 131072, "max_output": 65536, "pricing": None}},
    ),
    "gemini": (
        {
            "models": [
                {
                    "name": "models/gemini-3.7-flash",
                    "version": "001",
                    "displayName": "Gemini 3.7 Flash",
                    "inputTokenLimit": 1048576,
                    "outputTokenLimit": 65536,
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                    "temperature": 1,
                    "thinking": True,
                },
                {
                    "name": "models/text-embedding-004",
                    "inputTokenLimit": 2048,
                    "supportedGenerationMethods": ["embedContent"],
                },
            ],
            "nextPageToken": "x",
        },
        {"gemini-3.7-flash": {"context": 1048576, "max_output": 65536}},
    ),
    "mistral": (
        {
            "object": "list",
            "data": [
                {
                    "id": "mistral-small-latest",
                    "object": "model",
                    "capabilities": {
                        "completion_chat": True,
                        "function_calling": True,
                        "vision": True,
                        "fine_tuning": False,
                    },
                    "max_context_length": 131072,
                    "aliases": ["mistral-small-2509"],
                    "deprecation": "2026-12-31T12:00:00Z",
                    "deprecation_replacement_model": "mistral-small-2606",
                },
                {"id": "mistral-embed", "capabilities": {"completion_chat": False}},
            ],
        },
        {
            "mistral-small-latest": {
                "context": 131072,
                "capabilities": ("streaming", "tools", "vision"),
                "deprecated_on": "2026-12-31",
                "replaced_by": "mistral-small-2606",
            }
        },
    ),
    "together": (
        [
            {
                "id": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
                "object": "model",
                "type": "chat",
                "context_length": 131072,
                "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0, "finetune": 0},
            },
            {"id": "black-forest-labs/FLUX.1-schnell", "type": "image", "pricing": {"input": 0}},
        ],
        {
            "meta-llama/Llama-3.3-70B-Instruct-Turbo": {
                "context": 131072,
                "pricing": {"input": 0.88, "output": 0.88},
            }
        },
    ),
    "ollama": (
        {
            "models": [
                {
                    "name": "llama3.1:8b",
                    "model": "llama3.1:8b",
                    "modified_at": "2026-10-01T10:00:00Z",
                    "size": 4920753328,
                    "details": {"family": "llama", "parameter_size": "8.0B"},
                }
            ]
        },
        {"llama3.1:8b": {"context": None, "pricing": None, "free": None}},
    ),
    "lm_studio": (
        {
            "object": "list",
            "data": [
                {
                    "id": "qwen2-vl-7b-instruct",
                    "object": "model",
                    "type": "vlm",
                    "publisher": "mlx-community",
                    "arch": "qwen2_vl",
                    "state": "loaded",
                    "max_context_length": 32768,
                },
                {"id": "text-embedding-nomic", "object": "embedding", "type": "embeddings"},
            ],
        },
        {"qwen2-vl-7b-instruct": {"context": 32768, "capabilities": ("streaming", "vision")}},
    ),
    "cohere": (
        {
            "models": [
                {
                    "name": "command-a-03-2025",
                    "endpoints": ["chat"],
                    "finetuned": False,
                    "context_length": 288000,
                    "features": ["json_mode", "json_schema", "tools", "strict_tools"],
                },
                {"name": "embed-v4.0", "endpoints": ["embed"], "context_length": 128000},
            ]
        },
        {
            "command-a-03-2025": {
                "context": 288000,
                "capabilities": ("json", "streaming", "tools"),
            }
        },
    ),
    "vercel_ai_gateway": (
        {
            "object": "list",
            "data": [
                {
                    "id": "anthropic/claude-sonnet-4.5",
                    "object": "model",
                    "type": "language",
                    "context_window": 200000,
                    "max_tokens": 64000,
                    "tags": ["file-input", "reasoning", "tool-use", "vision"],
                    "pricing": {
                        "input": "0.000003",
                        "output": "0.000015",
                        "input_cache_read": "0.0000003",
                        "input_cache_write": "0.00000375",
                    },
                },
                {"id": "openai/text-embedding-3-small", "type": "embedding"},
            ],
        },
        {
            "anthropic/claude-sonnet-4.5": {
                "context": 200000,
                "max_output": 64000,
                "pricing": {"input": 3.0, "output": 15.0, "cacheRead": 0.3, "cacheWrite": 3.75},
                "capabilities": ("reasoning", "streaming", "tools", "vision"),
            }
        },
    ),
    "novita": (
        {
            "data": [
                {
                    "id": "deepseek/deepseek-v3.1",
                    "object": "model",
                    "model_type": "chat",
                    "context_size": 131072,
                    "max_output_tokens": 32768,
                    "input_token_price_per_m": 2700,
                    "output_token_price_per_m": 10000,
                    "features": ["function-calling", "structured-outputs", "reasoning"],
                    "input_modalities": ["text"],
                }
            ]
        },
        {
            "deepseek/deepseek-v3.1": {
                "context": 131072,
                "max_output": 32768,
                "pricing": {"input": 0.27, "output": 1.0},
                "capabilities": ("json", "reasoning", "streaming", "tools"),
            }
        },
    ),
    "deepinfra": (
        {
            "object": "list",
            "data": [
                {
                    "id": "meta-llama/Meta-Llama-3.1-8B-Instruct",
                    "object": "model",
                    "metadata": {
                        "context_length": 131072,
                        "max_tokens": 16384,
                        "pricing": {"input_tokens": 0.03, "output_tokens": 0.05},
                        "tags": ["prompt_cache"],
                    },
                }
            ],
        },
        {
            "meta-llama/Meta-Llama-3.1-8B-Instruct": {
                "context": 131072,
                "max_output": 16384,
                "pricing": {"input": 0.03, "output": 0.05},
            }
        },
    ),
    "sambanova": (
        {
            "data": [
                {
                    "id": "DeepSeek-V3.1",
                    "context_length": 131072,
                    "max_completion_tokens": 7168,
                    "pricing": {"prompt": "0.000003", "completion": "0.0000045"},
                }
            ],
            "object": "list",
        },
        {
            "DeepSeek-V3.1": {
                "context": 131072,
                "max_output": 7168,
                "pricing": {"input": 3.0, "output": 4.5},
            }
        },
    ),
    "cerebras": (
        {"object": "list", "data": [{"id": "gpt-oss-120b", "object": "model", "created": 0}]},
        {"gpt-oss-120b": {"context": None}},
    ),
}
