"""Events from whoever drives a run to the one who answers with them: in order, and bounded.

What ``asyncio.Queue`` would be for one reader: where nobody has to wait, a look at a deque.
Each request is told at least four things through it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Channel:
    """``most`` items at a time; several may put, one gets."""

    __slots__ = ("_items", "_left", "_most", "_reader", "_writers")

    def __init__(self, most: int) -> None:
        self._items: deque[Any] = deque()
        self._most = most
        self._left = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def put_now(self, item: Any) -> bool:
        """As ``put``, where nobody has to wait for it. False: it is full."""
        if len(self._items) >= self._most:
            return False
        if not self._left:
            self._items.append(item)
            if self._reader is not None and not self._reader.done():
                self._reader.set_result(None)
        return True

    async def put(self, item: Any) -> None:
        """Waits while it is full; forgets it where nobody reads any more."""
        while not self.put_now(item):
            await self._turn()

    async def get(self) -> Any:
        """The next one; waits for it."""
        if not self._items:
            await self.filled()
        return self.take()

    def take(self) -> Any:
        """The next one, which is there."""
        item = self._items.popleft()
        if self._writers:
            self._next_writer()
        return item

    def leave(self) -> None:
        """Nobody reads any more: whoever waits to put goes on, and what is put is forgotten."""
        self._left = True
        self._items.clear()
        while self._writers:
            self._next_writer()

    async def filled(self) -> None:
        """Until there is one to get. It is the reader's to call."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._writers.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._next_writer()  # its turn had come, and is somebody else's now
            raise

    def _next_writer(self) -> None:
        while self._writers:
            turn = self._writers.popleft()
            if not turn.done():
                turn.set_result(None)
                return
