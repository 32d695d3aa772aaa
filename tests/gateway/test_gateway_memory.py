"""S7: memory for bodies is bounded; what does not fit is refused while nothing is held of it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import orjson
import pytest
from front_fakes import ADMIN, HELLO, House, well_formed
from hypothesis import given
from hypothesis import strategies as st

from freeloader.errors import Unavailable
from freeloader.gateway.guards import memory
from freeloader.gateway.guards.control_groups import limiting
from freeloader.gateway.guards.memory import MEGABYTE, RESERVE, SWELL, BodyRoom

SIZES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5 * MEGABYTE)), max_size=40)


@given(SIZES, st.integers(MEGABYTE, 8 * MEGABYTE))
def test_s7_no_more_is_held_than_may_be_and_all_of_it_comes_back(
    steps: list[tuple[int, int]], most: int
) -> None:
    room = BodyRoom(lambda: None, most)
    claims = [room.claim(may_wait=True) for _ in range(8)]
    for number, size in steps:
        before, fits = room.held, room.held + size <= most
        with nullcontext() if fits else pytest.raises(Unavailable, match="hold all the memory"):
            claims[number].take(size)
        assert room.held == before + (size if fits else 0)
        assert room.held <= most
    for claim in claims:
        claim.end()
        claim.end()
    assert room.held == 0


def test_s7_a_large_body_is_measured_by_what_is_left() -> None:
    left = RESERVE + SWELL * MEGABYTE
    room = BodyRoom(lambda: left)
    claim = room.claim(may_wait=True)
    claim.take(MEGABYTE)
    said_to_be_larger = room.claim(may_wait=True)
    said_to_be_larger.expected = 2 * MEGABYTE
    with pytest.raises(Unavailable):
        said_to_be_larger.take(1000)
    with pytest.raises(Unavailable):
        claim.take(1)
    room.claim(may_wait=False).take(MEGABYTE + 1)  # the owner is not kept waiting


def test_s7_small_ones_are_refused_too_while_it_is_tight_and_not_after() -> None:
    left = [0]
    room = BodyRoom(lambda: left[0])
    told = []
    for number in range(60):
        if number == 40:
            left[0] = 10 * RESERVE
        try:
            room.claim(may_wait=True).take(100)
            told.append("taken")
        except Unavailable:
            told.append("shed")
    assert "shed" in told[:20]
    assert set(told[20:40]) == {"shed"}
    assert set(told[40:]) == {"taken"}


def test_s7_the_group_of_a_container_is_a_limit_whose_cache_gives_way(tmp_path) -> None:
    own, root = tmp_path / "own", tmp_path / "groups"
    group = root / "a" / "b"
    group.mkdir(parents=True)
    own.write_text("0::/a/b\n")
    assert limiting(own, root) == ()
    (group / "memory.current").write_text("900\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 300\nactive_file 50\nslab 7\n")
    (group / "memory.max").write_text("max\n")
    [found] = limiting(own, root)
    assert found.left() is None
    (group / "memory.max").write_text("1000\n")  # also one that is set later
    assert found.left() == 450
    (group / "memory.stat").unlink()
    assert found.left() is None  # it cannot be told
    assert memory.memory_left()() is None or memory.memory_left()() > 0


def test_s7_a_group_above_is_a_limit_too_and_so_is_one_of_the_first_version(tmp_path) -> None:
    own, root = tmp_path / "own", tmp_path / "groups"
    for place, limit in ((root / "memory" / "a" / "b", 2**63 - 4096), (root / "memory" / "a", 500)):
        place.mkdir(parents=True, exist_ok=True)
        (place / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (place / "memory.usage_in_bytes").write_text("400\n")
        (place / "memory.stat").write_text("inactive_file 9\ntotal_inactive_file 30\n")
    own.write_text("5:cpu,cpuacct:/\n4:memory:/a/b\n0::/\n")
    assert [group.left() for group in limiting(own, root)] == [None, 130]
    own.write_text("4:memory:/docker/1f\n")  # seen from inside, the container's group is the root
    (root / "memory" / "memory.limit_in_bytes").write_text("100\n")
    (root / "memory" / "memory.usage_in_bytes").write_text("90\n")
    (root / "memory" / "memory.stat").write_text("rss 1\n")
    assert [group.left() for group in limiting(own, root)] == [10]
    assert limiting(tmp_path / "none", root) == ()


async def test_s7_without_memory_the_front_sheds_and_the_owner_still_gets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = [10 * MEGABYTE]
    monkeypatch.setattr("freeloader.gateway.middleware.memory_left", lambda: lambda: left[0])
    house = House()
    await house.start()
    try:
        shed = await asyncio.gather(*(house.ask(HELLO) for _ in range(40)))
        for status, body, headers in shed:
            assert status == 503
            assert well_formed(body)["code"] == "overloaded"
            assert int(headers["Retry-After"]) >= 1
        async with house.call("GET", "/v1/config", ADMIN) as response:
            assert response.status == 200
        left[0] = 10 * RESERVE
        assert (await house.ask(HELLO))[0] == 200
    finally:
        await house.stop()


async def test_s7_a_library_that_gets_no_memory_is_no_fault_of_the_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: bytes) -> object:
        raise orjson.JSONDecodeError("Not enough memory to allocate buffer for parsing", "", 0)

    house = House()
    await house.start()
    try:
        with monkeypatch.context() as m:
            m.setattr("freeloader.gateway.guards.body.orjson.loads", none)
            async with house.call("POST", "/v1/chat/completions", json=HELLO) as response:
                assert response.status == 503
                assert response.headers["Retry-After"]
    finally:
        await house.stop()
