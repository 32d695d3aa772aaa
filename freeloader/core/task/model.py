"""The trained part: a text's marks → how likely each task is, and what a strong model would gain.

Weights are whole numbers, several heads packed into one Python integer per mark, so that
one addition moves all heads at once: a text costs a sum, not a matrix. Made by
``scripts/train_task.py``; where they come from is said in ``NOTICE.md`` beside them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import exp, log
from typing import Any

from freeloader.core.task.cues import CUE_NAMES
from freeloader.core.task.text import BUCKETS, marks

#: Bits of one head in a packed integer, and what is added so that no field is negative: a
#: thousand marks of 16 bits each stay below 28.
_BITS, _LIFT = 28, 1 << 15
#: Beyond so many characters a text is not more complex for being longer.
LONG = 4_000
_MASK = (1 << _BITS) - 1
_MAGIC = b"XSTASK1\n"


@dataclass(frozen=True, slots=True)
class Read:
    """What the weights make of a text: chances per task (they add up to 1), and the expected
    gain of a strong over a weak model as a share 0–1 of the texts it was trained on."""

    chances: Mapping[str, float]
    complexity: float


class Weights:
    """Heads in order: one per task, weak ok, strong ok, then one per family of questions."""

    def __init__(self, header: Mapping[str, Any], body: bytes) -> None:
        if header["cues"] != list(CUE_NAMES) or header["buckets"] != BUCKETS:
            raise ValueError("the task weights do not belong to these cues: train them anew")
        self.tasks: tuple[str, ...] = tuple(header["tasks"])
        self._heads = len(header["scales"])
        self._scales: list[float] = header["scales"]
        self._biases: list[float] = header["biases"]
        self._gains: list[float] = header["gains"]
        self._blend: Mapping[str, Sequence[float]] = header["blend"]
        self._kinds: list[int] = header["known"]["kind"]
        self._since: list[tuple[float, float]] = header["known"]["since"]
        self._steps: list[float] = header["steps"]
        heads, split = self._heads, BUCKETS * self._heads
        rows = memoryview(body).cast("b")
        self._rows = [_packed(rows[i : i + heads]) for i in range(0, split, heads)]
        cues = memoryview(body[split:]).cast("h")
        self._cues = [_packed(cues[i : i + heads]) for i in range(0, len(cues), heads)]

    def read(self, text: str, size: int | None = None) -> Read:
        """``text`` is cut already (``text.cut``); ``size`` is how long it was."""
        buckets, cues = marks(text)
        total = sum(map(self._rows.__getitem__, buckets)) + sum(map(self._cues.__getitem__, cues))
        lift = _LIFT * (len(buckets) + len(cues))
        values = [
            (((total >> (_BITS * h)) & _MASK) - lift) * self._scales[h] + self._biases[h]
            for h in range(self._heads)
        ]
        n, length = len(self.tasks), len(text) if size is None else size
        chances = dict(zip(self.tasks, _softmax(values[:n]), strict=True))
        return Read(chances, self._complexity(values[n], values[n + 1], values[n + 2 :], length))

    def _complexity(self, weak: float, strong: float, families: list[float], size: int) -> float:
        """Three views of the gain, each in its own deviations, then the share that lies below.

        What was learned about families counts as far as the text is of a known kind: of any
        other, what seems to be known misleads (measured), and length alone is asked.
        """
        chances = _softmax(families)
        learned = self._apart("gain", _sigmoid(strong) - _sigmoid(weak)) + self._apart(
            "family", sum(p * gain for p, gain in zip(chances, self._gains, strict=True))
        )
        length = self._apart("length", log(1 + min(size, LONG)))
        return _share_below(self._steps, self._known(chances) * learned + length)

    def _apart(self, view: str, value: float) -> float:
        share, mean, deviation = self._blend[view]
        return share * (value - mean) / deviation

    def _known(self, chances: Sequence[float]) -> float:
        """0–1: how surely this is one kind of question, measured by that kind's own texts."""
        sure = [0.0] * len(self._since)
        for kind, chance in zip(self._kinds, chances, strict=True):
            sure[kind] += chance
        surest = max(sure)
        low, high = self._since[sure.index(surest)]
        return max(0.0, min(1.0, (surest - low) / max(1e-9, high - low)))


def _packed(row: Sequence[int]) -> int:
    out = 0
    for head, value in enumerate(row):
        out |= (value + _LIFT) << (_BITS * head)
    return out


def _softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    powers = [exp(value - top) for value in values]
    whole = sum(powers)
    return [power / whole for power in powers]


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, value))))


def _share_below(steps: Sequence[float], value: float) -> float:
    """Where ``value`` lies among the quantiles ``steps``, 0–1, linear between them."""
    last = len(steps) - 1
    if value <= steps[0]:
        return 0.0
    for i in range(last):
        if value < steps[i + 1]:
            width = steps[i + 1] - steps[i]
            return (i + ((value - steps[i]) / width if width > 0 else 0.0)) / last
    return 1.0


def pack(header: Mapping[str, Any], body: bytes) -> bytes:
    """The file that ``unpack`` reads: JSON on one line, then the heads' numbers, compressed."""
    return _MAGIC + zlib.compress(json.dumps(header).encode() + b"\n" + body, 9)


def unpack(data: bytes) -> Weights:
    """Raises ValueError for what is no file of weights, or is for other cues."""
    if not data.startswith(_MAGIC):
        raise ValueError("not a file of task weights")
    head, body = zlib.decompress(data[len(_MAGIC) :]).split(b"\n", 1)
    return Weights(json.loads(head), body)


@lru_cache(maxsize=1)
def shipped() -> Weights:
    """The weights that come with the package: read once, 1 MB in memory."""
    return unpack(files("freeloader.core.task").joinpath("weights.bin").read_bytes())
