"""For all tests: properties are never judged by the clock, and nobody outside is asked."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under ``.invalid`` do not exist, and nobody is asked whether they do."""
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
