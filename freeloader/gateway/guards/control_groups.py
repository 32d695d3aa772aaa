"""What the control groups of this process still give of memory, of either version.

A group's limit holds for all below it, so the groups above count too. Only Linux has them;
elsewhere, and where none limits memory, nothing is told. It changes no group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
#: Version 1 says "no limit" by a number near 2**63.
_NONE = 2**60


@dataclass(frozen=True, slots=True)
class Group:
    """One group: where it says what it may have, has, and would give back when it must."""

    limit: Path
    used: Path
    stat: Path
    cache: tuple[str, ...]

    def left(self) -> int | None:
        """Bytes that it may still take; None where it is unlimited, or does not say."""
        try:
            limit = self.limit.read_text().strip()
            if limit == "max" or int(limit) >= _NONE:
                return None
            used = int(self.used.read_text())
            lines = self.stat.read_text().splitlines()
            rows = dict(line.split() for line in lines)
            return int(limit) - used + sum(int(rows.get(name, 0)) for name in self.cache)
        except (OSError, ValueError):
            return None


def limiting(own: Path = OWN, root: Path = ROOT) -> tuple[Group, ...]:
    """The group of this process, and those above it that are limited by now."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return ()
    found: list[Group] = []
    for line in lines:
        _, kinds, name = line.split(":", 2)
        if kinds == "":
            found += _chain(root, name, _second)
        elif "memory" in kinds.split(","):
            found += _chain(root / "memory", name, _first)
    return tuple(found)


def _chain(root: Path, name: str, make: Callable[[Path], Group]) -> Iterator[Group]:
    """From the group itself up to the root; in a container the root is the group itself."""
    place = root / name.lstrip("/")
    if not place.is_dir():
        place = root
    for number, folder in enumerate((place, *place.parents)):
        group = make(folder)
        if group.limit.is_file() and (number == 0 or group.left() is not None):
            yield group
        if folder == root:
            return


def _first(folder: Path) -> Group:
    cache = ("total_inactive_file", "total_active_file")
    limit, used = folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes"
    return Group(limit, used, folder / "memory.stat", cache)


def _second(folder: Path) -> Group:
    cache = ("inactive_file", "active_file")
    return Group(folder / "memory.max", folder / "memory.current", folder / "memory.stat", cache)
