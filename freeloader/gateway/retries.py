"""The budget of retries: no more than a fifth of the requests, over a sliding window.

When everything breaks at once, falling back multiplies what the providers have to bear;
this bounds it for the whole daemon, and leaves a few to a quiet one. It counts and
answers yes or no; what a retry is, the pipeline knows.
"""

from __future__ import annotations

from collections import deque

#: Retries per request, and how many there may be in any window whatever the traffic: a
#: provider that dies takes all that it has at that moment, and the others can bear those.
SHARE, AT_LEAST = 0.2, 100
WINDOW_S = 10.0
#: Moments kept; with more requests than that in a window the oldest count no more.
_KEPT = 20_000


class RetryBudget:
    """``now`` is monotonic seconds, and never goes back."""

    def __init__(self, at_least: int = AT_LEAST) -> None:
        self._at_least = at_least
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
        if len(self._retries) >= max(self._at_least, SHARE * len(self._requests)):
            return False
        self._retries.append(now)
        return True
