"""Every client of ours says whom it believes; what needs no certificates reads none."""

from __future__ import annotations

import ast
import asyncio
import ssl
from pathlib import Path

import pytest

import freeloader
from freeloader import trust

ROOT = Path(freeloader.__file__).parent


async def test_certificates_are_read_once_for_all_who_ask_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[ssl.SSLContext] = []

    def read() -> ssl.SSLContext:
        reads.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return reads[-1]

    monkeypatch.setattr(trust, "system", read)
    shared = trust.Trust()
    found = await asyncio.gather(*(shared.context() for _ in range(5)))
    assert len(reads) == 1
    assert all(one is reads[0] for one in [*found, await shared.context()])


async def test_calls_without_tls_read_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(trust, "system", lambda: made)
    assert await trust.for_calls("http://127.0.0.1:1/v1", None) is True
    assert await trust.for_calls("http://a.example/v1", "https://a.example/quota") is made


def test_certificates_are_checked() -> None:
    found = trust.system()
    assert found.verify_mode is ssl.CERT_REQUIRED
    assert found.check_hostname


def test_every_connector_is_told_whom_to_believe() -> None:
    """aiohttp itself believes nobody in the daemon: who says nothing cannot use TLS."""
    silent = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in ROOT.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", None) in ("TCPConnector", "ClientSession")
        and not {"ssl", "connector"} & {one.arg for one in call.keywords}
    ]
    assert silent == []
