"""Tells the owner what happened, through the channels they named (apprise addresses).

No caller ever waits: ``tell`` puts a notice into a bounded queue, and one task sends.
What comes faster than a channel may be used is put together into one message; the
same is not told twice within a day, across restarts too; what fails is tried again a
few times, and shown. What is worth telling is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from freeloader.clock import Clock, iso
from freeloader.errors import FreeloaderError, NotFound

_log = logging.getLogger(__name__)

KINDS = ("budget", "quota", "proposals", "price_changes", "deprecations", "child", "jobs")
QUEUE_MAX = 200
#: One message per channel in so many seconds; what comes meanwhile goes into the next.
GAP_S = 20.0
#: Notices put into one message; more are counted.
TOGETHER_MAX = 20
#: The same notice is not told again within this time.
SAME_S = 86_400.0
_REMEMBERED = 500
#: Seconds before each further try.
RETRIES_S = (5.0, 30.0, 120.0)
#: One try at one channel may take so long.
SEND_S = 30.0
MEMORY = "notify.told"


@dataclass(frozen=True, slots=True)
class Notice:
    """``kind`` is one of ``KINDS``; ``key`` says what counts as the same notice."""

    kind: str
    key: str
    title: str
    text: str


class Memory(Protocol):
    async def meta_get(self, key: str) -> str | None: ...

    async def meta_set(self, key: str, value: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which channels there are, and which kinds of events they get."""

    channels: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset(KINDS)


#: The address of a channel, or None where none is kept. Raises FreeloaderError.
Address = Callable[[str], Awaitable[str | None]]
#: Sends (address, title, text); what went wrong in words, or None. Blocks; run in a thread.
Send = Callable[[str, str, str], str | None]


@dataclass(slots=True)
class _State:
    sent: int = 0
    last_sent: float | None = None
    problem: str | None = None


class Notifier:
    """``await run()`` in a task of its own; ``tell`` from the event loop's thread."""

    def __init__(
        self,
        wishes: Callable[[], Wishes],
        address: Address,
        memory: Memory,
        clock: Clock,
        send: Send,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._wishes, self._address = wishes, address
        self._memory, self._clock = memory, clock
        self._send, self._sleep = send, sleep
        self._queue: deque[Notice] = deque()
        self._dropped = 0
        self._there = asyncio.Event()
        self._told: OrderedDict[str, float] = OrderedDict()
        self._states: dict[str, _State] = {}

    async def load(self) -> None:
        """What was told before a restart."""
        text = await self._memory.meta_get(MEMORY)
        self._told = OrderedDict(json.loads(text)) if text else OrderedDict()

    def tell(self, notice: Notice) -> None:
        """Soon, once, where the owner wants this kind. Never waits and never fails."""
        wishes = self._wishes()
        if not wishes.channels or notice.kind not in wishes.kinds:
            return
        now = self._clock.now().wall
        before = self._told.get(notice.key)
        if before is not None and 0 <= now - before < SAME_S:
            return
        self._told[notice.key] = now
        self._told.move_to_end(notice.key)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self._dropped += 1
        self._queue.append(notice)
        self._there.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._there.wait()
            self._there.clear()
            notices = list(self._queue)
            self._queue.clear()
            if not notices:
                continue
            title, text = message(notices, self._dropped)
            self._dropped = 0
            channels = self._wishes().channels
            await asyncio.gather(*(self._deliver(name, title, text) for name in channels))
            try:
                await self._memory.meta_set(MEMORY, json.dumps(list(self._told.items())))
            except FreeloaderError as problem:
                _log.warning("what was told is not remembered: %s", problem.message)
            await self._sleep(GAP_S)

    async def test(self, name: str | None = None) -> list[dict[str, Any]]:
        """One message to one channel or all, at once. Raises NotFound where there is none."""
        channels = self._wishes().channels if name is None else (name,)
        if not channels:
            raise NotFound("There is no channel; `xswarm notify add NAME` makes one.")
        text = "This is a test: xSwarm-Freeloader reaches you here."
        return [
            {"name": each, "problem": await self._once(each, "xswarm: test", text)}
            for each in channels
        ]

    def states(self) -> list[dict[str, Any]]:
        """Each channel with what is known of it, JSON-ready; no address."""
        return [
            {
                "name": name,
                "sent": (state := self._states.get(name, _State())).sent,
                "lastSent": None if state.last_sent is None else iso(state.last_sent),
                "problem": state.problem,
            }
            for name in self._wishes().channels
        ]

    def problems(self) -> list[str]:
        """One line per channel that does not work."""
        return [
            f"notifications: {row['name']}: {row['problem']}"
            for row in self.states()
            if row["problem"]
        ]

    async def check(self) -> None:
        """Names channels without an address before the first notice needs them."""
        for name in self._wishes().channels:
            _, problem = await self._known(name)
            if problem is not None:
                self._states.setdefault(name, _State()).problem = problem

    async def _deliver(self, name: str, title: str, text: str) -> None:
        for pause in (*RETRIES_S, None):
            problem = await self._once(name, title, text)
            if problem is None:
                return
            if pause is None:
                _log.warning("channel %s was not reached: %s", name, problem)
            else:
                await self._sleep(pause)

    async def _once(self, name: str, title: str, text: str) -> str | None:
        """One try; what went wrong, or None."""
        state = self._states.setdefault(name, _State())
        address, state.problem = await self._known(name)
        if address is None:
            return state.problem
        try:
            async with asyncio.timeout(SEND_S):
                state.problem = await asyncio.to_thread(self._send, address, title, text)
        except TimeoutError:
            state.problem = f"did not answer in {SEND_S:g} s"
        if state.problem is None:
            state.sent += 1
            state.last_sent = self._clock.now().wall
        return state.problem

    async def _known(self, name: str) -> tuple[str | None, str | None]:
        """A channel's address, or what is wrong with it."""
        try:
            address = await self._address(name)
        except FreeloaderError as problem:
            return None, problem.message
        if address is None:
            return None, f"has no address; give it one: xswarm notify add {name}"
        return address, None


def message(notices: list[Notice], dropped: int = 0) -> tuple[str, str]:
    """Title and text of one message for all of them."""
    if len(notices) == 1 and not dropped:
        return f"xswarm: {notices[0].title}", notices[0].text
    lines = [f"{notice.title}: {notice.text}" for notice in notices[:TOGETHER_MAX]]
    more = len(notices) - len(lines) + dropped
    if more:
        lines.append(f"… and {more} more; `xswarm status` shows what is wrong now.")
    return f"xswarm: {len(notices) + dropped} events", "\n".join(lines)


def by_apprise(scrub: Callable[[str], str]) -> Send:
    """Sends with apprise (imported at the first message: it is heavy)."""

    def send(address: str, title: str, text: str) -> str | None:
        import apprise

        channel = apprise.Apprise()
        if not channel.add(address):
            return "its address is none that apprise knows; see `xswarm notify add --help`"
        capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
        with capture as said:
            done = channel.notify(body=text, title=title)
            words = said.getvalue().strip().splitlines()
        if done:
            return None
        # The library's words may hold the address, which may hold a password.
        last = words[-1].replace(address, "…") if words else ""
        return f"was not taken: {scrub(last)[-200:]}" if last else "was not taken"

    return send


def told_by(events: Mapping[str, bool]) -> frozenset[str]:
    """The kinds that are switched on."""
    return frozenset(kind for kind in KINDS if events.get(kind, True))
