"""A limit ends a wait as ``asyncio.timeout`` does, whoever else ends it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from freeloader.gateway.limits import Limit, within


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_what_is_done_in_time_is_not_disturbed() -> None:
    with within(60) as limit:
        await asyncio.sleep(0)
        assert limit.running
    assert not limit.running
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
async def test_what_is_late_is_a_timeout_and_the_task_goes_on(seconds: float) -> None:
    with pytest.raises(TimeoutError), within(seconds):
        await forever()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_another_error_stays_what_it_is_although_the_limit_was_reached() -> None:
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise KeyError("mine") from None

    with pytest.raises(KeyError), within(0.0):
        await stubborn()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("inside", [0.0, 60.0])
async def test_who_is_cancelled_from_outside_is_cancelled(inside: float) -> None:
    async def work() -> None:
        with within(inside):
            await forever()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_limits_stand_in_one_another() -> None:
    with within(60) as outer:
        with pytest.raises(TimeoutError), within(0.0):
            await forever()
        assert outer.running
    with pytest.raises(TimeoutError), within(0.0), within(60):
        await forever()


async def test_it_can_be_moved_while_it_runs() -> None:
    now = asyncio.get_running_loop().time()
    with Limit(now + 0.001) as limit:
        limit.reschedule(now + 60)
        await asyncio.sleep(0.01)
        assert limit.when() == now + 60
    other = Limit(now + 60)
    asyncio.get_running_loop().call_soon(other.reschedule, now)
    with pytest.raises(TimeoutError), other:
        await forever()
    limit.reschedule(now)  # over: nothing happens
    await asyncio.sleep(0.01)


def test_it_is_for_a_task() -> None:
    async def outside() -> None:
        done = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                with Limit(0.0):
                    pass
            except RuntimeError as problem:
                done.set_result(str(problem))

        asyncio.get_running_loop().call_soon(enter)
        assert "task" in await done

    asyncio.run(outside())
