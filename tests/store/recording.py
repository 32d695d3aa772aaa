"""Records what SQLite writes and syncs, and rebuilds what a power cut may leave of it.

A VFS that passes everything on to the default one and notes writes, truncations and
syncs. After a cut a file has all that was written before its last sync, and of what
came later any part, torn anywhere between two sectors.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

SECTOR = 512
_POINTER = ctypes.c_void_p


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("szOsFile", ctypes.c_int),
        ("mxPathname", ctypes.c_int),
        ("pNext", _POINTER),
        ("zName", ctypes.c_char_p),
        ("pAppData", _POINTER),
        ("xOpen", _POINTER),
        ("rest", _POINTER * 14),
    ]


class _Methods(ctypes.Structure):
    _fields_ = [
        ("iVersion", ctypes.c_int),
        ("xClose", _POINTER),
        ("xRead", _POINTER),
        ("xWrite", _POINTER),
        ("xTruncate", _POINTER),
        ("xSync", _POINTER),
        ("rest", _POINTER * 13),
    ]


_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, _POINTER, _POINTER, _POINTER, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, ctypes.c_int)


class Recorder:
    """From ``install`` on every file that this process opens is recorded, in ``log``:
    ``(kind, name, offset, data)``; ``w``rite, ``t``runcate, ``s``ync, or ``note``'s own."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str, int, bytes]] = []
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        self._tables: dict[int, _Methods] = {}

    def note(self, kind: str, name: str) -> None:
        self.log.append((kind, name, 0, b""))

    def install(self) -> bool:
        """False where SQLite is no shared library here: nothing is recorded then."""
        found = ctypes.util.find_library("sqlite3")
        if found is None:
            return False
        library = ctypes.CDLL(found)
        library.sqlite3_libversion.restype = ctypes.c_char_p
        if library.sqlite3_libversion().decode() != sqlite3.sqlite_version:
            return False
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        library.sqlite3_vfs_find.argtypes = [ctypes.c_char_p]
        default = library.sqlite3_vfs_find(None)
        ours = _Vfs.from_buffer_copy(default.contents)
        ours.pNext, ours.zName = None, b"recorder"
        opening = _OPEN(default.contents.xOpen)

        def opened(_: Any, name: int, file: int, flags: int, out: Any) -> int:
            # The name goes on as the pointer it is: SQLite keeps it, and parameters follow it.
            code = int(opening(ctypes.addressof(default.contents), name, file, flags, out))
            if code == 0:
                self._watch(file, ctypes.string_at(name).decode() if name else "")
            return code

        hook = _OPEN(opened)
        ours.xOpen = ctypes.cast(hook, _POINTER)
        self._kept += [ours, hook, library]
        library.sqlite3_vfs_register.argtypes = [ctypes.POINTER(_Vfs), ctypes.c_int]
        return bool(library.sqlite3_vfs_register(ctypes.byref(ours), 1) == 0)

    def _watch(self, file: int, name: str) -> None:
        slot = ctypes.cast(file, ctypes.POINTER(_POINTER))
        original = slot[0]
        if not original:
            return
        self._names[file] = Path(name).name
        if original not in self._tables:
            self._tables[original] = self._wrapped(original)
        slot[0] = ctypes.addressof(self._tables[original])

    def _wrapped(self, original: int) -> _Methods:
        plain = ctypes.cast(original, ctypes.POINTER(_Methods)).contents
        ours = _Methods.from_buffer_copy(plain)
        write, truncate, sync = (
            kind(at) for kind, at in ((_WRITE, plain.xWrite), (_TRUNCATE, plain.xTruncate),
                                      (_SYNC, plain.xSync))
        )  # fmt: skip

        def writing(file: int, data: int, size: int, offset: int) -> int:
            self.log.append(("w", self._names[file], offset, ctypes.string_at(data, size)))
            return int(write(file, data, size, offset))

        def truncating(file: int, size: int) -> int:
            self.log.append(("t", self._names[file], size, b""))
            return int(truncate(file, size))

        def syncing(file: int, flags: int) -> int:
            code = int(sync(file, flags))
            self.log.append(("s", self._names[file], 0, b""))
            return code

        hooks = (_WRITE(writing), _TRUNCATE(truncating), _SYNC(syncing))
        self._kept += hooks
        ours.xWrite, ours.xTruncate, ours.xSync = (ctypes.cast(h, _POINTER) for h in hooks)
        return ours


@dataclass
class Disk:
    """The files of one folder, as they are on the platter and as they were written."""

    safe: dict[str, bytearray]
    late: dict[str, list[tuple[str, int, bytes]]] = field(default_factory=dict)

    def apply(self, entry: tuple[str, str, int, bytes]) -> None:
        kind, name, offset, data = entry
        if kind in ("w", "t"):
            self.late.setdefault(name, []).append((kind, offset, data))
        elif kind == "s":
            content = self.safe.setdefault(name, bytearray())
            for late in self.late.pop(name, ()):
                _put(content, *late)

    def cut(self, random: Random, folder: Path) -> None:
        """Writes what a power cut now may leave into ``folder``."""
        share = random.choice((0.0, 0.3, 0.5, 0.9, 1.0))
        for name in {*self.safe, *self.late}:
            content = bytearray(self.safe.get(name, b""))
            for kind, offset, data in self.late.get(name, ()):
                if kind == "t":
                    if random.random() < share:
                        _put(content, kind, offset, data)
                    continue
                for at in range(0, len(data), SECTOR):
                    if random.random() < share:
                        _put(content, "w", offset + at, data[at : at + SECTOR])
            (folder / name).write_bytes(content)


def _put(content: bytearray, kind: str, offset: int, data: bytes) -> None:
    if kind == "t":
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
