"""K3: beyond this machine only with a wish and a key, and never without a word."""

from __future__ import annotations

import pytest

from freeloader.app import listening
from freeloader.errors import ConfigError

HERE = ["127.0.0.1", "127.8.9.1", "::1", "localhost", "::ffff:127.0.0.1"]
BEYOND = ["0.0.0.0", "::", "", "192.0.2.7", "10.0.0.1", "fe80::1", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("host", HERE)
def test_k3_this_machine_needs_nothing(host: str) -> None:
    listening.require_wish(host, False)
    listening.require_key(host, 0)
    assert listening.warning(host) is None


@pytest.mark.parametrize("host", BEYOND)
def test_k3_beyond_it_needs_the_flag_and_a_key_and_warns(host: str) -> None:
    with pytest.raises(ConfigError, match="allow_remote true"):
        listening.require_wish(host, False)
    listening.require_wish(host, True)
    with pytest.raises(ConfigError, match="xswarm key create"):
        listening.require_key(host, 0)
    listening.require_key(host, 1)
    assert "other machines can connect" in (listening.warning(host) or "")


def test_k3_a_name_that_nobody_knows_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError("no such name")

    monkeypatch.setattr(listening.socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError):
        listening.require_wish("no-such-host.invalid", False)
