"""How intelligent a model a request needs, from its task and complexity: steps, not a slope.

Beyond its need nothing counts in favour of a stronger model (``scoring.quality_value``):
simple work stays on small models, complex work is lifted, and nobody switches anything.
Steps, because the same question in other words must need the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

#: (complexity from which on, intelligence needed), the first from 0 on.
Steps = tuple[tuple[float, float], ...]

#: On the registry's scale (llama-3.1-8b 1.8, gpt-oss-120b 5.0, gemma-4-31b 7.0). Half of all
#: everyday prompts lie under 0.2 of complexity, half of the hard ones in arenas over 0.55.
DEFAULTS: Mapping[str, Steps] = MappingProxyType(
    {
        "chat": ((0.0, 2.0), (0.5, 4.0), (0.85, 6.0)),
        "coding": ((0.0, 4.0), (0.5, 6.0), (0.85, 8.0)),
        "reasoning": ((0.0, 4.0), (0.5, 6.0), (0.85, 8.0)),
        "summarization": ((0.0, 2.0), (0.5, 3.5), (0.85, 5.0)),
        "translation": ((0.0, 2.0), (0.5, 3.5), (0.85, 5.0)),
        "image": ((0.0, 4.0), (0.5, 5.0), (0.85, 6.0)),
        "agent_step": ((0.0, 5.0), (0.5, 6.5), (0.85, 8.0)),
    }
)


@dataclass(frozen=True, slots=True)
class Curve:
    """An owner's steps by task, over the defaults."""

    steps: Mapping[str, Steps] = field(default_factory=lambda: DEFAULTS)

    def need(self, task: str, complexity: float) -> float:
        """Intelligence 1–10. More complexity never needs less where the steps rise."""
        steps = self.steps.get(task) or DEFAULTS["chat"]
        found = steps[0][1]
        for since, need in steps:
            if complexity < since:
                break
            found = need
        return found


def checked(points: Sequence[Sequence[float]]) -> Steps:
    """Steps as settings give them, sorted. Raises ValueError for what is no curve."""
    steps = tuple(sorted((float(point[0]), float(point[1])) for point in points))
    if not steps:
        raise ValueError("must hold at least one [complexity, need]")
    if not all(0 <= since <= 1 and 0 <= need <= 10 for since, need in steps):
        raise ValueError("complexity goes from 0 to 1, the need from 0 to 10")
    if any(second[1] < first[1] for first, second in pairwise(steps)):
        raise ValueError("more complexity cannot need less: the needs must not fall")
    return ((0.0, steps[0][1]), *steps) if steps[0][0] > 0 else steps
