"""The launcher before LiteLLM is loaded: orders, parent, config. And the tap's reading of bytes."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.child.heads import bounded_headers
from freeloader.child.inside.wire import Wire
from freeloader.child.launcher import _GENTLE, EX_CONFIG, _import_gently, _place_problem

ROOT = str(Path(__file__).resolve().parents[2])


def launch(config: Path, orders: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "freeloader.child.launcher", str(config.parent / "s"), str(config)],
        input=orders,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ROOT},
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("text", [None, "model_list: [", "a: 1\n", "- 1\n", ""])
def test_a_config_of_no_use_is_a_permanent_error(tmp_path: Path, text: str | None) -> None:
    config = tmp_path / "c.yaml"
    if text is not None:
        config.write_text(text)
    orders = json.dumps({"parent": os.getpid(), "masterKey": "sk-planted"})
    # an open pipe would be more like life; here its end races the check, and both are failures
    done = launch(config, orders + "\n")
    assert done.returncode in (EX_CONFIG, 1)
    assert "planted" not in done.stdout + done.stderr


def test_a_certificate_file_that_is_not_there_is_a_permanent_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    assert _place_problem() == "SSL_CERT_FILE names a file that is not there: /nowhere/ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    assert _place_problem() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities per thread")
def test_a_gentle_import_is_less_urgent_than_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def load(name: str) -> None:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    monkeypatch.setattr(importlib, "import_module", load)
    _import_gently()
    assert seen == [_GENTLE]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before

    def crash(name: str) -> None:
        raise OSError("no such file")

    monkeypatch.setattr(importlib, "import_module", crash)
    with pytest.raises(OSError, match="no such file"):
        _import_gently()


@pytest.mark.parametrize("orders", ["", "{}\n", "[]\n", "nonsense\n", '{"parent": 1}\n'])
def test_without_orders_it_does_not_start(tmp_path: Path, orders: str) -> None:
    done = launch(tmp_path / "c.yaml", orders)
    assert done.returncode == EX_CONFIG
    assert "no orders" in done.stderr


def test_an_orphan_from_birth_ends_itself(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("model_list: []\n")
    done = launch(config, json.dumps({"parent": 1, "masterKey": "k"}) + "\n")
    assert done.returncode == 1


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = [*sorted({min(end, len(data)) for end in cuts}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(st.lists(st.integers(0, 900), max_size=20))
def test_marks_are_seen_however_the_bytes_are_cut(cuts: list[int]) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "d": {"text": '}"{'}}
    chunks = [
        {"choices": [{"delta": {"content": "x" * 200}, "finish_reason": None}], "usage": None},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    wire = Wire()
    for piece in cut("".join([*lines, "data: [DONE]\n\n"]).encode(), cuts):
        wire.feed(piece)
    assert (wire.usage, wire.finish, wire.done) == (True, True, True)
    told = wire.told()
    assert told is not None
    assert told.best == usage
    assert len(wire.body) <= 4096


def test_generated_text_that_looks_like_a_mark_is_none() -> None:
    said = '{"usage": {"prompt_tokens": 1}, "finish_reason": "stop", "error": {"x": 1}}'
    chunk = {"choices": [{"delta": {"content": said}, "finish_reason": None}]}
    wire = Wire()
    wire.begin(200, {"content-type": "text/event-stream"})
    wire.calls = 1
    wire.feed(f"data: {json.dumps(chunk)}\n\n".encode())
    assert not wire.usage
    assert not wire.finished
    assert wire.told() is None
    assert wire.last_words() == b""


def test_last_words_are_the_providers_error_or_the_head_of_garbage() -> None:
    wire = Wire()
    wire.feed(b'data: {"choices": [1]}\n\ndata: {"error": {"message": "boom"}}\n\n')
    assert json.loads(wire.last_words()) == {"error": {"message": "boom"}}
    wire = Wire()
    wire.feed(b"<html>" + b"x" * 9000)
    assert wire.last_words().startswith(b"<html>")
    assert len(wire.last_words()) <= 512


@given(st.dictionaries(st.text("abc-", min_size=1), st.text(max_size=400), max_size=80))
def test_headers_are_bounded_and_limits_come_first(headers: dict[str, str]) -> None:
    headers["X-RateLimit-Remaining-Requests"] = "3"
    headers["Set-Cookie"] = "planted"
    kept = bounded_headers(headers)
    assert kept["x-ratelimit-remaining-requests"] == "3"
    assert "set-cookie" not in kept
    assert len(json.dumps(kept)) < 6000
