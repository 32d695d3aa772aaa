"""Every id of the catalogues of the door (H) and of secrets and supply (K) has a test of its name.

H1 slow clients · H2 huge and lying bodies · H3 smuggling and disguised paths · H4 names of the
host · H5 other pages' requests · H6 keys on every route · H7 the description is kept · H8 injection
· H9 overload · K1 planted keys · K2 modes of files · K3 where it listens · K4 what the child
offers · K5 what is installed · K6 who is called.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
IDS = {*(f"h{n}" for n in range(1, 10)), *(f"k{n}" for n in range(1, 7))}


def test_every_id_is_the_name_of_a_test() -> None:
    named: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        named.update(re.findall(r"def test_([hk]\d)_", file.read_text("utf-8")))
    assert named >= IDS
