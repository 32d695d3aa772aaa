"""What is asked, by need and size and by hour, learnt from the requests so far.

Needs and sizes are shares that fade over days; somebody is taken to need more before any
was seen. How much comes in which hour is ``core.pacing.hours``'s, how busy the latest
minutes are ``core.pacing.rush``'s. It reads no clock, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from freeloader.core.pacing.hours import HOUR, Hours
from freeloader.core.pacing.rush import Rush

#: Needs fade by this share in every hour: half of them in two days.
_FADE = 0.985
#: So many requests that need the most there is are imagined before any was seen.
_PRIOR_NEED = 5.0
#: What a request counts for among the hard ones grows by this power of its need, to one.
_MOST_NEEDED, _POWER = 10.0, 4
#: Tokens of a request (all, input) where none was seen, and what one more counts in the mean.
_TOKENS, _INPUT, _MEAN = 1000.0, 700.0, 1 / 256
#: Different needs kept; they are halves of intelligence, so no more exist.
_NEEDS_MAX = 24
#: Different needs and sizes kept; and as little as is worth keeping.
_SORTS_MAX, _FEW = 48, 0.01
#: Answers of a sort from which on their mean is believed.
_ANSWERED = 4.0


class Wanted(NamedTuple):
    """Those who need more: their ``share`` of all requests, and who they mostly are."""

    share: float
    label: str


class Sort(NamedTuple):
    """Requests of one need and about one ``size`` (the power of two of the tokens that were
    expected): their ``share`` of all, and the mean tokens of them, as answers told."""

    need: float
    size: int
    share: float
    read: int
    written: int


class Demand(Hours):
    """The hours, and what is asked in them. ``mean_tokens`` and ``mean_input`` are of one
    request."""

    __slots__ = ("_hard", "_labels", "_needs", "_sorts", "_total", "mean_input", "mean_tokens",
                 "rush")  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._needs: dict[float, float] = {}
        self._labels: dict[float, str] = {}
        self._total = 0.0
        #: By need and power of two of its tokens: how many, their input, their output; and
        #: how many were answered, and what these came to.
        self._sorts: dict[tuple[float, int], list[float]] = {}
        self.mean_tokens, self.mean_input = _TOKENS, _INPUT
        self.rush = Rush()
        self._hard = Hours()  # the same hours, in which a request counts for what it needs

    def note(self, need: float, label: str, read: int, written: int, now: float) -> None:
        """One request that holds ``need``, with the tokens it likely comes to."""
        ended = self.count(now)
        self._hard.count(now, (need / _MOST_NEEDED) ** _POWER)
        if ended:
            self._fade(_FADE**ended)
        if self.rush.ends(now):
            self.rush.learn(self.usual(now), now)
        self.rush.note(now)
        self.mean_input += _MEAN * (read - self.mean_input)
        self.mean_tokens += _MEAN * (read + written - self.mean_tokens)
        sort = need, _ = sort_of(need, read + written)
        if need in self._needs or len(self._needs) < _NEEDS_MAX:
            self._needs[need] = self._needs.get(need, 0.0) + 1.0
            self._total += 1.0
            self._labels[need] = label
        if sort in self._sorts or len(self._sorts) < _SORTS_MAX:
            counts = self._sorts.setdefault(sort, [0.0] * 6)
            counts[0] += 1.0
            counts[1] += read
            counts[2] += written

    def came_to(self, sort: tuple[float, int], read: int, written: int) -> None:
        """What one of a sort (need, size) really took: clients ask for more than they get."""
        counts = self._sorts.get(sort)
        if counts is not None:
            counts[3] += 1.0
            counts[4] += read
            counts[5] += written

    @property
    def spread_of_hard(self) -> float:
        """``spread``, of those alone who need much: a rush of easy ones tells nothing of them."""
        return self._hard.spread if self._hard.compared else self.spread

    def sorts(self) -> list[Sort]:
        """All requests by need and size, as they were of late."""
        whole = sum(counts[0] for counts in self._sorts.values())
        return [
            Sort(need, size, counts[0] / whole, *_means(counts))
            for (need, size), counts in self._sorts.items()
        ]

    def rate_over(self, seconds: float, now: float) -> float:
        """Requests a second that a window of so many seconds has to do with: of an average
        day, and for a window shorter than an hour of the latest minutes, if they are busier."""
        lately = None if seconds >= HOUR else self.rush.rate(now)
        return self.rate if lately is None else max(self.rate, lately)

    def above(self, need: float, most: float) -> Wanted:
        """Requests that need more than ``need``, and for which ``most`` is enough."""
        much, best, label = _PRIOR_NEED if most > need else 0.0, 0.0, ""
        for wanted, weight in self._needs.items():
            if need < wanted <= most:
                much += weight
                if weight > best:
                    best, label = weight, self._labels[wanted]
        return Wanted(much / (self._total + _PRIOR_NEED), label)

    def dump(self) -> dict[str, Any]:
        return super().dump() | {
            "needs": [[n, w, self._labels[n]] for n, w in self._needs.items()],
            "sorts": [[need, size, *x] for (need, size), x in self._sorts.items()],
            "means": [self.mean_tokens, self.mean_input],
            "rush": list(self.rush.sums),
            "hard": self._hard.dump(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError, KeyError or TypeError for what ``dump`` did not write."""
        needs = {float(n): (float(w), str(label)) for n, w, label in state["needs"][:_NEEDS_MAX]}
        tokens, read = (float(x) for x in state["means"])
        sorts = {
            (float(need), int(size)): [*(float(x) for x in counts), 0.0, 0.0, 0.0][:6]
            for need, size, *counts in state.get("sorts", [])[:_SORTS_MAX]
        }
        if any(len(counts) < 6 for counts in sorts.values()):
            raise ValueError("a sort has three counts or six")
        if "rush" in state:
            both, square = (float(x) for x in state["rush"])
            self.rush.put((both, square))
        if "hard" in state:
            self._hard.load(state["hard"])
        super().load(state)
        self._needs = {n: weight for n, (weight, _) in needs.items()}
        self._labels = {n: label for n, (_, label) in needs.items()}
        self._sorts = {sort: x for sort, x in sorts.items() if x[0] > 0}
        self._total = sum(self._needs.values())
        self.mean_tokens, self.mean_input = tokens, read

    def _fade(self, part: float) -> None:
        """Only so much of what was asked before still counts."""
        self._total *= part
        for need in self._needs:
            self._needs[need] *= part
        faded = {sort: [part * x for x in counts] for sort, counts in self._sorts.items()}
        self._sorts = {sort: counts for sort, counts in faded.items() if counts[0] > _FEW}


def sort_of(need: float, tokens: int) -> tuple[float, int]:
    """The need in halves, and the power of two of the tokens."""
    return round(need * 2) / 2, tokens.bit_length()


def _means(counts: Sequence[float]) -> tuple[int, int]:
    """Input and output of one: what was expected, until as many were answered as to go by."""
    many, read, written, answered, input_, output = counts
    if answered >= _ANSWERED:
        return round(input_ / answered), round(output / answered)
    return round(read / many), round(written / many)
