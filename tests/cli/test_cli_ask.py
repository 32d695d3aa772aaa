"""ask and explain: the answer on standard output, the reasons on standard error."""

from __future__ import annotations

import json
import sys

import pytest

ROUTING = {"provider": "groq", "model": "groq/llama", "reason": "groq/llama: best score; free"}


def sse(*events: object) -> bytes:
    return (
        b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"
    )


@pytest.fixture
def streaming(daemon):
    daemon.on(
        "POST",
        "/v1/chat/completions",
        sse(
            {"routing": ROUTING, "choices": [{"delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"delta": {"content": "Hel"}}]},
            {"choices": [{"delta": {"content": "lo"}}]},
            {
                "choices": [],
                "usage": {"tokensIn": 3, "tokensOut": 2, "costUsd": 0.00012, "latencyMs": 1500},
            },
        ),
    )
    return daemon


def test_streams_the_answer_and_says_who_and_why(xswarm, streaming):
    ran = xswarm("ask", "say", "hello")
    assert ran.code == 0
    assert ran.out == "Hello\n"
    assert "→ groq/llama: best score; free" in ran.err
    assert "3 tokens in, 2 out" in ran.err
    assert "$0.00012" in ran.err
    asked = streaming.asked[0]
    assert asked["key"] == "Bearer xsw-client-key"
    assert asked["body"] == {
        "model": "auto",
        "messages": [{"role": "user", "content": "say hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_directives_are_sent(xswarm, streaming):
    xswarm("ask", "--model", "groq/x", "--strategy", "cost-first", "--project", "p",
           "--system", "be brief", "--max-tokens", "9", "hi")  # fmt: skip
    body = streaming.asked[0]["body"]
    assert body["model"] == "groq/x"
    assert (body["strategy"], body["project"], body["max_tokens"]) == ("cost-first", "p", 9)
    assert body["messages"][0] == {"role": "system", "content": "be brief"}


def test_a_dash_reads_standard_input(xswarm, streaming, stdin):
    stdin("from a pipe\n")
    assert xswarm("ask", "-").code == 0
    assert streaming.asked[0]["body"]["messages"][0]["content"] == "from a pipe\n"


def test_an_empty_prompt_is_refused_before_anything_is_sent(xswarm, streaming, stdin):
    stdin("\n")
    ran = xswarm("ask", "-")
    assert ran.code == 1
    assert streaming.asked == []


def test_whole_answers(xswarm, daemon):
    answer = {
        "routing": ROUTING,
        "choices": [{"message": {"content": "Hello"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "estimated": True},
    }
    daemon.on("POST", "/v1/chat/completions", answer)
    plain = xswarm("ask", "--no-stream", "hi")
    assert (plain.code, plain.out) == (0, "Hello\n")
    assert "counted here" in plain.err
    assert "private" not in plain.err
    assert "stream" not in daemon.asked[0]["body"]
    assert xswarm("ask", "--json", "hi").json == answer


@pytest.mark.parametrize("words", [["ask", "hi"], ["ask", "--no-stream", "hi"]])
@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_model_writes_is_no_command_to_a_terminal_and_itself_to_a_pipe(
    xswarm, daemon, monkeypatch, words, terminal
):
    """Here it would clear the screen, write to the clipboard and turn text round."""
    text = "a\tb\nc\x1b[2J\x1b]52;c;eA==\x07\x9b31m\r\x7f\u202e\u2066d äß 👩\u200d💻\n"
    cut = text.index("[2J") + 1
    message = {"choices": [{"message": {"content": text}}]}
    pieces = [{"choices": [{"delta": {"content": part}}]} for part in (text[:cut], text[cut:])]
    answer = sse(*pieces) if len(words) == 2 else message
    daemon.on("POST", "/v1/chat/completions", answer)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    out = xswarm(*words).out.removesuffix("\n")
    if not terminal:
        assert out == text.removesuffix("\n") + ("" if len(words) == 2 else "\n")
        return
    assert all(char.isprintable() or char in "\t\n\u200d" for char in out)
    assert out.startswith(
        "a\tb\nc\\x1b[2J\\x1b]52;c;eA==\\x07\\x9b31m\\x0d\\x7f\\u202e\\u2066d äß 👩"
    )


@pytest.mark.parametrize("terminal", [False, True])
def test_json_on_a_terminal_hides_nothing_and_means_the_same(xswarm, daemon, monkeypatch, terminal):
    """C1 controls are commands to a terminal too, direction turns text round, tags are unseen."""
    text = "\x9b2J\x7f\u202e\u2066\u200f\u200b\u2028\ufeff\U000e0041 äß 漢 👩\u200d💻 \ue000"
    answer = {"choices": [{"message": {"content": text}}], text: 1}
    daemon.on("POST", "/v1/chat/completions", answer)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    ran = xswarm("ask", "--json", "hi")
    assert ran.json == answer
    assert ("äß 漢 👩" in ran.out, text in ran.out) == (True, not terminal)
    assert not terminal or all(one.isprintable() or one == "\n" for one in ran.out)


def test_half_a_character_in_json_is_an_escape_everywhere(xswarm, daemon):
    daemon.on("POST", "/v1/chat/completions", {"half": "\ud83d"})
    assert xswarm("ask", "--json", "hi").json == {"half": "\ud83d"}


def test_a_refusal_is_one_line(xswarm, daemon):
    refusal = {"error": {"message": "No model passes.", "code": "no_model_passes_gates"}}
    daemon.on("POST", "/v1/chat/completions", refusal, 422)
    ran = xswarm("ask", "hi")
    assert (ran.code, ran.out, ran.err) == (1, "", "xswarm: No model passes.\n")


def test_a_stream_that_breaks_keeps_what_came_and_fails(xswarm, daemon):
    daemon.on(
        "POST",
        "/v1/chat/completions",
        sse({"choices": [{"delta": {"content": "Hel"}}]}, {"error": {"message": "cut off"}}),
    )
    ran = xswarm("ask", "hi")
    assert ran.code == 1
    assert ran.out.startswith("Hel")
    assert "Cut off" in ran.err


def test_explain_lists_candidates_and_refusals(xswarm, daemon):
    terms = [{"name": "cost", "value": 1, "weight": 0.4}]
    answer = {
        "candidates": [
            {"deployment": "groq@0/llama", "score": 0.8, "terms": terms, "passes": True},
            {
                "deployment": "best@0/m",
                "score": 0.9,
                "passes": True,
                "holdUsd": 0.008,
                "allowance": True,
                "putBackBy": "pacing",
                "reason": "kept: 6 of 20 left, needed for quality-first until 08:00 UTC",
            },
            {
                "deployment": "x@0/y",
                "score": 0.1,
                "passes": False,
                "refusedBy": "minIntelligence",
                "reason": "2 is below 7",
            },
        ],
        "winner": {"model": ROUTING["model"]},
        "reason": ROUTING["reason"],
        "quota": {"windows": [
            {"metric": "usd", "window": "1d", "remaining": 5.8e-05, "limit": 0.0001},
            {"metric": "tokens", "window": "1m", "remaining": 8000, "limit": 8000},
        ]},
    }  # fmt: skip
    daemon.on("POST", "/v1/router/debug", answer)
    short = xswarm("explain", "hi")
    assert "groq@0/llama" in short.out
    assert "cost 1.00×0.40" in short.out
    assert "kept: 6 of 20 left" in short.out
    assert "$0.008 (free allowance)" in short.out
    assert "x@0/y" not in short.out
    assert "1 refused" in short.err
    assert "quota: usd per 1d: $0.000058 of $0.0001 left" in short.err
    assert "quota: tokens per 1m: 8,000 of 8,000 left" in short.err
    assert "→ groq/llama: best score; free" in short.err
    assert "minIntelligence: 2 is below 7" in xswarm("explain", "--all", "hi").out
    assert xswarm("explain", "--json", "hi").json == answer
    assert {call["path"] for call in daemon.asked} == {"/v1/router/debug"}


def test_a_warning_of_private_data_is_told(daemon, xswarm):
    privacy = {"action": "warn", "found": {"iban": 1, "email": 2}}
    routing = {**ROUTING, "privacy": privacy}
    said = {"routing": routing, "choices": [{"message": {"content": "Hello"}}]}
    daemon.on("POST", "/v1/chat/completions", said)
    assert "private data: 2 email, 1 iban (warn)" in xswarm("ask", "--no-stream", "hi").err
    daemon.on("POST", "/v1/router/debug", {"candidates": [], "privacy": privacy, "winner": None})
    assert "private data: 2 email, 1 iban (warn)" in xswarm("explain", "hi").err
    daemon.on("GET", "/v1/decisions/dec_1", {"id": "dec_1", "routing": routing})
    assert "private      2 email, 1 iban (warn)" in xswarm("decisions", "dec_1").out


def test_explain_ends_with_why_nobody_would_answer(daemon, xswarm):
    refused = {"deployment": "x@0/y", "passes": False, "refusedBy": "quota", "reason": "spent"}
    error = {"code": "quota_exhausted", "message": "No quota is free right now: spent."}
    answer = {"candidates": [refused], "winner": None, "error": error}
    daemon.on("POST", "/v1/router/debug", answer)
    shown = xswarm("explain", "hi")
    assert "x@0/y" in shown.out
    assert shown.err.endswith("→ nobody: No quota is free right now: spent.\n")


CAST = {
    "model": "a/one",
    "reason": "multi-cast to 3 (diverse): 2 answered",
    "multiCast": {
        "targets": 3,
        "asked": 3,
        "note": None,
        "members": [
            {"model": "a/one", "state": "won", "costUsd": 0.0, "latencyMs": 800},
            {"model": "b/two", "state": "answered", "costUsd": 0.002, "latencyMs": 1500},
            {"model": "c/three", "state": "failed", "costUsd": 0, "reason": "status 500"},
        ],
    },
}


def test_all_answers_of_a_multi_cast_are_printed_with_whose_they_are(xswarm, daemon):
    answer = {
        "routing": CAST,
        "choices": [
            {"message": {"content": "one"}, "model": "a/one", "costUsd": 0, "latencyMs": 800},
            {"message": {"content": "two"}, "model": "b/two", "costUsd": 0.002, "latencyMs": 1500},
        ],
        "usage": {"tokensIn": 6, "tokensOut": 4, "costUsd": 0.002},
    }
    daemon.on("POST", "/v1/chat/completions", answer)
    ran = xswarm("ask", "--targets", "3", "--aggregation", "all", "--max-cost", "0.5", "hi")
    assert ran.code == 0
    assert ran.out == "── a/one · $0 · 0.8 s ──\none\n\n── b/two · $0.002 · 1.5 s ──\ntwo\n"
    assert "c/three  failed" in ran.err
    assert "status 500" in ran.err
    body = daemon.asked[0]["body"]
    assert (body["targets"], body["aggregation"], body["max_cost"]) == (3, "all", 0.5)
    assert "selection" not in body
    assert xswarm("ask", "--targets", "3", "--json", "hi").json == answer


def test_a_vote_and_a_judge_are_said(xswarm, daemon):
    vote = {"agreed": True, "votes": 2, "of": 3, "by": "number"}
    judge = {"model": "d/four", "costUsd": 0.001, "problem": None}
    cast = {**CAST["multiCast"], "vote": vote, "judge": judge, "note": "3 of 5 targets"}
    answer = {"routing": {**CAST, "multiCast": cast}, "choices": [{"message": {"content": "42"}}]}
    daemon.on("POST", "/v1/chat/completions", answer)
    ran = xswarm("ask", "--aggregation", "consensus", "6 x 7?")
    assert ran.out == "42\n"
    assert "vote: 2 of 3 agreed, by number" in ran.err
    assert "judged by d/four · $0.001" in ran.err
    assert "3 of 5 targets" in ran.err


@pytest.mark.parametrize("command", [("ask", "--dry-run"), ("explain",)])
def test_a_dry_run_shows_members_and_the_whole_hold(xswarm, daemon, command):
    plan = {
        "holdUsd": 0.0123,
        "members": [{"model": "a/one", "holdUsd": 0}, {"model": "b/two", "holdUsd": 0.0023}],
        "judge": {"model": "c/three", "holdUsd": 0.01},
        "note": "2 of 3 targets: nobody else passes",
    }
    daemon.on("POST", "/v1/router/debug", {"candidates": [], "multiCast": plan, "winner": None})
    ran = xswarm(*command, "--targets", "3", "hi")
    assert ran.code == 0
    assert "b/two  holds $0.0023" in ran.out
    assert "c/three  judges, holds $0.01" in ran.out
    assert "The whole request holds $0.0123" in ran.out
    assert "2 of 3 targets" in ran.err
    assert {call["path"] for call in daemon.asked} == {"/v1/router/debug"}


def test_a_decision_shows_its_members(xswarm, daemon):
    one = {"id": "dec-1", "routing": CAST, "attempts": []}
    daemon.on("GET", "/v1/decisions/dec-1", one)
    ran = xswarm("decisions", "dec-1")
    assert ran.code == 0
    assert "b/two    answered  $0.002" in ran.out
    assert "status 500" in ran.out
