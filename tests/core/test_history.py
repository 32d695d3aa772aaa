"""What binds a conversation to a maker, and what is translated for everybody else."""

from __future__ import annotations

from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import routing
from freeloader.core.history import reads, signers, translated
from freeloader.core.model import Deployment, Resolution
from freeloader.core.policy import combine

CLAUDE = deployment("anthropic", "claude-sonnet-4")
GEMINI = deployment("google", "gemini-3-flash")
MISTRAL = deployment("mistral", "small")
object.__setattr__(MISTRAL.provider, "prefix", "mistral")
OTHER = deployment("groq", "llama")
USER = {"role": "user", "content": "go on"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}
THINKING = [{"type": "thinking", "thinking": "hm", "signature": "sig"}]


def call(name: str = "c1", **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}, **more}


def asks(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


SIGNED = {"extra_content": {"google": {"thought_signature": "s"}}}


@pytest.mark.parametrize(
    ("messages", "bound"),
    [
        ([USER], set()),
        ([USER, asks(call()), RESULT], set()),
        ([USER, asks(call(), thinking_blocks=THINKING), RESULT], {"anthropic"}),
        ([USER, asks(call("c1__thought__abc")), RESULT], {"gemini"}),
        ([USER, asks(call(**SIGNED)), RESULT], {"gemini"}),
        # A turn that is over binds nobody.
        ([USER, asks(call("c1__thought__abc")), RESULT, USER], set()),
        ([USER, {"role": "assistant", "content": "x", "thinking_blocks": THINKING}], set()),
    ],
)
def test_only_an_open_signed_turn_binds(messages: list[Any], bound: set[str]) -> None:
    assert signers(messages) == bound


def test_a_bound_conversation_stays_where_it_is_read() -> None:
    asked = profile(signers=frozenset({"gemini"}))
    ask = routing.Ask(asked, combine([]), Resolution("auto", "auto"), 0.0)
    every = routing.explain(ask, PlainSnapshot.of([OTHER, CLAUDE, GEMINI]))
    assert every[0].deployment is GEMINI
    told = {c.deployment.id: c.verdict for c in every[1:]}
    assert {v.gate for v in told.values() if v} == {"incompatible_history"}
    assert "signatures of gemini" in str(told[OTHER.id])


LONG = "c1__thought__" + "x" * 500
TURN = [
    USER,
    asks(call(LONG, **SIGNED), thinking_blocks=THINKING),
    {**RESULT, "tool_call_id": LONG},
]


@pytest.mark.parametrize("there", [CLAUDE, GEMINI, MISTRAL, OTHER])
def test_what_each_gets_of_a_signed_turn(there: Deployment) -> None:
    out = translated(TURN, there)
    said, result = out[1], out[2]
    (made,) = said["tool_calls"]
    assert made["id"] == result["tool_call_id"], "a result still belongs to its call"
    assert ("thinking_blocks" in said) is reads(there, "anthropic")
    assert ("extra_content" in made) is reads(there, "gemini")
    expected = LONG if there is GEMINI else made["id"] if there is MISTRAL else "c1"
    assert made["id"] == expected
    if there is MISTRAL:
        assert len(made["id"]) == 9
        assert made["id"].isalnum()


def test_what_everybody_takes_is_not_touched() -> None:
    plain = [USER, asks(call("call_abc")), {**RESULT, "tool_call_id": "call_abc"}]
    assert translated(plain, OTHER) is plain
    assert translated([USER], MISTRAL) == [USER]


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=6, unique=True))
def test_renaming_keeps_calls_apart_and_results_with_them(names: list[str]) -> None:
    names = [name.replace("__thought__", "") or "x" for name in names]
    messages = [USER, asks(*(call(n) for n in names))]
    messages += [{**RESULT, "tool_call_id": n} for n in names]
    for there in (MISTRAL, OTHER):
        out = translated(messages, there)
        ids = [made["id"] for made in out[1]["tool_calls"]]
        assert ids == [message["tool_call_id"] for message in out[2:]]
        assert len(set(ids)) == len(set(names))
