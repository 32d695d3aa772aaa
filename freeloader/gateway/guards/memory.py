"""How much the bodies of all requests under way may hold together, and what is left at all.

A body is counted while it comes and until its request is answered. What would go beyond
the bound, or beyond what the system lets this process have (address space, or the memory
of its control group), is refused as overload before it is held: an allocation that fails
inside a library ends the process. It reads what is used; it frees nothing.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path

from freeloader.errors import Unavailable
from freeloader.gateway.guards.control_groups import limiting

MEGABYTE = 2**20
#: Bytes of all bodies that are held at a time.
HELD_MAX = 256 * MEGABYTE
#: What must be left for everything else: management, settling, answers that are under way.
RESERVE = 32 * MEGABYTE
#: A body is there as bytes, as text, as objects and as what is sent on.
SWELL = 8
#: Bodies so large have a look of their own; small ones share one, so many at a time, and no
#: more than so many bytes of them.
_LARGE = 64 * 1024
_SHARED, _SHARED_BYTES = 256, MEGABYTE
_RETRY_S = 2.0

Left = Callable[[], int | None]


class BodyRoom:
    """One per server. ``left``: bytes that the system would still give, None where unlimited."""

    def __init__(self, left: Left, held_max: int = HELD_MAX) -> None:
        self._left, self._held_max = left, held_max
        self._since, self._bytes = _SHARED, 0
        self._tight = False
        self.held = 0

    def claim(self, *, may_wait: bool) -> Claim:
        """A request's share, empty at first. Who may not wait (the owner at work) is counted,
        and not refused."""
        return Claim(self, may_wait)

    def take(self, size: int, whole: int) -> None:
        """``size`` bytes more, of a body that comes to ``whole``.

        Raises Unavailable (``overloaded``) where there is no room for it.
        """
        if self.held + size > self._held_max:
            raise _overloaded("The requests under way hold all the memory that they may")
        self._since += 1
        self._bytes += size
        shared = self._since < _SHARED and self._bytes < _SHARED_BYTES
        if whole >= _LARGE or not shared or self._tight:
            self._since = self._bytes = 0
            left = self._left()
            self._tight = left is not None and left < RESERVE + SWELL * whole
            if self._tight:
                raise _overloaded("The memory that the system gives this daemon is used up")
        self.count(size)

    def count(self, size: int) -> None:
        """So many bytes more (less, where negative) are held."""
        self.held += size


class Claim:
    """What one request holds."""

    __slots__ = ("_may_wait", "_room", "_size", "expected")

    def __init__(self, room: BodyRoom, may_wait: bool) -> None:
        self._room, self._may_wait, self._size = room, may_wait, 0
        #: Bytes that the body is said to have.
        self.expected = 0

    def take(self, size: int) -> None:
        """Raises Unavailable where there is no room."""
        if self._may_wait:
            come = self._size + size
            # What was said of the whole was looked at with its first piece.
            known = self._size > 0 and come <= self.expected
            self._room.take(size, size if known else max(self.expected, come))
        else:
            self._room.count(size)
        self._size += size

    def end(self) -> None:
        self._room.count(-self._size)
        self._size = 0


def memory_left() -> Left:
    """What the system still gives this process: the least of its limits, None where none is."""
    groups = limiting()

    def left() -> int | None:
        found = [_address_space_left(), *(group.left() for group in groups)]
        return min((n for n in found if n is not None), default=None)

    return left


def _address_space_left() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or not sys.platform.startswith("linux"):
        return None
    pages = Path("/proc/self/statm").read_bytes().split(maxsplit=1)[0]
    return limit - int(pages) * resource.getpagesize()


def _overloaded(why: str) -> Unavailable:
    return Unavailable(
        f"{why}; try again in a moment, or with a smaller body.",
        code="overloaded",
        retry_after=_RETRY_S,
    )
