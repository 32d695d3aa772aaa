"""Private data: the corpus (made for this test), the bounds, and what never comes out."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core.privacy import WISHES, Own, combined, texts
from freeloader.core.privacy.scan import KINDS, TEXT_MAX, scan
from freeloader.errors import ConfigError

CORPUS = Path(__file__).parent / "pii_corpus.tsv"
#: What issue 5 asks for.
RECALL, FALSE_POSITIVES = 0.98, 0.02


def corpus() -> list[tuple[str, str]]:
    """(kind, text); ``-kind`` marks a look-alike of that kind, which is none at all."""
    lines = CORPUS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines)
    return [(kind, text.replace("\\n", "\n")) for kind, text in pairs]


def test_the_corpus_is_found_and_its_look_alikes_are_not() -> None:
    hits: dict[str, list[bool]] = defaultdict(list)
    for kind, text in corpus():
        found = scan(text)
        hits[kind].append(bool(found) if kind.startswith("-") else kind in found)
    assert sum(map(len, hits.values())) >= 300
    for kind in KINDS:
        assert len(hits[kind]) >= 20, kind
        assert sum(hits[kind]) / len(hits[kind]) >= RECALL, kind
        wrong = hits[f"-{kind}"]
        assert len(wrong) >= 20, kind
        assert sum(wrong) / len(wrong) <= FALSE_POSITIVES, kind
    assert not any(hits["-prose"])


@pytest.mark.parametrize("place", ["start", "middle", "end", "seam"])
def test_a_find_is_a_find_wherever_it_stands_in_a_long_text(place: str) -> None:
    filler = "The quick brown fox jumps over the lazy dog. "
    before = {"start": 0, "middle": 300, "end": 900, "seam": 182}[place]
    text = filler * before + "Mail jane.doe@example.com or pay DE89 3704 0044 0532 0130 00. "
    for shift in range(0, 120, 7):
        found = scan("x" * shift + " " + text + filler * (900 - before))
        assert found == {"email": 1, "iban": 1}


_BODY = "Ab9xQ2mKr7Tz" * 4


@pytest.mark.parametrize(
    "key",
    [f"sk-proj-{_BODY}", f"sk-ant-api03-{_BODY}", f"gsk_{_BODY[:40]}", f"ghp_{_BODY[:36]}",
     f"hf_{_BODY[:34]}", f"AIza{_BODY[:35]}", "AKIA2E7QX4ZP9KD3LM5V"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["my_key_is_", "x_", "OPENAI_", " ", ""])
def test_a_key_tied_to_a_word_is_a_key(before: str, key: str) -> None:
    assert "secret" in scan(f"{before}{key} and so on")


@pytest.mark.parametrize(
    "name",
    ["user_secret_something_long_name_here_v2", "test_re_compile_pattern_of_a_long_name_2024",
     "my_task_re_0123_calc_long_function_name_x9", "risk_sk_learn_model_of_the_year_2024_v3"],
)  # fmt: skip
def test_a_long_identifier_is_no_key(name: str) -> None:
    assert scan(f"call {name}(1)") == {}


def test_what_is_not_read_is_said() -> None:
    assert scan("a " * (TEXT_MAX // 2 + 1)) == {"unread": 1}


def test_other_scripts_digits_are_digits() -> None:
    assert scan("card ４１１１ １１１１ １１１１ １１１１") == {"card": 1}
    assert scan("card ٤١١١١١١١١١١١١١١١") == {"card": 1}


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("4\u200b1\u200b1\u200b1 1111 1111 1111", "card"),
        ("4111.1111.1111.1111", "card"),
        ("4111_1111_1111_1111", "card"),
        ("4111/1111/1111/1111", "card"),
        ("4111  1111\t1111 1111", "card"),
        ("4111 - 1111 - 1111 - 1111", "card"),
        ("4111\u30001111\u30001111\u30001111", "card"),
        ("4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2", "card"),
        ("Jane,4111111111111111,12/27", "card"),
        ("Jane;4111111111111111;12/27", "card"),
        ('{"card": "4111\\u00201111\\u00201111\\u00201111"}', "card"),
        ("NDExMTExMTExMTExMTExMQ==", "card"),
        ("DE89.3704.0044.0532.0130.00", "iban"),
        ("DE89 3704 0044\n0532 0130 00", "iban"),
        ("\ufeffDE89\u00ad3704\u00ad0044\u00ad0532\u00ad0130\u00ad00", "iban"),
        ("ｊａｎｅ＠ａｃｍｅ．ｃｏｍ", "email"),
        ("jane\u200d@acme.com", "email"),
        ("jane.doe at acme dot com", "email"),
        ("jane.doe @ acme.com", "email"),
        ("jane&#64;acme.com", "email"),
        ("mailto:jane%40acme.com", "email"),
        (r"jane\u0040acme.com", "email"),
        (r"jane\x40acme.com", "email"),
        ("amFuZS5kb2VAYWNtZS5jb20gaXMgbWluZQ", "email"),
        ("Zm9vOiBzay1wcm9qLUFiM2RFZjZoSWo5a0xtTjBwUXJTdFV2", "secret"),
        ("ssn 536.90.4399", "national_id"),
        ("+\u200b49 30 901\u2060820", "phone"),
    ],
)  # fmt: skip
def test_what_a_reader_would_make_out_is_found(written: str, kind: str) -> None:
    assert scan(f"Here it is: {written}") == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "y = X @ beta.sum() + A @ b.T",
        "4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9",
        "1000.2000.3000.4000",
        "ratios 0.4111111111111111 and 2,4111111111111111.5",
        "aGVsbG8gd29ybGQsIHRoaXMgaXMgcGxhaW4gdGV4dA==",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "let's meet at noon at the dot com office",
        r"match \u0041 and \x41, 50%25 &#169;",
        "id 123e4567-e89b-42d3-a456-426614174000",
    ],
)
def test_and_what_only_looks_hidden_is_not(text: str) -> None:
    assert scan(text) == {}


def test_what_stands_in_the_open_and_encoded_is_counted_once() -> None:
    assert scan("jane@acme.com = jane&#64;acme.com") == {"email": 2}
    assert scan("jane@acme.com and 50%25 off") == {"email": 1}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_scanned_without_raising_and_gives_counts_only(text: str) -> None:
    found = scan(text)
    assert set(found) <= {*KINDS, "unread"}
    assert all(isinstance(count, int) and count > 0 for count in found.values())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([t for k, t in corpus() if not k.startswith("-")]), st.text(max_size=60))
def test_prose_around_it_on_other_lines_hides_nothing(secret: str, prose: str) -> None:
    kept = {kind for kind in scan(secret) if kind != "phone"}
    assert kept <= set(scan(f"{prose}\n\n{secret}\n\n{prose}"))


# ── an owner's own patterns and words ────────────────────────────────────────


def test_own_patterns_and_words_are_counted_under_their_names() -> None:
    own = Own({"ticket": r"\bPROJ-\d{3,6}\b"}, ["Project Bluebird", "Zanzibar"])
    text = "PROJ-1234 and PROJ-99 of project  bluebird; zanzibars are none, ZANZIBAR is"
    assert scan(text, own) == {"own:ticket": 1, "word": 2}
    assert scan("x" * 1000 + "PROJ-777777", own) == {}
    assert scan("x" * 1000 + " PROJ-777777 " * 3, own) == {"own:ticket": 3}


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*)*x", r"(\w+\s?)*$", "(x+x+)+y", r"(a)\1", "a*", "(",
     ".*a.*b.*c.*d", r"(\d+)*-", "a" * 301],
)  # fmt: skip
def test_a_pattern_that_could_stall_the_daemon_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Own({"mine": pattern}, ())
    assert "privacy.patterns.mine" in caught.value.message


@pytest.mark.parametrize(
    "pattern",
    [r"\bEMP\d{6}\b", r"(?:foo|bar)-\d+", r"[A-Z]{2}\d{2,8}", r"\d{3}-\d{3}", "secret: .{1,30}end",
     r"ACME-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}"],
)  # fmt: skip
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert Own({"mine": pattern}, ())


# ── wishes and walking ───────────────────────────────────────────────────────


@given(st.lists(st.sampled_from([*WISHES, None]), max_size=4))
def test_the_strictest_wish_holds(wishes: list[str | None]) -> None:
    found = combined(wishes)
    assert all(WISHES.index(found) >= WISHES.index(w) for w in wishes if w is not None)


PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "place",
    [
        {"messages": [{"role": "user", "content": "data:jane@acme.example"}]},
        {"messages": [{"role": "user", "content": "data:image/png;base64 jane@acme.example"}]},
        {"messages": [{"role": "system", "content": "You serve jane@acme.example."}]},
        {"messages": [{"role": "assistant", "tool_calls": [
            {"function": {"name": "f", "arguments": '{"to": "jane\\u0040acme.example"}'}}]}]},
        {"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": PNG, "alt": "jane@acme.example"}}]}]},
        {"messages": [{"role": "user", "content": [
            {"type": "file", "file": {"filename": "jane@acme.example cv.pdf"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {
            "file_data": "data:text/plain;base64,amFuZUBhY21lLmV4YW1wbGU="}}]}]},
        {"tools": [{"function": {"name": "t", "description": "mails jane@acme.example"}}]},
        {"tools": [{"function": {"parameters": {"properties": {
            "card": {"enum": [4111111111111111]}}}}}]},
        {"tools": [{"function": {"parameters": {"properties": {
            "ghp_AbCdEf0123456789abcdefABCDEF012345": {}}}}}]},
        {"user": "jane@acme.example"},
        {"stop": ["jane@acme.example"]},
    ],
)  # fmt: skip
def test_no_place_in_a_payload_hides_it(place: dict[str, object]) -> None:
    assert any(scan(text) for text in texts(place))


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (["pay with 4111 1111", " 1111 1111 please"], "card"),
        (["4111", "1111", "1111", "1111"], "card"),
        (["write to jane.doe@", "example.com"], "email"),
        (["x" * 500 + " jane.doe@exa", "mple.com" + " y" * 500], "email"),
    ],
)
def test_what_a_cut_goes_through_is_found(parts: list[str], kind: str) -> None:
    content = [{"type": "text", "text": part} for part in parts]
    payload = {"messages": [{"role": "user", "content": content}]}
    assert any(kind in scan(text) for text in texts(payload))
    apart = [{"role": "user", "content": part} for part in parts]
    assert not any(kind in scan(text) for text in texts({"messages": apart}))


def test_every_text_of_a_payload_is_walked() -> None:
    payload = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one"},
                                         {"type": "image_url", "image_url": {"url": PNG}}]},
            {"role": "assistant", "tool_calls": [{"function": {"arguments": "two"}}]},
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "snd"}}]},
        ],
        "tools": [{"function": {"parameters": {"properties": {"a@b.example": {}}}}}],
        "stop": ["three"],
    }  # fmt: skip
    found = set(texts(payload))
    assert {"one", "two", "three", "a@b.example"} <= found
    assert not {PNG, "snd"} & found
