"""Where a command's work is done: by the running daemon, or here while it is stopped.

``open_backend`` chooses. Both ways take and give the JSON of contract §7 and
§10, so that a command cannot tell them apart. What only a running daemon knows
(answers, decisions, jobs) is asked through ``online``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from freeloader import __version__
from freeloader.cli.client import Client
from freeloader.cli.lifecycle import RunFiles
from freeloader.cli.shell import Failure, NotRunning, home_path, is_key, note, rows_of
from freeloader.clock import SystemClock

Row = dict[str, Any]

# Adding or testing an account asks a provider over the network.
PROVIDER_SECONDS = 60.0
HISTORY_MAX = 500


class Backend(Protocol):
    """What an owner can do with accounts, keys and settings, daemon or not.

    Bodies and answers are the JSON of the management routes. Failures are
    ``Failure`` or a ``FreeloaderError``; both become one line.
    """

    def accounts(self) -> list[Row]: ...

    def add_account(self, body: Mapping[str, Any]) -> Row: ...

    def test_account(self, provider: str, idx: int) -> Row: ...

    def change_account(self, provider: str, idx: int, changes: Mapping[str, Any]) -> Row: ...

    def remove_account(self, provider: str, idx: int) -> Row: ...

    def keys(self) -> list[Row]: ...

    def create_key(self, body: Mapping[str, Any]) -> Row: ...

    def revoke_key(self, key_id: str) -> Row: ...

    def config(self) -> Row: ...

    def change_config(self, changes: Mapping[str, Any]) -> Row: ...

    def import_config(self, document: Mapping[str, Any]) -> Row: ...

    def config_history(self) -> list[Row]: ...

    def rollback_config(self, version: int) -> Row: ...


class HttpBackend:
    """The running daemon does it, through its management routes, with the admin key."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def accounts(self) -> list[Row]:
        return rows_of(self._client.get("/v1/accounts"), "accounts")

    def add_account(self, body: Mapping[str, Any]) -> Row:
        return self._do("POST", "/v1/accounts", body, seconds=PROVIDER_SECONDS)

    def test_account(self, provider: str, idx: int) -> Row:
        path = f"{_account(provider, idx)}/test"
        return self._do("POST", path, {}, seconds=PROVIDER_SECONDS)

    def change_account(self, provider: str, idx: int, changes: Mapping[str, Any]) -> Row:
        return self._do("PATCH", _account(provider, idx), changes)

    def remove_account(self, provider: str, idx: int) -> Row:
        return self._do("DELETE", _account(provider, idx))

    def keys(self) -> list[Row]:
        return rows_of(self._client.get("/v1/keys"), "keys")

    def create_key(self, body: Mapping[str, Any]) -> Row:
        return self._do("POST", "/v1/keys", body)

    def revoke_key(self, key_id: str) -> Row:
        return self._do("DELETE", f"/v1/keys/{quote(key_id, safe='')}")

    def config(self) -> Row:
        answer = self._client.get("/v1/config")
        return dict(answer.get("config", answer))

    def change_config(self, changes: Mapping[str, Any]) -> Row:
        return self._do("POST", "/v1/config", changes)

    def import_config(self, document: Mapping[str, Any]) -> Row:
        return self._do("POST", "/v1/config/import", document, seconds=PROVIDER_SECONDS)

    def config_history(self) -> list[Row]:
        return rows_of(
            self._client.get("/v1/config/history", {"limit": HISTORY_MAX}), "history", "versions"
        )

    def rollback_config(self, version: int) -> Row:
        return self._do("POST", "/v1/config/rollback", {"version": version})

    def _do(self, method: str, path: str, body: Any = None, **options: Any) -> Row:
        answer = self._client.call(method, path, body, **options)
        return dict(answer) if isinstance(answer, Mapping) else {"result": answer}


def _account(provider: str, idx: int) -> str:
    return f"/v1/accounts/{quote(provider, safe='')}/{idx}"


def online(role: str = "admin") -> Client:
    """The running daemon, with the key of ``role`` from the home. Raises NotRunning."""
    home = home_path()
    record = RunFiles(home).running()
    if record is None:
        raise NotRunning("the daemon is not running; start it: xswarm start --daemon")
    if record.address is None:
        raise NotRunning(f"the daemon (pid {record.pid}) is still starting; try again in a moment.")
    if record.version not in ("", __version__):
        note(f"the daemon is version {record.version}, this command {__version__}: xswarm restart")
    return Client(record.address, read_key(home, role))


def read_key(home: Path, role: str) -> str:
    """A key that ``init`` wrote. Raises Failure where it is missing or not readable."""
    path = home / f"{role}.key"
    try:
        key = path.read_text("ascii", "replace").strip()
    except OSError as error:
        raise Failure(
            f"{path} cannot be read ({error.strerror}); `xswarm doctor` says what is missing."
        ) from error
    if not is_key(key):
        what = "holds no key" if key else "is empty"
        raise Failure(f"{path} {what}; `xswarm doctor` says what to do.")
    return key


@contextmanager
def open_backend() -> Iterator[Backend]:
    """The daemon where it runs, else the home itself, with the daemon kept out meanwhile."""
    files = RunFiles(home_path())
    if files.running() is not None:
        yield HttpBackend(online())
        return
    if not home_path().is_dir():
        raise Failure(f"there is no home at {home_path()}; make it: xswarm init")
    lock = files.lock
    if not lock.acquire_soon(lambda: files.running() is not None, SystemClock()):
        raise Failure("the daemon is just starting or stopping; try again in a moment.")
    try:
        from freeloader.cli.offline import OfflineBackend

        with OfflineBackend.open(home_path()) as backend:
            yield backend
    finally:
        lock.release()
