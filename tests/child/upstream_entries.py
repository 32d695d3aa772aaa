"""The child's config entries for the fake upstream: a model for each way it answers."""

from __future__ import annotations

from fake_upstream import FakeUpstream

from freeloader.child.config import Entry

MODELS = [
    "redirect",
    "ok", "slow", "429", "401", "402", "413", "500", "hang", "reset", "badjson", "empty", "garbage",
    "cut", "cleancut", "midstream", "nousage", "badusage", "long", "tools", "echo", "403", "404",
    "503", "400", "422", "choice-error", "oddusage", "totalusage",
    "listusage", "wordusage",
]  # fmt: skip
#: Of providers with a wire of their own; they all answer with the bytes that a test gives.
NATIVE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("cohere", "cohere_chat/x", {}),
    ("ollama", "ollama_chat/x", {}),
    ("bedrock", "bedrock/anthropic.claude-3-haiku-20240307-v1:0", {"aws_region_name": "us-east-1"}),
    ("gemini", "gemini/x", {}),
    ("anthropic", "anthropic/claude-haiku-4-5", {}),
)


def entries_for(upstream: FakeUpstream) -> tuple[Entry, ...]:
    url, native = upstream.url, upstream.wire.url.removesuffix("/v1")
    found = [Entry(f"sim/{model}", f"openai/{model}", url) for model in MODELS]
    return (
        *found,
        Entry("groq/ok", "groq/ok", url),
        Entry("gemini/nousage", "gemini/nousage", url),
        Entry("gemini/oddusage", "gemini/oddusage", url),
        *(Entry(f"{name}/x", model, native, params) for name, model, params in NATIVE),
        Entry("raw/x", "openai/x", upstream.wire.url),
        Entry("raw/通义", "openai/通义", upstream.wire.url),
        Entry("dead/x", "openai/x", "http://127.0.0.1:9"),
    )
