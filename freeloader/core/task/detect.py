"""A turn → its task, with a confidence and a complexity. The order of the tests is the point.

1. ``metadata.taskType`` overrides. 2. Tools have been called or have answered since the last
user turn, or one must be called: ``agent_step``. 3. An image in the turn: ``image``. 4. The
turn's own words. Tools that are only on offer change nothing, unless the turn asks for
exactly what one of them does (and its words name no other task): the same question in an
agent's big prompt is the same question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from freeloader.core.task import TASKS
from freeloader.core.task.model import Weights, shipped
from freeloader.core.task.plain import plain_task
from freeloader.core.task.text import asked, cut
from freeloader.core.task.turn import Turn, stem, words_of_tool

#: How often a task that was named by words is right (measured on held-out sources).
_PLAIN_CONFIDENCE = 0.95
#: A trained guess below this is no better than saying ``chat``; acting costs more than talking.
CONFIDENT = 0.4
#: An action is more than an answer: it takes more to believe in one.
_CONFIDENT_ACTION = 0.5
#: A turn asks for a tool if it says what the tool is about and so many of its words in all; or
#: if it says that in one short breath that is no talk. Longer ones share words by chance.
_NAMED_WORDS, _REQUEST_MAX, _BREATH_MAX = 2, 240, 80
_TALK = re.compile(
    r"\W*(?:please |can you |could you )?(?:explain|describe|write|tell|why|who|compose|discuss"
    r"|define|imagine|compare|how do|how does|how can|what are|what do)\b"
)
_WORD = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True)
class Task:
    """``confidence`` and ``complexity`` 0–1; ``by``: ``client | structure | words | weights``."""

    name: str
    confidence: float
    complexity: float
    by: str


def detect(turn: Turn, override: str | None = None, weights: Weights | None = None) -> Task:
    """The task of a turn; ``override`` is the client's own word for it."""
    text = cut(turn.text)
    size = max(turn.size, len(text))
    read = (weights or shipped()).read(text, size)
    if override in TASKS:
        return Task(override, 1.0, read.complexity, "client")
    if turn.at_work or turn.forced:
        return Task("agent_step", 1.0, read.complexity, "structure")
    if turn.images:
        return Task("image", 1.0, read.complexity, "structure")
    words = asked(text)
    named = plain_task(words, size)
    if named is not None:
        return Task(named, _PLAIN_CONFIDENCE, read.complexity, "words")
    return _weighed(turn, words, read.chances, read.complexity)


def _weighed(turn: Turn, words: str, chances: Mapping[str, float], complexity: float) -> Task:
    best = max(chances, key=lambda name: chances[name])
    chance = chances[best]
    if best not in ("chat", "agent_step") and chance >= CONFIDENT:
        return Task(best, chance, complexity, "weights")
    if turn.offered and _names_a_tool(words, turn):
        return Task("agent_step", max(chance, CONFIDENT), complexity, "structure")
    if best == "agent_step" and chance >= _CONFIDENT_ACTION:
        return Task(best, chance, complexity, "weights")
    return Task("chat", chances["chat"], complexity, "weights")


def _names_a_tool(words: str, turn: Turn) -> bool:
    """Does the turn ask for what one of the tools on offer does?"""
    if turn.size > _REQUEST_MAX or _TALK.match(words):
        return False
    said = {stem(word) for word in _WORD.findall(words)}
    short = turn.size <= _BREATH_MAX
    for tool in turn.offered:
        about, every = words_of_tool(tool)
        if about and about <= said and (short or len(said & every) >= _NAMED_WORDS):
            return True
    return False
