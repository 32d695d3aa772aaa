"""The OS keyring, asked in a thread of its own with a time limit, and only after a round trip.

A keyring that hangs, lies or is missing is found out once, within seconds, and
not asked again by this process; it never blocks the event loop.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar, cast

from freeloader.errors import SecretStoreError

SERVICE = "xswarm-freeloader"
KEYRING_SECONDS = 2.5
# Backends that answer but keep nothing, or keep it in the clear.
_UNFIT = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt", "plaintext")

T = TypeVar("T")


class Keyring(Protocol):
    """The part of a keyring backend that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


def system_keyring() -> Keyring | None:
    """The OS keyring, or None where only a stand-in answers. Slow; call it off the loop."""
    import keyring  # heavy (it looks for backends), and not needed by most processes

    backend = keyring.get_keyring()
    kind = type(backend)
    name = f"{kind.__module__}.{kind.__name__}".lower()
    return None if any(part in name for part in _UNFIT) else cast("Keyring", backend)


class TimedKeyring:
    """A keyring that is asked in a thread of its own, and given up on when it does not answer."""

    def __init__(self, identity: str, seconds: float, find: Callable[[], Keyring | None]) -> None:
        self._prefix = identity
        self._seconds = seconds
        self._find = find
        self._backend: Keyring | None = None
        self._verdict: bool | None = None
        self._turn = asyncio.Lock()  # one call at a time: at most one thread can hang
        self.reason: str | None = None

    async def trusted(self) -> bool:
        """True once a round trip has worked; the answer is found once per process."""
        async with self._turn:
            if self._verdict is None:
                try:
                    self._verdict = await self._run(self._round_trip)
                    if not self._verdict and self.reason is None:
                        self.reason = "it does not give back what it was given"
                except SecretStoreError as error:
                    self._verdict, self.reason = False, error.message
            return self._verdict

    async def call(self, method: str, name: str, *arguments: str) -> str | None:
        """One keyring call within the time limit. A time-out ends all trust in it."""
        if not await self.trusted() or self._backend is None:
            raise SecretStoreError(
                f"The keyring cannot be used ({self.reason}); the secret {name!r} is kept there. "
                "Unlock it and restart, or add the account again."
            )
        act = getattr(self._backend, method)
        async with self._turn:
            found = await self._run(lambda: act(SERVICE, f"{self._prefix}/{name}", *arguments))
        return cast("str | None", found)

    def _round_trip(self) -> bool:
        backend = self._find()
        if backend is None:
            self.reason = "this system has none"
            return False
        name, value = f"{self._prefix}/probe-{secrets.token_hex(4)}", secrets.token_hex(16)
        backend.set_password(SERVICE, name, value)
        same = backend.get_password(SERVICE, name) == value
        backend.delete_password(SERVICE, name)
        self._backend = backend
        return same

    async def _run(self, act: Callable[[], T]) -> T:
        # Not the default executor: the interpreter waits for its threads at exit, and a
        # keyring that asks for a password on a screen nobody sees would hold it for ever.
        future: Future[T] = Future()
        thread = threading.Thread(target=_settle, args=(act, future), daemon=True, name="keyring")
        thread.start()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            self._verdict, self._backend = False, None
            self.reason = f"no answer within {self._seconds:g} s"
            raise SecretStoreError(self.reason) from None


def _settle(act: Callable[[], T], future: Future[T]) -> None:
    """Run ``act`` at the boundary to foreign code: whatever a backend raises becomes our error."""
    try:
        value = act()
    except Exception as error:  # noqa: BLE001 (backends raise anything: D-Bus, Win32, their own)
        # The type alone: a backend's message may quote what it was given.
        if not future.cancelled():
            future.set_exception(SecretStoreError(f"it fails with {type(error).__name__}"))
    else:
        if not future.cancelled():
            future.set_result(value)
