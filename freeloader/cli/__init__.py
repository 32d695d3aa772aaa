"""The command line: a client of the daemon's HTTP API, and the daemon's life cycle.

It holds no logic of its own: what changes accounts, keys and settings goes to
the daemon, or to ``manage`` where the daemon is stopped. One module per noun
in ``commands/``.
"""

from __future__ import annotations

from freeloader.cli.entry import main

__all__ = ["main"]
