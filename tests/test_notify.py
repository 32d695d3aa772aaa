"""Notices: once, bounded, put together, tried again, and never in anybody's way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from freeloader.clock import Instant
from freeloader.errors import NotFound, SecretStoreError
from freeloader.notify import (
    KINDS,
    QUEUE_MAX,
    RETRIES_S,
    SAME_S,
    TOGETHER_MAX,
    Notice,
    Notifier,
    Wishes,
    by_apprise,
    message,
    told_by,
)

NOON = 1_795_608_000.0


class Desk:
    """Channels that fail on request, a clock that is moved by hand, sleeps that end at once."""

    def __init__(self) -> None:
        self.wall = NOON
        self.wishes = Wishes(("mail", "hook"))
        self.addresses = {"mail": "mailto://u:pw@h", "hook": "json://h"}
        self.sent: list[tuple[str, str, str]] = []
        self.broken: dict[str, int] = {}
        self.slept: list[float] = []
        self.kept: dict[str, str] = {}
        self.rounds = asyncio.Event()
        self.notifier = Notifier(
            lambda: self.wishes, self.address, self, self, self.send, self.sleep
        )

    def now(self) -> Instant:
        return Instant(self.wall, self.wall)

    async def meta_get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def meta_set(self, key: str, value: str) -> None:
        self.kept[key] = value

    async def address(self, name: str) -> str | None:
        if name == "locked":
            raise SecretStoreError("The keyring is locked.")
        return self.addresses.get(name)

    def send(self, address: str, title: str, text: str) -> str | None:
        if self.broken.get(address, 0) > 0:
            self.broken[address] -= 1
            return "was not taken"
        self.sent.append((address, title, text))
        return None

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds not in RETRIES_S:
            self.rounds.set()
        await asyncio.sleep(0)

    async def deliver(self) -> None:
        """One round of the notifier's task."""
        self.rounds.clear()
        task = asyncio.create_task(self.notifier.run())
        await asyncio.wait_for(self.rounds.wait(), 10)
        task.cancel()


def notice(key: str = "k", kind: str = "budget", text: str = "text") -> Notice:
    return Notice(kind, key, "title", text)


async def test_a_notice_reaches_every_channel_once_also_across_a_restart() -> None:
    desk = Desk()
    desk.notifier.tell(notice())
    desk.notifier.tell(notice())
    await desk.deliver()
    assert sorted(desk.sent) == [
        ("json://h", "xswarm: title", "text"),
        ("mailto://u:pw@h", "xswarm: title", "text"),
    ]
    again = Desk()
    again.kept = desk.kept
    await again.notifier.load()
    again.notifier.tell(notice())
    again.notifier.tell(notice("other"))
    await again.deliver()
    assert len(again.sent) == 2, "only the other one"
    again.wall += SAME_S
    again.notifier.tell(notice())
    await again.deliver()
    assert len(again.sent) == 4, "a day later it is news again"


async def test_what_comes_together_is_told_together() -> None:
    desk = Desk()
    for number in range(TOGETHER_MAX + 5):
        desk.notifier.tell(notice(f"k{number}"))
    await desk.deliver()
    assert len(desk.sent) == 2
    _, title, text = desk.sent[0]
    assert title == f"xswarm: {TOGETHER_MAX + 5} events"
    assert "and 5 more" in text


async def test_the_queue_is_bounded_and_says_what_it_lost() -> None:
    desk = Desk()
    for number in range(QUEUE_MAX + 7):
        desk.notifier.tell(notice(f"k{number}"))
    await desk.deliver()
    assert desk.sent[0][1] == f"xswarm: {QUEUE_MAX + 7} events"


async def test_a_channel_that_fails_is_tried_again_and_shown_the_other_is_not_held_up() -> None:
    desk = Desk()
    desk.broken["json://h"] = 2
    desk.notifier.tell(notice())
    await desk.deliver()
    assert len(desk.sent) == 2
    assert desk.slept[:2] == list(RETRIES_S[:2])
    assert desk.notifier.problems() == []
    desk.broken["json://h"] = 99
    desk.notifier.tell(notice("b"))
    await desk.deliver()
    assert desk.broken["json://h"] == 99 - len(RETRIES_S) - 1, "a bounded number of tries"
    assert desk.notifier.problems() == ["notifications: hook: was not taken"]
    states = {row["name"]: row for row in desk.notifier.states()}
    assert (states["mail"]["sent"], states["hook"]["sent"]) == (2, 1)
    assert "pw" not in json.dumps(list(states.values()))


async def test_kinds_and_channels_that_are_switched_off_get_nothing() -> None:
    desk = Desk()
    desk.wishes = Wishes(("mail",), told_by({"budget": False, "jobs": True}))
    desk.notifier.tell(notice("a", "budget"))
    desk.notifier.tell(notice("b", "jobs"))
    await desk.deliver()
    assert [title for _, title, _ in desk.sent] == ["xswarm: title"]
    desk.wishes = Wishes(())
    desk.notifier.tell(notice("c", "jobs"))
    assert told_by({}) == frozenset(KINDS)


async def test_a_channel_without_an_address_is_named_before_it_is_needed() -> None:
    desk = Desk()
    desk.wishes = Wishes(("gone", "locked"))
    await desk.notifier.check()
    assert desk.notifier.problems() == [
        "notifications: gone: has no address; give it one: xswarm notify add gone",
        "notifications: locked: The keyring is locked.",
    ]


async def test_a_test_is_sent_at_once_and_says_what_went_wrong() -> None:
    desk = Desk()
    desk.broken["json://h"] = 1
    rows = await desk.notifier.test()
    assert rows == [
        {"name": "mail", "problem": None},
        {"name": "hook", "problem": "was not taken"},
    ]
    assert (await desk.notifier.test("hook"))[0]["problem"] is None
    desk.wishes = Wishes(())
    with pytest.raises(NotFound, match="xswarm notify add"):
        await desk.notifier.test()


def test_one_notice_is_its_own_message() -> None:
    assert message([notice()]) == ("xswarm: title", "text")
    assert message([notice()], 3)[0] == "xswarm: 4 events"


@pytest.mark.parametrize(
    ("address", "words"),
    [("nothing at all", "none that apprise knows"), ("json://u:pw@127.0.0.1:9/x", "was not taken")],
)
def test_apprise_says_no_in_words_without_the_address(address: str, words: str) -> None:
    scrub: Callable[[str], str] = lambda text: text.replace("pw", "***")  # noqa: E731
    said: Any = by_apprise(scrub)(address, "t", "b")
    assert words in said
    assert "pw" not in said
