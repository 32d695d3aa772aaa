from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from freeloader.errors import SecretStoreError
from freeloader.secrets import SecretStore
from freeloader.secrets.file import SecretFile
from freeloader.settings import Home

CANARY = "gsk_canary0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


class Ring:
    """A keyring that works."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Hanging(Ring):
    """A keyring that waits for a password nobody will type."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.calls = 0

    def set_password(self, service: str, username: str, password: str) -> None:
        self.calls += 1
        self.open.wait(60)


class Forgetful(Ring):
    def get_password(self, service: str, username: str) -> str | None:
        return None


class Broken(Ring):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"D-Bus says no to {password}")


@contextlib.contextmanager
def hanging() -> Iterator[Hanging]:
    ring = Hanging()
    try:
        yield ring
    finally:
        ring.open.set()


def store(home: Home, ring: Ring | None, backend: str = "auto", **more: object) -> SecretStore:
    return SecretStore(home, backend, find_keyring=lambda: ring, **more)  # type: ignore[arg-type]


async def test_a_keyring_that_works_is_used_and_the_file_is_not(home: Home) -> None:
    ring = Ring()
    secrets = store(home, ring)
    assert await secrets.put("account/groq@1", {"api_key": CANARY}) == "keyring"
    assert not home.secrets.exists()
    assert len(ring.kept) == 1  # the probe is gone
    fresh = store(home, ring)
    assert await fresh.get("account/groq@1", "keyring") == {"api_key": CANARY}
    assert await fresh.get("account/groq@1", "file") is None
    await fresh.delete("account/groq@1", "keyring")
    await fresh.delete("account/groq@1", "keyring")
    assert ring.kept == {}


async def test_two_homes_share_one_keyring_without_meeting(home: Home, tmp_path: Path) -> None:
    ring = Ring()
    await store(home, ring).put("a", {"k": "one"})
    other = store(Home(tmp_path / "other").create(), ring)
    assert await other.get("a", "keyring") is None


@pytest.mark.parametrize("ring", [None, Forgetful(), Broken()])
async def test_a_keyring_that_cannot_be_trusted_means_the_file(
    home: Home, ring: Ring | None
) -> None:
    secrets = store(home, ring)
    assert await secrets.put("a", {"api_key": CANARY}) == "file"
    assert await store(home, ring).get("a", "file") == {"api_key": CANARY}
    status = await secrets.status()
    assert status["serves"] == "file"
    assert status["keyring"] != "works"
    assert CANARY not in str(status)


@pytest.mark.parametrize("ring", [None, Forgetful(), Broken()])
async def test_only_the_keyring_means_an_error_with_the_way_out(
    home: Home, ring: Ring | None
) -> None:
    with pytest.raises(SecretStoreError, match=r"secrets\.backend file") as caught:
        await store(home, ring, "keyring").put("a", {"api_key": CANARY})
    assert CANARY not in str(caught.value)
    assert not home.secrets.exists()


async def test_a_hanging_keyring_never_blocks_and_is_asked_once(home: Home) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    with hanging() as ring:
        secrets = store(home, ring, keyring_seconds=0.15)
        ticking = asyncio.create_task(tick())
        found = await asyncio.gather(*(secrets.put(f"s{n}", {"k": str(n)}) for n in range(5)))
        ticking.cancel()
        assert found == ["file"] * 5
        assert ticks >= 5  # the loop went on meanwhile
        await secrets.put("later", {"k": "v"})
        assert ring.calls == 1
        assert "no answer" in (await secrets.status())["keyring"]
        with pytest.raises(SecretStoreError, match="no answer"):
            await secrets.get("kept-in-the-ring", "keyring")


async def test_a_late_answer_of_a_keyring_hurts_nobody(home: Home) -> None:
    with hanging() as ring:
        secrets = store(home, ring, keyring_seconds=0.05)
        assert await secrets.put("a", {"k": "v"}) == "file"
    await asyncio.to_thread(_join_keyring_threads)
    assert await secrets.get("a", "file") == {"k": "v"}


def _join_keyring_threads() -> None:
    for thread in threading.enumerate():
        if thread.name == "keyring":
            thread.join(5)


async def test_stand_ins_for_keyrings_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring as Fail
    from keyring.backends.null import Keyring as Null

    from freeloader.secrets import system_keyring

    for stand_in in (Fail(), Null()):
        monkeypatch.setattr(keyring, "get_keyring", lambda found=stand_in: found)
        assert system_keyring() is None


async def test_k2_files_are_private_under_any_umask_and_unreadable_without_the_key(
    home: Home,
) -> None:
    old = os.umask(0)
    try:
        await store(home, None, "file").put("a", {"api_key": CANARY})
    finally:
        os.umask(old)
    for path in (home.secrets, home.secrets_key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert CANARY.encode() not in path.read_bytes()
    home.secrets.chmod(0o644)
    assert await store(home, None, "file").get("a", "file") == {"api_key": CANARY}
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600


async def test_a_lost_or_wrong_key_is_an_error_and_overwrites_nothing(home: Home) -> None:
    await store(home, None, "file").put("a", {"api_key": CANARY})
    sealed, key = home.secrets.read_bytes(), home.secrets_key.read_bytes()
    home.secrets_key.unlink()
    for act in (store(home, None, "file").get("a", "file"), store(home, None).put("b", {"k": "v"})):
        with pytest.raises(SecretStoreError, match="gone"):
            await act
    assert not home.secrets_key.exists()
    home.secrets_key.write_bytes(b"c2hvcnQ=\n")
    with pytest.raises(SecretStoreError, match="does not hold a key"):
        await store(home, None, "file").get("a", "file")
    home.secrets_key.write_bytes(key)
    for damaged in (b"", b"XSF1", sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"{}"):
        home.secrets.write_bytes(damaged)
        with pytest.raises(SecretStoreError, match="cannot be decrypted"):
            await store(home, None, "file").put("b", {"k": "v"})
        assert home.secrets.read_bytes() == damaged
    home.secrets.write_bytes(sealed)
    assert await store(home, None, "file").get("a", "file") == {"api_key": CANARY}


def _put_many(path: str, name: str) -> None:
    for n in range(10):
        SecretFile(Home(Path(path))).change(f"{name}/{n}", {"k": name})


async def test_two_processes_lose_no_write_of_each_other(home: Home) -> None:
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_put_many, args=(str(home.path), n)) for n in ("a", "b", "c")]
    for job in jobs:
        job.start()
    for job in jobs:
        await asyncio.to_thread(job.join, 60)
        assert job.exitcode == 0
    secrets = store(home, None, "file")
    for name in ("a", "b", "c"):
        for n in range(10):
            assert await secrets.get(f"{name}/{n}", "file") == {"k": name}


async def test_what_another_process_changed_is_seen(home: Home) -> None:
    daemon, command = store(home, None, "file"), store(home, None, "file")
    await daemon.put("a", {"k": "old"})
    assert await daemon.get("a", "file") == {"k": "old"}
    await command.put("a", {"k": "newer"})
    assert await daemon.get("a", "file") == {"k": "newer"}
    await command.delete("a", "file")
    assert await daemon.get("a", "file") is None


async def test_no_secret_in_repr_and_all_are_announced(home: Home) -> None:
    told: list[str] = []
    secrets = store(home, None, "file", on_secret=told.append)
    await secrets.put("a", {"api_key": CANARY})
    reader = store(home, None, "file", on_secret=told.append)
    await reader.get("a", "file")
    assert told == [CANARY, CANARY]
    assert CANARY not in repr(secrets) + str(secrets) + repr(vars(secrets)["_file"])


async def test_what_is_given_out_is_a_copy(home: Home) -> None:
    secrets = store(home, None, "file")
    await secrets.put("a", {"k": "v"})
    found = await secrets.get("a", "file")
    assert isinstance(found, dict)
    found["k"] = "changed"
    assert await secrets.get("a", "file") == {"k": "v"}


def test_the_cipher_stays_out_of_the_process_that_lives_long(home: Home) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from freeloader.secrets import SecretStore; from freeloader.settings import Home\n"
        "home = Home(Path(sys.argv[1]))\n"
        "asyncio.run(SecretStore(home, 'file').put('groq/1', {'api_key': 'k'}))\n"
        "found = asyncio.run(SecretStore(home, 'file').get('groq/1', 'file'))\n"
        "assert found == {'api_key': 'k'}, found\n"
        "assert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, str(home.path)], check=True)


async def test_many_who_ask_at_once_open_the_file_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store(home, None, "file")
    for n in range(3):
        await first.put(f"groq/{n}", {"api_key": f"k{n}"})
    opened: list[int] = []
    read = SecretFile.read
    monkeypatch.setattr(SecretFile, "read", lambda self: opened.append(1) or read(self))
    fresh = store(home, None, "file")
    found = await asyncio.gather(*(fresh.get(f"groq/{n % 3}", "file") for n in range(9)))
    assert found == [{"api_key": f"k{n % 3}"} for n in range(9)]
    assert len(opened) == 1
