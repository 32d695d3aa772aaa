"""What in a request must not leave the machine: found, counted by kind, never kept.

``scan.scan`` counts (whoever looks imports it: it compiles a hundred patterns); ``Own`` holds
an owner's own patterns and words; ``Found`` carries the counts with an owner's wish
(``local-only | block | warn | off``). No text that was found is ever returned, so none of it
can reach a log, a decision or an error.
"""

from freeloader.core.privacy.own import Own
from freeloader.core.privacy.walk import texts
from freeloader.core.privacy.wish import WISHES, Found, Watching, combined, told

__all__ = [
    "WISHES",
    "Found",
    "Own",
    "Watching",
    "combined",
    "texts",
    "told",
]
