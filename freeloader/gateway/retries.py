"""The budget of retries: no more than a fifth of the requests, over a sliding window.

When everything breaks at once, falling back multiplies what the providers have to bear;
this bounds it for the whole daemon, and leaves a few to a quiet one. A retry that was
answered gives its place back: where others can serve, there is no storm. It counts and
answers yes or no; what a retry is, the pipeline knows.
"""

from __future__ import annotations

from collections import deque

#: Retries per request, and how many there may be in any window whatever the traffic.
SHARE, AT_LEAST = 0.2, 3
WINDOW_S = 5.0
#: Moments kept; with more requests than that in a window the oldest count no more.
_KEPT = 20_000


class RetryBudget:
    """``now`` is monotonic seconds, and never goes back."""

    def __init__(self) -> None:
        self._requests: deque[float] = deque(maxlen=_KEPT)
        self._retries: deque[float] = deque(maxlen=_KEPT)

    def request(self, now: float) -> None:
        """A request came in."""
        self._requests.append(now)

    def clear(self) -> None:
        """As if nothing had been retried: the owner ended all pauses."""
        self._retries.clear()

    def allow(self, now: float) -> bool:
        """True, and counted, where one more retry fits."""
        for moments in (self._requests, self._retries):
            while moments and moments[0] <= now - WINDOW_S:
                moments.popleft()
        if len(self._retries) >= max(AT_LEAST, SHARE * len(self._requests)):
            return False
        self._retries.append(now)
        return True

    def answered(self, since: float) -> None:
        """The retry that was allowed at ``since`` was answered."""
        if since in self._retries:
            self._retries.remove(since)
