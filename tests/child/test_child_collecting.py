"""What a child's collector of cycles looks through: what calls leave, never what was loaded."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc
from freeloader.child.inside import collecting
class Ring:
    ended = 0
    def __init__(self): self.ring = self
    def __del__(self): Ring.ended += 1
collecting.while_loading()
assert not gc.isenabled()
loaded = [[] for _ in range(50_000)]
collecting.loaded()
assert gc.isenabled()
looked_through = gc.get_objects()
assert not any(one is loaded[0] for one in looked_through)
before = len(looked_through)
later = [[] for _ in range(50_000)]
collecting.loaded()
assert len(gc.get_objects()) < before + 1_000
for _ in range(3): Ring()
gc.collect()
print(Ring.ended)
"""


def test_what_is_loaded_is_left_alone_and_what_calls_leave_is_found() -> None:
    """In a process of its own: what is put aside there stays aside."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.strip() == "3", done.stderr
