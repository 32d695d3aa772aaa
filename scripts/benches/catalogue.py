"""The catalogue of faults: each id, what it is about, and the tests that carry its name.

A test belongs to an id by its name (``test_s7_…``). What an id of money's and durability's
own half (R1–R4, R10–R15) is shown by is in the parts `crash`, `races`, `store` and `bill`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
_NAMED = re.compile(r"^(?:async )?def test_([a-z]\d+)_", re.MULTILINE)
FAULTS = {
    "r5": "clients that leave", "r6": "usage that lies", "r7": "prices nobody knows",
    "r8": "requests sent again", "r9": "every route counts",
    "s1": "the child dies", "s2": "crash loop", "s3": "the child hangs", "s4": "orphans",
    "s5": "the port is taken", "s6": "SIGTERM under load", "s7": "descriptors and memory",
    "s8": "soak", "s9": "upgrades",
    "u1": "nobody there", "u2": "hangs", "u3": "refusals with and without a wait",
    "u4": "flapping", "u5": "hostile streams", "u6": "failure after the first word",
    "u7": "redirects and steering",
    "h1": "slow clients", "h2": "huge and lying bodies", "h3": "smuggling, disguised paths",
    "h4": "names of the host", "h5": "other pages' requests", "h6": "keys on every route",
    "h7": "the description is kept", "h8": "injection", "h9": "overload",
    "k1": "planted keys", "k2": "modes of files", "k3": "where it listens",
    "k4": "what the child offers", "k5": "what is installed", "k6": "who is called",
}  # fmt: skip


def tests() -> Counter[str]:
    """Id → how many tests carry it."""
    found: Counter[str] = Counter()
    for file in TESTS.rglob("test_*.py"):
        found.update(
            re.findall(r"^(?:async )?def test_([a-z]\d+)_", file.read_text("utf-8"), re.MULTILINE)
        )
    return found


def table() -> str:
    """One line per id; an id without a test is called MISSING."""
    found = tests()
    lines = ["", "## catalogue: tests by id", ""]
    for name, about in FAULTS.items():
        count = found[name]
        lines.append(f"{name.upper():4s} {about:34s} {count or 'MISSING'}")
    return "\n".join(lines)
