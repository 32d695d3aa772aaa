"""What in a request must not leave the machine: found, counted by kind, never kept.

``scan`` counts; ``Own`` holds an owner's own patterns and words; ``Found`` carries the counts
with an owner's wish (``local-only | block | warn | off``). No text that was
found is ever returned, so none of it can reach a log, a decision or an error.
"""

from freeloader.core.privacy.own import Own
from freeloader.core.privacy.scan import KINDS, LARGE, scan
from freeloader.core.privacy.walk import texts
from freeloader.core.privacy.wish import WISHES, Found, Watching, combined, told

__all__ = [
    "KINDS",
    "LARGE",
    "WISHES",
    "Found",
    "Own",
    "Watching",
    "combined",
    "scan",
    "texts",
    "told",
]
