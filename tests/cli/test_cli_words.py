"""Every failure is one line in one style, with the exit code that its kind has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import freeloader.cli
from freeloader.cli.shell import FAILED, NOT_RUNNING, USAGE, sentence

#: A capital, a name or a quoted word first; a full stop, or a command to copy, at the end.
STYLE = re.compile(
    r"xswarm: (?:[A-Z]|[^a-z\s]|\S*[^a-z\s,]\S*\s).*(?:[.!?…]|[:;,] (?:xswarm|--?\w)[^:;]*)$"
)

#: What the words alone show to be wrong; nobody is asked, there need not even be a home.
MALFORMED = [
    ["nonsense"], ["config"], ["config", "set"], ["config", "set", "server.port"],
    ["config", "set", "--alias", "x"], ["config", "set", "--alias", "=y"],
    ["config", "set", "--daily-budget", "much"], ["config", "set", "--daily-budget", "-1"],
    ["config", "set", "a..b", "1"], ["config", "set", "routing", "{}"],
    ["config", "rollback", "x"], ["budget", "set"], ["budget", "set", "--daily", "x"],
    ["budget", "set", "--soft", "--project", "a", "--daily", "1"],
    ["account", "add"], ["account", "add", "groq", "k", "--limit", "many"],
    ["account", "add", "groq", "k", "--param", "x"], ["account", "enable", "groq@x@1"],
    ["account", "remove"], ["free", "reset", "@1"], ["logs", "--tail", "-1"],
    ["logs", "--source", "moon"], ["feedback", "dec_1"], ["key", "create", "--role", "king"],
    ["models", "--min-intelligence", "high"], ["doctor", "--accept-loss"],
    ["start", "--service", "--daemon"], ["export", "--format", "xml"], ["ask", "--no-such"],
]  # fmt: skip

#: What is understood and cannot be done in a home without a daemon.
REFUSED = [
    (["config", "set", "no.such", "1"], FAILED), (["config", "set", "server.port", "x"], FAILED),
    (["config", "set", "--strategy", "cheapest"], FAILED), (["config", "get", "moon"], FAILED),
    (["config", "rollback", "999"], FAILED), (["account", "enable", "groq"], FAILED),
    (["account", "remove", "groq@9"], FAILED), (["key", "revoke", "none"], FAILED),
    (["logs"], FAILED), (["backup"], FAILED), (["ui"], FAILED),
    (["models"], NOT_RUNNING), (["ask", "hi"], NOT_RUNNING), (["explain", "hi"], NOT_RUNNING),
    (["decisions"], NOT_RUNNING), (["free"], NOT_RUNNING), (["stop"], NOT_RUNNING),
    (["jobs", "list"], NOT_RUNNING), (["bench", "show"], NOT_RUNNING), (["audit"], NOT_RUNNING),
]  # fmt: skip


def in_style(err: str) -> bool:
    [line] = err.splitlines()
    return bool(STYLE.fullmatch(line))


@pytest.mark.parametrize("words", MALFORMED, ids=" ".join)
def test_what_makes_no_sense_is_a_usage_error_and_says_where_help_is(xswarm, home, words):
    ran = xswarm(*words)
    assert ran.code == USAGE
    if "Commands:" in ran.err:  # a group without a command shows its help instead
        return
    assert in_style(ran.err)
    assert re.search(r"See `xswarm[^`]* --help`\.$", ran.err.strip())
    assert xswarm(*words).err == ran.err


@pytest.mark.parametrize(("words", "code"), REFUSED, ids=lambda one: " ".join(one) if
                         isinstance(one, list) else str(one))  # fmt: skip
def test_what_cannot_be_done_says_so_in_one_line(xswarm, home, words, code):
    ran = xswarm(*words)
    assert ran.code == code
    assert in_style(ran.err)


def literals() -> list[str]:
    """Every message of a failure in the command line's source, with something in its blanks."""
    found = []
    for path in Path(freeloader.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "attr", None) or getattr(
                getattr(node, "func", None), "id", ""
            )
            if name in ("Failure", "NotRunning", "UsageError") and node.args:
                text = node.args[0]
                if isinstance(text, ast.Constant):
                    found.append(str(text.value))
                elif isinstance(text, ast.JoinedStr):
                    parts = [p.value if isinstance(p, ast.Constant) else "X1" for p in text.values]
                    found.append("".join(parts))
    return found


def test_every_message_in_the_source_comes_out_in_the_style():
    texts = literals()
    assert len(texts) > 60
    bad = [text for text in texts if not STYLE.fullmatch(f"xswarm: {sentence(text)}")]
    assert bad == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("there is no account groq", "There is no account groq."),
        ("There is no account groq.", "There is no account groq."),
        ("server.port: must be a number", "server.port: must be a number."),
        ("config.toml is gone", "config.toml is gone."),
        ("groq@1 is not there", "groq@1 is not there."),
        ("`x` failed", "`x` failed."),
        ("it does not run; start it: xswarm start --daemon",
         "It does not run; start it: xswarm start --daemon"),
        ("which one?", "Which one?"),
        ("two\n  lines", "Two lines."),
        ("see `xswarm status`", "See `xswarm status`."),
    ],
)  # fmt: skip
def test_a_sentence(said, shown):
    assert sentence(said) == shown


@given(st.text(min_size=1).filter(str.strip))
def test_a_sentence_stays_one(text):
    once = sentence(text)
    assert sentence(once) == once
    assert "\n" not in once
