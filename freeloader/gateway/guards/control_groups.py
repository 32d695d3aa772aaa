"""What the control groups of a process still give of memory and tasks, of either version.

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
        told = self.told()
        return None if told is None else told[1] - told[0]

    def told(self) -> tuple[int, int] | None:
        """Bytes in use, without what would be given back, and bytes that may be; None as above."""
        try:
            limit = self.limit.read_text().strip()
            if limit == "max" or int(limit) >= _NONE:
                return None
            used = int(self.used.read_text())
            lines = self.stat.read_text().splitlines()
            rows = dict(line.split() for line in lines)
            return used - sum(int(rows.get(name, 0)) for name in self.cache), int(limit)
        except (OSError, ValueError):
            return None


def limiting(own: Path = OWN, root: Path = ROOT) -> tuple[Group, ...]:
    """The group of this process, and those above it that are limited by now."""
    found: list[Group] = []
    for folder, name, first in _places(own, root, "memory"):
        found += _chain(folder, name, _first if first else _second)
    return tuple(found)


def tasks(own: Path = OWN, root: Path = ROOT) -> tuple[int, int] | None:
    """Tasks (threads count too) that there are and may be, where that is tightest."""
    found: list[tuple[int, int]] = []
    for folder, name, _ in _places(own, root, "pids"):
        for place in _upwards(folder, name):
            try:
                most = int((place / "pids.max").read_text())
                found.append((int((place / "pids.current").read_text()), most))
            except (OSError, ValueError):
                continue  # "max", or the root, which is not limited
    return min(found, key=lambda one: one[1] - one[0], default=None)


def _places(own: Path, root: Path, kind: str) -> Iterator[tuple[Path, str, bool]]:
    """Where the process's groups of a kind are: folder, name in it, and if of version 1."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, name = line.split(":", 2)
        if kinds == "":
            yield root, name, False
        elif kind in kinds.split(","):
            yield root / kind, name, True


def _chain(root: Path, name: str, make: Callable[[Path], Group]) -> Iterator[Group]:
    """From the group itself up to the root."""
    for number, folder in enumerate(_upwards(root, name)):
        group = make(folder)
        if group.limit.is_file() and (number == 0 or group.left() is not None):
            yield group


def _upwards(root: Path, name: str) -> Iterator[Path]:
    """The group's folder and those above it; in a container the root is the group itself."""
    place = root / name.lstrip("/")
    if not place.is_dir():
        place = root
    for folder in (place, *place.parents):
        yield folder
        if folder == root:
            return


def _first(folder: Path) -> Group:
    cache = ("total_inactive_file", "total_active_file")
    limit, used = folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes"
    return Group(limit, used, folder / "memory.stat", cache)


def _second(folder: Path) -> Group:
    cache = ("inactive_file", "active_file")
    return Group(folder / "memory.max", folder / "memory.current", folder / "memory.stat", cache)
