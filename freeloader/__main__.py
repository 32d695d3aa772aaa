"""``python -m freeloader`` is the same as ``xswarm``."""

from __future__ import annotations

import sys

from freeloader.cli import main

if __name__ == "__main__":
    sys.exit(main())
