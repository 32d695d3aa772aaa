"""How often a key may call: one token bucket per key, in memory. Reads no clock itself.

A bucket holds one minute's worth and refills steadily, so a key may spend its
minute at once and then gets the rest as it comes. Buckets of keys that are full
again are forgotten, so that memory stays bounded by the keys in use.
"""

from __future__ import annotations

from dataclasses import dataclass

_FORGET_ABOVE = 1024


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Buckets by key id. ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key_id: str, per_minute: int, now: float) -> float | None:
        """Take one request; None if it may go, else the seconds until one may."""
        bucket = self._buckets.get(key_id)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[key_id] = _Bucket(float(per_minute), now)
        rate = per_minute / 60
        refilled = bucket.left + max(0.0, now - bucket.at) * rate
        bucket.left, bucket.at = min(float(per_minute), refilled), now
        if bucket.left >= 1:
            bucket.left -= 1
            return None
        return (1 - bucket.left) / rate

    def _forget(self, now: float) -> None:
        """Any bucket is full after a minute, whatever its rate."""
        if len(self._buckets) >= _FORGET_ABOVE:
            self._buckets = {k: b for k, b in self._buckets.items() if now - b.at < 60}
