from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader import logs
from freeloader.logs import MASK, Logs, Redactor, bind, escape, setup

CANARY = "canary-Zx91-really-secret"
log = logging.getLogger("freeloader.test_logs")


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.add(CANARY)
    return redactor


@pytest.fixture
def to_file(tmp_path: Path, redactor: Redactor) -> Iterator[tuple[Logs, Path]]:
    handle = setup(tmp_path, redactor, level="debug")
    yield handle, tmp_path / logs.FILE_NAME
    handle.close()


@pytest.mark.parametrize(
    "text",
    [
        f"the key is {CANARY}",
        "key sk-proj-abcdefghijklmnop1234",
        "key sk-ant-api03-abcdefgh_ijkl-mnop",
        "gsk_abcdefghijklmnopqrstuvwx",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "xai-abcdefghijklmnop",
        "nvapi-abcdefghijklmnop",
        "hf_abcdefghijklmnopqrst",
        "csk-abcdefghijklmnopqrst",
        "xs-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "ghp_abcdefghijklmnopqrstuvwxyz012345",
        "AKIAIOSFODNN7EXAMPLE",
        "Authorization: Bearer abcdef.123456",
        "{'authorization': 'Bearer zzzzzzzz'}",
        '{"api_key": "plainsecretvalue"}',
        "{'x-api-key': 'plainsecretvalue'}",
        "api-key=plainsecretvalue",
        "OPENAI_API_KEY=plainsecretvalue",
        "aws_secret_access_key = 'plainsecretvalue'",
        "password: plainsecretvalue",
        "https://host/v1?key=plainsecretvalue&x=1",
        "https://user:plainsecretvalue@host/",
    ],
)
def test_what_looks_like_a_secret_is_masked(redactor: Redactor, text: str) -> None:
    scrubbed = redactor.scrub(text)
    assert MASK in scrubbed
    for secret in (CANARY, "plainsecretvalue", "abcdefgh", "zzzzzzzz", "AIzaSy", "IOSFODNN7"):
        assert secret not in scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "request 4f2c served by groq/llama-3.3-70b in 120 ms",
        "model openai/gpt-oss-120b, 120 tokens, key_1a2b3c4d",
        "task-12 desk-lamp-with-a-long-name risk-averse-strategy",
        "the monkey: happy",
        "tokens=120 max_tokens: 4096",
    ],
)
def test_ordinary_words_stay(redactor: Redactor, text: str) -> None:
    assert redactor.scrub(text) == text


def test_a_known_secret_is_masked_in_its_disguises() -> None:
    redactor = Redactor()
    odd = 'p"a\\ss/w+rd=='
    redactor.add(odd)
    assert odd not in redactor.scrub(odd)
    assert MASK in redactor.scrub(json.dumps({"v": odd}))
    assert "rd%3D%3D" not in redactor.scrub("https://h/?x=p%22a%5Css%2Fw%2Brd%3D%3D")
    assert odd not in repr(redactor)


def test_short_values_and_too_many_are_bounded() -> None:
    redactor = Redactor()
    redactor.add("a")
    redactor.add("")
    assert redactor.scrub("a cat") == "a cat"
    for n in range(3000):
        redactor.add(f"value-{n:06d}")
    assert redactor.scrub("value-002999") == MASK
    assert redactor.scrub("value-000000") == "value-000000"


def test_messages_arguments_and_tracebacks_are_masked(to_file: tuple[Logs, Path]) -> None:
    log.info("plain %s", CANARY)
    log.warning("dict %s", {"api_key": "plainsecretvalue", "x": CANARY})
    log.info("named %(key)s", {"key": CANARY})
    try:
        try:
            raise ValueError(f"first {CANARY}")
        except ValueError as error:
            raise RuntimeError("second") from error
    except RuntimeError:
        log.exception("failed with %s", CANARY)
    log.info("broken %d", CANARY)
    log.info("extra", extra={"fields": {"account": f"x {CANARY}"}}, stack_info=True)
    text = to_file[1].read_text()
    assert CANARY not in text
    assert "plainsecretvalue" not in text
    assert text.count(MASK) >= 6
    assert "ValueError: first" in text
    assert "RuntimeError: second" in text
    assert "do not fit" in text


def test_h8_no_line_can_be_forged(to_file: tuple[Logs, Path]) -> None:
    evil = "x\n2026-01-01T00:00:00.000Z INFO root all well\r\x1b[2J\x1b[31m\u2028\u202e\x85\x00"
    log.info("said %s", evil)
    with bind(request_id=evil):
        log.info("bound")
    try:
        raise ValueError(evil)
    except ValueError:
        log.exception("raised")
    text = to_file[1].read_text()
    lines = text.split("\n")
    heads = [line for line in lines if line and not line.startswith("    | ")]
    assert len(heads) == 3
    assert not any(line.startswith("2026-01-01") for line in lines)
    for character in "\r\x1b\u2028\u202e\x85\x00":
        assert character not in text


@given(st.text())
def test_an_escaped_text_is_one_printable_line(text: str) -> None:
    line = escape(text)
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line


def test_json_lines(tmp_path: Path, redactor: Redactor) -> None:
    handle = setup(tmp_path, redactor, as_json=True)
    try:
        with bind(request_id="req_1"), bind(attempt="a2"):
            log.warning("hello\nworld %s", CANARY, extra={"fields": {"deployment": "groq@1/m"}})
        try:
            raise ValueError(CANARY)
        except ValueError:
            log.exception("oh")
        log.debug("not at this level")
    finally:
        handle.close()
    first, second = map(json.loads, (tmp_path / logs.FILE_NAME).read_text().splitlines())
    assert first["level"] == "warning"
    assert first["logger"] == "freeloader.test_logs"
    assert first["message"] == f"hello\nworld {MASK}"
    assert (first["request_id"], first["attempt"], first["deployment"]) == (
        "req_1",
        "a2",
        "groq@1/m",
    )
    assert first["time"].endswith("Z")
    assert CANARY not in second["traceback"]
    assert "request_id" not in second


async def test_the_request_id_belongs_to_its_own_task(to_file: tuple[Logs, Path]) -> None:
    async def request(name: str) -> None:
        with bind(request_id=name):
            await asyncio.sleep(0)
            log.info("line of %s", name)
            await asyncio.create_task(child(name))

    async def child(name: str) -> None:
        log.info("child of %s", name)

    await asyncio.gather(*(request(f"r{n}") for n in range(5)))
    for line in to_file[1].read_text().splitlines():
        name = line.rsplit(" ", 1)[1]
        assert f"request_id={name} " in line
    assert logs.bound() == {}


def test_k2_the_file_is_private_and_rotates(tmp_path: Path, redactor: Redactor) -> None:
    old = os.umask(0)
    try:
        handle = setup(tmp_path, redactor, file_bytes=4000, files=2)
        for n in range(200):
            log.info("line %d of many, of some length", n)
        handle.close()
    finally:
        os.umask(old)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["freeloader.log", "freeloader.log.1", "freeloader.log.2"]
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_size <= 4000


@pytest.mark.parametrize("how", ["removed", "moved", "with its folder"])
def test_a_file_that_somebody_took_away_is_begun_anew(
    tmp_path: Path, redactor: Redactor, how: str
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    handle = setup(folder, redactor)
    file = folder / "freeloader.log"
    try:
        logging.getLogger("x").warning("before")
        if how == "moved":
            file.rename(folder / "elsewhere")
        else:
            file.unlink()
        if how == "with its folder":
            folder.rmdir()
        logging.getLogger("x").warning("after")
        assert "after" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        handle.close()


def test_the_foreground_shows_the_same(tmp_path: Path, redactor: Redactor) -> None:
    stream = io.StringIO()
    handle = setup(tmp_path, redactor, foreground=True, stream=stream)
    try:
        log.info("key %s", CANARY)
        handle.set_level("error")
        log.info("too quiet")
    finally:
        handle.close()
    assert stream.getvalue() == (tmp_path / logs.FILE_NAME).read_text()
    assert MASK in stream.getvalue()
    assert "too quiet" not in stream.getvalue()
    log.error("after the end")
    assert "after the end" not in stream.getvalue()


def test_json_can_be_switched_on_and_off_while_it_runs(tmp_path: Path, redactor: Redactor) -> None:
    handle = setup(tmp_path, redactor)
    try:
        log.info("one", extra={"fields": {"event": "a.b"}})
        handle.set_json(True)
        log.info("two %s", CANARY, extra={"fields": {"event": "a.b"}})
        handle.set_json(False)
        log.info("three")
    finally:
        handle.close()
    one, two, three = (tmp_path / logs.FILE_NAME).read_text().splitlines()
    assert " event=a.b one" in one
    assert json.loads(two)["event"] == "a.b"
    assert json.loads(two)["message"] == f"two {MASK}"
    assert three.endswith(" three")
