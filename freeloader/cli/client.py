"""HTTP to the daemon of this machine, from the standard library. No retries, no logic.

Answers are JSON values, or a stream of server-sent events; every failure is a
``Failure`` with the daemon's own message, and a daemon that does not answer is
``NotRunning``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from freeloader.cli.shell import Failure, NotRunning

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

SECONDS = 30.0
# A whole answer; the daemon's own bodies are far below.
BYTES_MAX = 64 * 1024 * 1024


class Client:
    """One daemon at ``address`` (``http://127.0.0.1:3000``), with one of its keys."""

    def __init__(self, address: str, key: str | None) -> None:
        parts = urlsplit(address)
        self.address = address.rstrip("/")
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 80
        self._key = key

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to GET; entries of ``query`` that are None are left out."""
        return self.call("GET", path, query=query)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        seconds: float = SECONDS,
    ) -> Any:
        """The JSON answer to one request. Raises Failure, or NotRunning."""
        connection = self._connection(seconds)
        try:
            answer = self._send(connection, method, _with_query(path, query), body)
            text = _read(answer)
            if answer.status >= 400:
                raise _failure(answer.status, text)
            found = json.loads(text) if text else {}
            rows = found if isinstance(found, list) else [found]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("no JSON object")
            return found
        except ValueError as error:
            raise self._stranger(error) from error
        finally:
            connection.close()

    def probe(self, path: str, seconds: float = 2.0) -> tuple[int, Any]:
        """Status and JSON of a GET, whatever the status; (0, None) where nothing answers."""
        connection = self._connection(seconds)
        try:
            answer = self._send(connection, "GET", path, None)
            return answer.status, json.loads(_read(answer) or b"null")
        except (Failure, ValueError):
            return 0, None
        finally:
            connection.close()

    def stream(self, path: str, body: Any, *, seconds: float = 600.0) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer, without the closing ``[DONE]``.

        ``seconds`` bounds the silence between two pieces. An error before or in
        the stream is a Failure.
        """
        from http.client import HTTPException

        connection = self._connection(seconds)
        try:
            answer = self._send(connection, "POST", path, body)
            if answer.status >= 400:
                raise _failure(answer.status, _read(answer))
            if answer.headers.get_content_type() != "text/event-stream":
                raise self._stranger("no stream of events")
            yield from _events(answer)
        except ValueError as error:
            raise self._stranger(error) from error
        except (OSError, HTTPException) as error:
            raise Failure(f"the answer broke off ({_why(error)}); ask again.") from error
        finally:
            connection.close()

    def download(
        self, path: str, query: Mapping[str, Any], *, seconds: float = 600.0
    ) -> Iterator[tuple[int, bytes]]:
        """The pieces of a long answer, each with the number of rows to expect in all.

        An answer that breaks off is a Failure, never a short one.
        """
        from http.client import HTTPException

        connection = self._connection(seconds)
        try:
            answer = self._send(connection, "GET", _with_query(path, query), None)
            if answer.status >= 400:
                raise _failure(answer.status, _read(answer))
            rows = int(answer.headers.get("X-Freeloader-Rows") or 0)
            yield rows, b""
            while piece := answer.read(256 * 1024):
                yield rows, piece
        except (OSError, HTTPException) as error:
            raise Failure(f"the answer broke off ({_why(error)}); ask again.") from error
        finally:
            connection.close()

    def _stranger(self, why: object) -> Failure:
        """What answers there is another program, or has fallen ill."""
        said = f"{self.address} does not answer as xswarm does: {why}"
        return Failure(f"{said}; `xswarm doctor` looks at what is there.")

    def _connection(self, seconds: float) -> HTTPConnection:
        from http.client import HTTPConnection

        return HTTPConnection(self._host, self._port, timeout=seconds)

    def _send(
        self, connection: HTTPConnection, method: str, target: str, body: Any
    ) -> HTTPResponse:
        from http.client import HTTPException

        headers = {"Accept": "application/json", "User-Agent": "xswarm-cli"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, data, headers)
            return connection.getresponse()
        except ConnectionRefusedError as error:
            raise NotRunning(
                f"nothing answers at {self.address}; start the daemon: xswarm start --daemon"
            ) from error
        except TimeoutError as error:
            raise Failure(  # not `xswarm status`: that may be what was asked
                f"{self.address} did not answer in time; `xswarm doctor` looks at it from outside."
            ) from error
        except (OSError, HTTPException) as error:
            raise Failure(
                f"{self.address} broke the connection ({_why(error)}); see `xswarm logs`."
            ) from error


def _with_query(path: str, query: Mapping[str, Any] | None) -> str:
    given = {name: _flag(value) for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _flag(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _read(answer: HTTPResponse) -> bytes:
    text = answer.read(BYTES_MAX + 1)
    if len(text) > BYTES_MAX:
        raise Failure("the answer is larger than 64 MB; narrow the question down.")
    return text


def _events(answer: HTTPResponse) -> Iterator[dict[str, Any]]:
    while line := answer.readline(BYTES_MAX):
        if not line.startswith(b"data:"):
            continue  # comments keep the connection alive; other fields are not used
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if not isinstance(event, dict):
            continue
        if event.get("error"):
            raise _failure(502, data)
        yield event


def _failure(status: int, text: bytes) -> Failure:
    """The error body of contract §6 as one line."""
    try:
        error = json.loads(text).get("error", {})
        message = error["message"] if isinstance(error, dict) else str(error)
        code = error.get("code") if isinstance(error, dict) else None
    except (ValueError, KeyError, AttributeError):
        message, code = f"the daemon answered {status} without a reason; see `xswarm logs`.", None
    hint = ""
    if status == 401:
        hint = " The key in the home does not fit this daemon: `xswarm doctor`."
    return Failure(f"{message}{hint}", code=code)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
