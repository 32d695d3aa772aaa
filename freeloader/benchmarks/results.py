"""Answers of a benchmark put together: quality per task, speed, success, consistency. Pure.

Quality is the share of checks that held. As evidence it counts like so many prompts
beside what the registry says of a model; where the registry says nothing it is all
there is, on our scale as ``1 + 9 × share`` (confidence low: our prompts are easy).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from types import MappingProxyType
from typing import Any

from freeloader.core.model import Model

#: How many of our prompts weigh as much as what the registry says of a model.
REGISTRY_WEIGHT = 60
#: Below so many judged answers nothing is concluded.
ENOUGH = 10
#: Our kinds of prompts, and the strength of a model that they speak of.
STRENGTHS: Mapping[str, str] = MappingProxyType(
    {
        "coding": "coding",
        "reasoning": "reasoning",
        "translation": "language",
        "summarization": "language",
        "instruction": "instruction",
        "json": "instruction",
    }
)


@dataclass(frozen=True, slots=True)
class Answered:
    """One prompt, once. ``score`` None: no answer came (``problem`` says why).

    Times are milliseconds; ``text`` is what two repeats are compared by.
    """

    prompt: str
    task: str
    score: float | None
    ms: float | None = None
    first_ms: float | None = None
    output: int = 0
    text: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    """What a deployment showed. ``None``: nothing is known. Quality and shares are 0 to 1."""

    answers: int
    success: float | None = None
    quality: float | None = None
    by_task: Mapping[str, float] = field(default_factory=dict)
    first_ms: float | None = None
    tokens_per_second: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    consistency: float | None = None
    judged: Mapping[str, int] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """JSON-ready, camelCase."""
        return {
            "samples": self.answers,
            "successRate": _rounded(self.success),
            "quality": {"overall": _rounded(self.quality), **_all(self.by_task)},
            "firstMs": _rounded(self.first_ms, 1),
            "tokensPerSecond": _rounded(self.tokens_per_second, 1),
            "p50Ms": _rounded(self.p50_ms, 1),
            "p95Ms": _rounded(self.p95_ms, 1),
            "consistency": _rounded(self.consistency),
        }


def rate(answers: Sequence[Answered]) -> Rating:
    """All answers of one deployment."""
    came = [one for one in answers if one.score is not None]
    if not answers:
        return Rating(0)
    by_task: dict[str, list[float]] = defaultdict(list)
    for one in came:
        by_task[one.task].append(one.score or 0.0)
    times = sorted(one.ms for one in came if one.ms is not None)
    firsts = [one.first_ms for one in came if one.first_ms is not None]
    speeds = [speed for one in came if (speed := _speed(one)) is not None]
    every = [score for scores in by_task.values() for score in scores]
    return Rating(
        answers=len(answers),
        success=len(came) / len(answers),
        quality=_mean(every),
        by_task={task: sum(scores) / len(scores) for task, scores in sorted(by_task.items())},
        first_ms=median(firsts) if firsts else None,
        tokens_per_second=median(speeds) if speeds else None,
        p50_ms=_at(times, 0.5),
        p95_ms=_at(times, 0.95),
        consistency=_consistency(came),
        judged={task: len(scores) for task, scores in by_task.items()},
    )


def _speed(one: Answered) -> float | None:
    """Tokens a second after the first one; None for an answer too short to tell."""
    if one.ms is None or one.first_ms is None or one.output < 2 or one.ms <= one.first_ms:
        return None
    return (one.output - 1) / ((one.ms - one.first_ms) / 1000)


def _consistency(came: Iterable[Answered]) -> float | None:
    """How often two answers to one prompt are judged alike and say the same."""
    groups: dict[str, list[Answered]] = defaultdict(list)
    for one in came:
        groups[one.prompt].append(one)
    shares = []
    for group in groups.values():
        pairs = [(a, b) for i, a in enumerate(group) for b in group[i + 1 :]]
        shares += [1.0 if a.text == b.text else 0.5 if a.score == b.score else 0.0
                   for a, b in pairs]  # fmt: skip
    return _mean(shares)


def rated(model: Model, rating: Rating) -> Model:
    """The model with what was shown here as evidence beside the registry's word."""
    if rating.quality is None or sum(rating.judged.values()) < ENOUGH:
        return model
    count = sum(rating.judged.values())
    shown = 1 + 9 * rating.quality
    intelligence = _blend(model.intelligence, shown, count)
    strengths = dict(model.strengths)
    for strength in sorted(set(STRENGTHS.values())):
        tasks = [task for task in rating.judged if STRENGTHS.get(task) == strength]
        judged = sum(rating.judged[task] for task in tasks)
        if judged:
            share = sum(rating.by_task[task] * rating.judged[task] for task in tasks) / judged
            known = model.strengths.get(strength, model.intelligence)
            strengths[strength] = round(_blend(known, 1 + 9 * share, judged), 2)
    said = f"benchmarked here: {rating.quality:.0%} of checks over {count} answers"
    evidence = {**model.evidence, "benchmark": said}
    return replace(
        model,
        intelligence=round(intelligence, 2),
        strengths=MappingProxyType(strengths),
        evidence=MappingProxyType(evidence),
    )


def _blend(known: float | None, shown: float, count: int) -> float:
    """The mean of what the registry says and what was shown, by their weights."""
    if known is None:
        return shown
    return (known * REGISTRY_WEIGHT + shown * count) / (REGISTRY_WEIGHT + count)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _at(ordered: Sequence[float], share: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _all(shares: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in shares.items()}
