"""The composition root: a home → a running daemon, or its management while it is stopped.

``run`` is what ``xswarm start`` calls; ``offline`` is what the command line uses
for accounts, keys and settings when no daemon runs.
"""

from freeloader.app.offline import Offline, offline
from freeloader.app.running import run

__all__ = ["Offline", "offline", "run"]
