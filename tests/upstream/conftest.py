"""Helpers of the neighbouring rooms are found from here too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).parents[1] / name) for name in ("acceptance", "gateway", "lanes")
]
