"""What is left out of LiteLLM: its check of the key is asked once, and never skipped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.requests import Request

from freeloader.child.inside.lighter import Admission


@dataclass
class Caller:
    metadata: dict[str, Any] = field(default_factory=dict)

    def model_copy(self, update: dict[str, Any] | None = None) -> Caller:
        return replace(self, **(update or {}))


class Check:
    """LiteLLM's own: knows one key."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, request: Request, api_key: str, azure_header: Any = "unset") -> Caller:
        assert azure_header is None
        self.asked.append((request.url.path, api_key))
        if api_key != "Bearer right":
            raise PermissionError
        request.state.principal = "admin"
        return Caller()


def ask(path: str, key: str | None) -> Request:
    headers = [] if key is None else [(b"authorization", key.encode("latin-1"))]
    server = ("child", 80)
    return Request({"type": "http", "method": "POST", "path": path, "headers": headers,
                    "server": server, "scheme": "http", "query_string": b""})  # fmt: skip


async def test_the_right_key_is_checked_once_for_each_route() -> None:
    check = Check()
    admit = Admission(check)
    for _ in range(3):
        for path in ("/v1/chat/completions", "/v1/embeddings"):
            request = ask(path, "Bearer right")
            assert await admit(request) == Caller()
            assert request.state.principal == "admin"
    assert len(check.asked) == 2


@pytest.mark.parametrize("key", [None, "", "Bearer wrong", "Bearer right ", "Bearer r\xefght"])
async def test_any_other_key_goes_the_long_way_and_changes_nothing(key: str | None) -> None:
    check = Check()
    admit = Admission(check)
    await admit(ask("/v1/chat/completions", "Bearer right"))
    for _ in range(2):
        with pytest.raises(PermissionError):
            await admit(ask("/v1/chat/completions", key))
    await admit(ask("/v1/chat/completions", "Bearer right"))
    assert len(check.asked) == 3


async def test_what_one_request_writes_on_its_caller_no_other_sees() -> None:
    admit = Admission(Check())
    for _ in range(3):
        caller = await admit(ask("/v1/chat/completions", "Bearer right"))
        assert caller.metadata == {}
        caller.metadata["tags"] = ["mine"]
