"""Nobody may serve, or everybody failed: the error that the client gets, and what to do next.

``refusing`` chooses where nothing was sent (``money`` and ``remedies`` word theirs),
``failing`` where attempts were made. Pure text and choice; nothing is sent here.
"""

from freeloader.gateway.refusal.failing import failed, overtime
from freeloader.gateway.refusal.refusing import earliest, not_served_yet, refused

__all__ = ["earliest", "failed", "not_served_yet", "overtime", "refused"]
