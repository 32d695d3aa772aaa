"""The child's config entries for the fake upstream: a model for each way it answers."""

from __future__ import annotations

from fake_upstream import FakeUpstream

from freeloader.child.config import Entry

MODELS = [
    "redirect",
    "ok", "slow", "429", "401", "402", "413", "500", "hang", "reset", "badjson", "empty", "garbage",
    "cut", "cleancut", "midstream", "nousage", "badusage", "long", "tools", "echo", "403", "404",
    "503", "400", "422", "choice-error", "oddusage",
]  # fmt: skip


def entries_for(upstream: FakeUpstream) -> tuple[Entry, ...]:
    url = upstream.url
    found = [Entry(f"sim/{model}", f"openai/{model}", url) for model in MODELS]
    return (
        *found,
        Entry("groq/ok", "groq/ok", url),
        Entry("gemini/nousage", "gemini/nousage", url),
        Entry("gemini/oddusage", "gemini/oddusage", url),
        Entry("raw/x", "openai/x", upstream.wire.url),
        Entry("raw/通义", "openai/通义", upstream.wire.url),
        Entry("dead/x", "openai/x", "http://127.0.0.1:9"),
    )
