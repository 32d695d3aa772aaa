"""Overlays of the owner: merged key by key, and skipped whole where they are broken."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalog_shapes import CATALOG, FILES
from hypothesis import given
from hypothesis import strategies as st

from freeloader.catalog import Catalog, load
from freeloader.catalog.documents import camel, merge
from freeloader.catalog.schema import ProviderDoc


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


def put(home: Path, name: str, providers: Any) -> None:
    text = providers if isinstance(providers, str) else json.dumps({"providers": providers})
    (home / name).write_text(text, "utf-8")


def said(catalog: Catalog) -> list[str]:
    return [str(problem) for problem in catalog.problems]


# ── overlays ─────────────────────────────────────────────────────────────────


def test_an_overlay_wins_key_by_key(home: Path) -> None:
    change = {"groq": {"models": {"openai/gpt-oss-120b": {"pricing": {"input": 0.25}}}}}
    put(home, "a.json", change)
    catalog = load(home, prices=None)
    model = catalog.models["groq", "openai/gpt-oss-120b"]
    assert model.price is not None
    assert (model.price.input, model.price.output) == (250_000, 600_000)
    assert model.context == 131072
    assert catalog.version != CATALOG.version
    assert catalog.problems == ()


def test_overlays_apply_in_the_order_of_their_names(home: Path) -> None:
    put(home, "b.json", {"groq": {"displayName": "B"}})
    put(home, "a.json", {"groq": {"displayName": "A", "signupUrl": "https://a.example"}})
    groq = load(home, prices=None).providers["groq"]
    assert (groq.display_name, groq.signup_url) == ("B", "https://a.example")


def test_null_deletes(home: Path) -> None:
    put(
        home,
        "x.json",
        {"kilo": None, "groq": {"signupUrl": None, "models": {"openai/gpt-oss-20b": None}}},
    )
    catalog = load(home, prices=None)
    assert "kilo" not in catalog.providers
    assert ("groq", "openai/gpt-oss-20b") not in catalog.models
    assert ("groq", "openai/gpt-oss-120b") in catalog.models
    assert catalog.providers["groq"].signup_url is None


def test_a_whole_provider_in_either_spelling(home: Path) -> None:
    put(
        home,
        "own.json",
        {
            "my_host": {
                "display_name": "Mine",
                "kind": "cloud",
                "status": "active",
                "litellm": {"prefix": "openai", "params": {"some_param": 1}},
                "base_url": "http://x/v1",
                "free_tier": {
                    "type": "recurring",
                    "limits": [
                        {"metric": "requests", "amount": 9, "window": "1m", "applies_to": ["a_b*"]}
                    ],
                },
                "models": {"a_b": {"family": "a_b", "max_output": 5}},
            }
        },
    )
    catalog = load(home, prices=None)
    assert said(catalog) == []
    mine = catalog.providers["my_host"]
    assert dict(mine.params) == {"some_param": 1}
    assert mine.limits[0].applies_to == ("a_b*",)
    assert catalog.models["my_host", "a_b"].max_output == 5


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("{not json", "bad.json: not JSON"),
        ("[]", "bad.json: not a registry document"),
        ('{"provider": {}}', "bad.json: provider: unknown key"),
        (
            {"groq": {"modles": {}}},
            "bad.json: providers.groq.modles: unknown key; did you mean 'models'?",
        ),
        (
            {"groq": {"models": {"openai/gpt-oss-120b": {"pricing": {"input": "dear"}}}}},
            "bad.json: providers.groq.models.openai/gpt-oss-120b.pricing.input: ",
        ),
        (
            {"groq": {"models": {"openai/gpt-oss-120b": {"intelligence": 11}}}},
            "bad.json: providers.groq.models.openai/gpt-oss-120b.intelligence: ",
        ),
        (
            {
                "groq": {
                    "freeTier": {"limits": [{"metric": "request", "amount": 1, "window": "1m"}]}
                }
            },
            "bad.json: providers.groq.freeTier.limits.0.metric: unknown metric 'request'",
        ),
        (
            {"groq": {"errorRules": [{"kind": "spent", "match": "("}]}},
            "bad.json: providers.groq.errorRules.0.match: not a regular expression",
        ),
        (
            {"groq": {"litellm": {"prefix": "groq", "params": {"api_key": "planted"}}}},
            "bad.json: providers.groq.litellm.params: api_key is a credential: give it to an",
        ),
        ({"new": {"displayName": "New"}}, "bad.json: providers.new.kind: "),
        ({"a/b": {}}, "bad.json: providers.a/b: "),
        ({"a\x1b": {}}, "bad.json: providers.a\x1b: "),
        *(
            (
                {"groq": {"models": {name: {"family": "f"}}}},
                f"bad.json: providers.groq.models.{name}",
            )
            for name in ("", "a\nb", "\x1b[31mred", "x" * 257)
        ),
    ],
)
def test_a_broken_overlay_is_named_and_skipped(home: Path, content: Any, wanted: str) -> None:
    put(home, "bad.json", content)
    put(home, "good.json", {"groq": {"displayName": "Good"}})
    catalog = load(home, prices=None)
    assert any(line.startswith(wanted) for line in said(catalog)), said(catalog)
    assert {p.file for p in catalog.problems} == {"bad.json"}
    assert catalog.providers["groq"].display_name == "Good"
    assert len(catalog.providers) == 56


def test_half_of_a_broken_overlay_is_not_applied(home: Path) -> None:
    put(home, "x.json", {"kilo": {"displayName": "Half"}, "groq": {"kind": "moon"}})
    assert load(home, prices=None).providers["kilo"].display_name != "Half"


def test_a_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path / "none", prices=None).problems == ()


def test_an_unreadable_file_is_named(home: Path) -> None:
    (home / "dir.json").mkdir()
    (home / "latin.json").write_bytes(b'{"version": "\xff"}')
    assert {p.file for p in load(home, prices=None).problems} == {"dir.json", "latin.json"}


def _pipe(place: Path) -> None:
    os.mkfifo(place)


def _device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(place.name)  # a whole path may be longer than a socket's may be


@pytest.mark.parametrize("make", [_pipe, _device, _socket])
def test_what_is_no_file_is_named_and_never_opened(
    home: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe is read until somebody writes, ``/dev/zero`` for ever."""
    monkeypatch.chdir(home)
    make(home / "odd.json")
    put(home, "good.json", {"groq": {"displayName": "Good"}})
    read = Path.read_bytes

    def only_files(path: Path) -> bytes:
        assert path.is_file(), f"{path} was opened"
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", only_files)
    catalog = load(home, prices=None)
    assert [line.split(" (")[0] for line in said(catalog)] == ["odd.json: not a file"]
    assert catalog.providers["groq"].display_name == "Good"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_merging_is_idempotent_and_deletes_nulls(base: Any, patch: Any) -> None:
    once = merge(base, patch)
    assert merge(once, patch) == once
    if isinstance(patch, dict):
        assert not set(once) & {k for k, v in patch.items() if v is None}


def test_every_bundled_file_is_camel_case_already() -> None:
    for path in FILES:
        entry = json.loads(path.read_text("utf-8"))["providers"][path.stem]
        assert camel(entry) == entry
        ProviderDoc.model_validate(entry)
