"""K1 for the whole run: every provider's key is known by a mark, and where the mark is seen.

``farm`` plants it in each key that a test hands to ``account add``; it looks through all that
the command line prints and the daemon answers, and at the processes before they end. Once all
tests are over, ``test_zz_planted_keys`` goes through everything that the daemons left behind.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import psutil

MARK = "Cn4ryQ7zKw2mXv9p"
#: Any eight characters of it are too many.
PARTS = tuple(MARK[at : at + 8] for at in range(len(MARK) - 7))
_ANY = re.compile("|".join(PARTS))
_ANY_BYTES = re.compile("|".join(PARTS).encode())
_KEY = re.compile(r"^key-[\w-]+$", re.MULTILINE)

#: Homes of the daemons of this run, and where a part of the mark was seen.
homes: list[Path] = []
seen: list[str] = []
planted: set[str] = set()


def plant(key: str) -> str:
    """The key as the provider gets it: with the mark, and otherwise one of a kind."""
    marked = f"{key}-{MARK}{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    planted.add(marked)
    return marked


def plant_all(typed: str) -> str:
    """Each line of ``typed`` that is a key of the tests' kind, planted."""
    return _KEY.sub(lambda found: plant(found[0]), typed)


def heard(where: str, said: str | bytes) -> None:
    """Looks through what was printed or answered."""
    found = _ANY_BYTES.search(said) if isinstance(said, bytes) else _ANY.search(said)
    if found is not None:
        seen.append(f"{where}: …{said[max(0, found.start() - 60) : found.end()]!r}")


def processes(pid: int) -> None:
    """Looks at the command lines and environments of a daemon and its children."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return
    for process in family:
        for name in ("cmdline", "environ"):
            try:
                heard(
                    f"/proc/{process.pid}/{name}", Path(f"/proc/{process.pid}/{name}").read_bytes()
                )
            except OSError:
                continue  # it has just ended


def left_behind(home: Path) -> int:
    """Looks through all files of a home (logs, databases and their WALs, crash reports) and what
    its daemon printed; how many there were."""
    files = [*home.rglob("*"), home.parent / f"{home.name}.out", *home.parent.glob("core*")]
    found = 0
    for path in files:
        if not path.is_file():
            continue
        try:
            heard(str(path), path.read_bytes())
        except OSError:
            continue  # a socket's or a spool's file that has just gone
        found += 1
    return found
