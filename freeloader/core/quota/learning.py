"""Limits that nobody publishes, learnt from what passed and from what was refused.

A lesson is of one metric over one span at one account (or model there). What passed in
one span is a lower bound; how much had passed when a refusal named that span an upper
one. Two refusals that agree are believed enough to stop before the third. Where nothing
tells whether a limit is a model's or the whole account's, both are learnt: that refusals
of two models agree on what the account had used is no chance, and then it is the
account's, unless the model's own lesson is the surer one. A limit that was reached
without a refusal is stretched a little, ever more rarely the surer it is, so that
learning never needs a call of its own. Pure; counts come from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: So many refusals that agree make a limit that is kept to.
BELIEVED = 2
#: And so many are as good as a published one that one source confirms.
SURE = 4
#: Refusals agree that lie within this share of each other.
_AGREE = 0.2
#: A limit that was reached without a refusal grows by this share, by one at least.
_STRETCH = 0.1
#: A stretch waits so many spans after the first agreement, twice as many after each further.
_PATIENCE = 2.0
#: Refusals in a row far below what has passed before that say the limit is lower now.
_LOWERED = 3
#: Refusals of so many models must agree, where none says that it is the account's limit.
_MODELS = 2


@dataclass(slots=True)
class Lesson:
    """What is known of one limit. Amounts in the metric's unit; times in wall seconds.

    ``agreed`` counts the refusals behind ``upper``; ``odd`` those in a row that came far too
    early for it: the key is used elsewhere too, or the limit was lowered. ``said``: a refusal
    told whose limit it is; until one does, ``models`` are (some of) those that were refused.
    """

    lower: int = 0
    upper: int | None = None
    agreed: int = 0
    odd: int = 0
    refusals: int = 0
    changed_at: float = 0.0
    said: bool = False
    models: tuple[str, ...] = ()

    @property
    def confidence(self) -> str:
        """``low`` until two refusals agree, ``high`` from four on."""
        if self.upper is None or self.agreed < BELIEVED:
            return "low"
        return "high" if self.agreed >= SURE else "medium"

    @property
    def amount(self) -> int | None:
        """The limit to keep to; None while too little is known."""
        if self.upper is None or self.agreed < BELIEVED:
            return None
        return max(1, self.upper)


def passed(lesson: Lesson, count: int, span: float, now: float) -> bool:
    """``count`` was consumed in the span that ends now, and nothing was refused.

    True where the limit in force changed.
    """
    lesson.lower = max(lesson.lower, count)
    if lesson.upper is None or count < lesson.upper:
        return False
    lesson.odd = 0
    before = lesson.amount
    if count > lesson.upper:
        lesson.upper, lesson.changed_at = count, now
        return lesson.amount != before
    patience = span * _PATIENCE * 2.0 ** min(10, max(0, lesson.agreed - BELIEVED))
    if now - lesson.changed_at >= patience:
        lesson.upper += max(1, int(lesson.upper * _STRETCH))
        lesson.changed_at = now
    return lesson.amount != before


def refused(lesson: Lesson, count: int, now: float, model: str | None = None) -> bool:
    """A refusal named this limit when ``count`` had passed in the span.

    ``model``: which one was refused, where nothing tells whose limit it is. True where the
    limit in force changed. A refusal with nothing before it teaches nothing: somebody else
    used the key, or it is not on this plan.
    """
    lesson.refusals += 1
    before = lesson.amount
    if count < 1:
        return False
    if lesson.lower and count < lesson.lower * (1 - _AGREE) / 2:
        lesson.odd += 1
        if lesson.odd < _LOWERED:
            return False
        lesson.lower, lesson.upper, lesson.agreed = count, None, 0
    near = lesson.upper is not None and abs(count - lesson.upper) <= _AGREE * lesson.upper + 1
    if lesson.upper is None or not near:
        lesson.upper, lesson.agreed, lesson.models = count, 1, ()
    else:
        lesson.upper, lesson.agreed = min(count, lesson.upper), lesson.agreed + 1
    _whose(lesson, model, now)
    return lesson.amount != before


def named(lesson: Lesson, amount: int, now: float, model: str | None = None) -> bool:
    """A refusal says how large this limit is: that is believed at once. Else as ``refused``."""
    before = lesson.amount
    lesson.refusals += 1
    lesson.agreed = max(BELIEVED, lesson.agreed + 1 if lesson.upper == amount else 0)
    lesson.upper = amount
    _whose(lesson, model, now)
    return lesson.amount != before


def _whose(lesson: Lesson, model: str | None, now: float) -> None:
    """A refusal was believed; ``model`` as in ``refused``."""
    if model is None:
        lesson.said = True
    elif len(lesson.models) < _MODELS and model not in lesson.models:
        lesson.models = (*lesson.models, model)
    lesson.odd, lesson.changed_at = 0, now
    lesson.lower = min(lesson.lower, lesson.upper or 0)


def kept(account: Lesson, model: Lesson) -> tuple[bool, bool]:
    """Which of two lessons of one span are kept to: the account's, the model's."""
    told = account.said or (
        len(account.models) >= _MODELS and (model.said or account.agreed > model.agreed)
    )
    whole = account.amount is not None and told
    return whole, model.amount is not None and (model.said or not whole)


def dump(lesson: Lesson) -> dict[str, Any]:
    """As JSON-ready data."""
    return {
        "lower": lesson.lower,
        "upper": lesson.upper,
        "agreed": lesson.agreed,
        "odd": lesson.odd,
        "refusals": lesson.refusals,
        "changedAt": lesson.changed_at,
        "said": lesson.said,
        "models": list(lesson.models),
    }


def load(state: Mapping[str, Any]) -> Lesson:
    """Raises KeyError, TypeError or ValueError for what is no dumped lesson."""
    upper = state["upper"]
    return Lesson(
        int(state["lower"]),
        None if upper is None else int(upper),
        int(state["agreed"]),
        int(state["odd"]),
        int(state["refusals"]),
        float(state["changedAt"]),
        bool(state.get("said", True)),
        tuple(str(model) for model in state.get("models", ()))[:_MODELS],
    )
