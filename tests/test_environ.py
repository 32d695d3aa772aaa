from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from freeloader.secrets import forget
os.environ["LATER"] = "set-later"
forget(["PLANTED", "LATER", "MISSING"])
assert "PLANTED" not in os.environ and os.getenv("LATER") is None
assert os.environ["STAYS"] == "here"
shown = Path("/proc/self/environ")
if shown.exists():
    sys.stdout.buffer.write(shown.read_bytes())
"""


def test_a_forgotten_variable_is_gone_for_others_too() -> None:
    environ = {**os.environ, "PLANTED": "planted-secret", "STAYS": "here"}
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environ, capture_output=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    if not Path("/proc/self/environ").exists():
        pytest.skip("this system shows no environment in files")
    assert b"STAYS=here" in ran.stdout
    assert b"planted-secret" not in ran.stdout
