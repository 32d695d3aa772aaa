"""Which deployment answers a request, and who is refused why. Pure; nothing is reserved here.

``asking`` has the question and its answer; ``judging`` puts it to every candidate (``gates``,
``steps``, ``soft``, and ``paying`` for those that can be billed); ``deciding`` walks them;
``bounds`` says what is to be held; ``relax`` what would have to give where nobody may serve.
"""

from freeloader.core.routing.asking import ALTERNATIVES, Ask, Candidate, Decision
from freeloader.core.routing.deciding import decide, explain, passing_of, refusals, scored
from freeloader.core.routing.judging import in_order, judge, judged
from freeloader.core.routing.paying import money

__all__ = [
    "ALTERNATIVES",
    "Ask",
    "Candidate",
    "Decision",
    "decide",
    "explain",
    "in_order",
    "judge",
    "judged",
    "money",
    "passing_of",
    "refusals",
    "scored",
]
