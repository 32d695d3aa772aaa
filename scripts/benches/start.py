"""Start to ready, and memory, of daemon and child. The measuring is ``overhead``'s."""

from __future__ import annotations

import overhead


def main(argv: list[str]) -> int:
    return overhead.main(argv, "start")
