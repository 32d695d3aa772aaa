"""After a client left a stream: what the provider has said already is still heard.

A provider writes as fast as it can, and bills what it wrote; a part of that lies in buffers
between it and us, most of it where the client read slowly. So the stream is read on until
nothing lies ready, and no longer than a moment: the rest is never ordered. It books nothing.
"""

from __future__ import annotations

import asyncio

from freeloader.gateway.attempts import Watch

#: How often it is looked whether anything came, in seconds; how often in a row nothing may have
#: come; and how often it is looked at all.
LOOK_S, QUIET, MOST = 0.01, 2, 20
#: No model speaks this fast (events in all these looks): what is not heard even then was said
#: before, and nobody knows how much of it there is.
BACKLOG = 300


class LastWords:
    """Ends ``task``, which reads the stream, once all that lay ready was read."""

    def __init__(self, watch: Watch, task: asyncio.Task[None]) -> None:
        self._watch, self._task = watch, task
        self._began = self._seen = watch.events
        self._looks = self._quiet = 0
        self._next()

    def _next(self) -> None:
        asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        if self._task.done() or self._watch.ended_at is not None:
            return  # it came to its end, and is settled by that
        seen, self._looks = self._watch.events, self._looks + 1
        self._quiet = self._quiet + 1 if seen == self._seen else 0
        self._seen = seen
        late = self._looks >= MOST
        if late and seen - self._began > BACKLOG:
            self._watch.unheard = True
        if late or self._quiet >= QUIET:
            self._task.cancel()
        else:
            self._next()
