"""HTTP to the daemon: values, error bodies, streams, and what does not answer."""

from __future__ import annotations

import socket
import threading

import pytest

from freeloader.cli.client import Client
from freeloader.cli.shell import Failure, NotRunning


def test_sends_the_key_and_the_query(daemon):
    daemon.on("GET", "/v1/models", {"models": []})
    client = Client(daemon.address, "k1")
    assert client.get("/v1/models", {"free": True, "provider": None, "n": 2}) == {"models": []}
    assert daemon.asked[0]["key"] == "Bearer k1"
    assert daemon.asked[0]["query"] == "free=true&n=2"


def test_an_error_body_is_a_failure_with_its_message(daemon):
    error = {"error": {"message": "No such\nkey.", "code": "not_found"}}
    daemon.on("DELETE", "/v1/keys/x", error, 404)
    with pytest.raises(Failure) as caught:
        Client(daemon.address, "k").call("DELETE", "/v1/keys/x")
    assert caught.value.message == "No such key."
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("body", ["", [], {"error": "plain"}, {"error": {}}, 3])
def test_any_error_body_becomes_one_line(daemon, body):
    daemon.on("GET", "/x", body, 500)
    with pytest.raises(Failure) as caught:
        Client(daemon.address, "k").get("/x")
    assert caught.value.message
    assert "\n" not in caught.value.message


def test_nothing_listens_is_not_running():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        port = taken.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}", "k")
        with pytest.raises(NotRunning):
            client.get("/health")
        assert client.probe("/health") == (0, None)


def test_something_else_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-x\r\n")
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(Failure) as caught:
            Client(f"http://127.0.0.1:{server.getsockname()[1]}", None).get("/health")
        thread.join(5)
    assert "xswarm logs" in caught.value.message


def test_a_stream_gives_events_and_skips_comments(daemon):
    daemon.on(
        "POST",
        "/s",
        b': alive\n\nevent: x\ndata: {"a": 1}\n\ndata:{"a": 2}\n\ndata: [DONE]\n\ndata: {"a":3}',
    )
    assert list(Client(daemon.address, "k").stream("/s", {})) == [{"a": 1}, {"a": 2}]


def test_an_error_event_ends_the_stream(daemon):
    daemon.on("POST", "/s", b'data: {"a": 1}\n\ndata: {"error": {"message": "cut"}}\n\n')
    stream = Client(daemon.address, "k").stream("/s", {})
    assert next(stream) == {"a": 1}
    with pytest.raises(Failure, match="cut"):
        next(stream)


def test_an_ipv6_address_is_understood():
    client = Client("http://[::1]:3000/", None)
    assert (client._host, client._port, client.address) == ("::1", 3000, "http://[::1]:3000")
