"""What people said of a model's answers → how far its intelligence for a task is moved.

A Bayesian average: every model starts with ``PRIOR`` imagined votes in the middle, so one
vote moves little and many move up to ``MOST`` points. Pure; keeps nothing.
"""

from __future__ import annotations

from typing import NamedTuple

#: Imagined votes of 0.5 that a model starts with.
PRIOR = 5
#: Points of intelligence (1–10) that unanimous votes without end would move.
MOST = 3.0


class Opinion(NamedTuple):
    """Votes on one model at one task: how many, and the sum of their scores 0–1."""

    votes: int = 0
    total: float = 0.0

    @property
    def average(self) -> float:
        """The Bayesian average, 0–1; 0.5 without votes."""
        return (PRIOR * 0.5 + self.total) / (PRIOR + self.votes)

    @property
    def shift(self) -> float:
        """Points of intelligence, ``-MOST`` to ``MOST``, without ever reaching them."""
        return MOST * (2 * self.average - 1)
