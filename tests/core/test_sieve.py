"""The words before the patterns: they spare work, and no match."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.catalog import load
from freeloader.core.outcome import sieve
from freeloader.core.outcome.refusals import FIRST, GENERIC

RULES = [
    *FIRST,
    *GENERIC,
    *(r for p in load(prices=None).providers.values() for r in p.error_rules),
]
PATTERNS = sorted({rule.match for rule in RULES if rule.match})
PARTS = sorted(
    {part: words for pattern in PATTERNS for part, words in sieve.alternatives(pattern)}.items()
)
SAID = [
    json.dumps(case["body"], ensure_ascii=False)
    for case in json.loads((Path(__file__).parent / "refusals_judged.json").read_text("utf-8"))
]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("slow down", [["slow down"]]),
        ("Slow|fast", [["slow"], ["fast"]]),
        ("ab?cde", [["cde"]]),
        ("abc+d", [["abc"]]),
        ("a{0,2}bcd", [["bcd"]]),
        ("(?:day|week)ly limits", [["ly limits"]]),
        ("(?:tokens|requests) a", [["tokens", "requests"]]),
        ("(?:tokens|requests)? a", [[" a"]]),
        (r"\(TPD\)", [["(tpd)"]]),
        (r"[\"']code[\"']\s*:\s*12", [["code"]]),
        (r"(?<!free )tier(?! 2)", [["tier"]]),
        (r"(?P<n>ab|cd)\d", [["ab", "cd"]]),
        ("x|longer", [None, ["longer"]]),
        (r"\d{3}", [None]),
        (r"(?i)slow|down", [None]),  # of what is not known no word is trusted
        (r"(a)\1", [None]),
        (r"\x41bc", [None]),
        ("", [None]),
    ],
)
def test_what_a_pattern_needs(pattern: str, words: list[list[str] | None]) -> None:
    found = [None if w is None else sorted(w) for _, w in sieve.alternatives(pattern)]
    assert found == [None if w is None else sorted(w) for w in words]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_parts_are_the_pattern(pattern: str) -> None:
    parts = [part for part, _ in sieve.alternatives(pattern)]
    assert "|".join(parts) == pattern
    for part in parts:
        re.compile(part)


@given(st.data())
def test_whatever_matches_holds_one_of_the_words(data: st.DataObject) -> None:
    part, words = data.draw(st.sampled_from(PARTS))
    text = data.draw(st.from_regex(re.compile(part, re.DOTALL))).casefold()
    assert words is None or any(word in text for word in words)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_same_answers_match_as_without_them(pattern: str) -> None:
    whole = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    parts = [
        (re.compile(part, re.IGNORECASE | re.DOTALL), words)
        for part, words in sieve.alternatives(pattern)
    ]
    for text in SAID:
        folded = text.casefold()
        found = any(
            (words is None or any(word in folded for word in words)) and bool(part.search(text))
            for part, words in parts
        )
        assert found == bool(whole.search(text))


@pytest.mark.parametrize(
    "said",
    [
        "temperature must be at most 2, and top_p lies between 0 and 1",
        "the answer could not be written: " + "something went wrong with it, " * 100,
        "a" * 4096,
        "1h2m" * 1024,
    ],
)
def test_what_says_nothing_of_limits_is_hardly_searched(said: str) -> None:
    """What an answer costs that no rule knows, in patterns asked: a clock would tell less."""
    asked = [part for part, words in PARTS if words is None or any(word in said for word in words)]
    assert len(asked) <= len(PARTS) / 20
