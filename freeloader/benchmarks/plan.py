"""Which prompts may be put to which models now, without taking anything from anybody. Pure.

A local model costs nothing and is rated when it was first used, while nobody waits. A
cloud model is measured by real traffic alone until the owner gives a share of its quota
(never the last tenth of a window) or, where it can cost money, a monthly budget. By
itself only off peak; on the owner's word at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor

from freeloader.benchmarks.suite import Prompt

#: The last tenth of a window is the owner's.
RESERVE = 0.1
SPENT = "its share of the quota is used, or only the last tenth is left"
#: Repeats of a prompt: local models are asked twice, for their consistency.
LOCAL_REPEATS, CLOUD_REPEATS = 2, 1


@dataclass(frozen=True, slots=True)
class Window:
    """A quota of requests over a day or longer. ``probed``: by benchmarks, in this window."""

    amount: int
    remaining: int
    probed: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """One deployment that could be asked. ``done`` are (prompt id, repeat) of this round."""

    id: str
    local: bool
    billable: bool
    used: bool = False
    windows: tuple[Window, ...] = ()
    done: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Rules:
    """``share`` 0–1 of a window, ``budget_pico`` what is left of the month's budget.

    ``asked``: the owner said so, for these models (empty: for all); then it need not be
    off peak, and a local model need not have been used.
    """

    share: float = 0.0
    budget_pico: int = 0
    off_peak: bool = True
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One prompt to one deployment."""

    deployment: str
    prompt: Prompt
    repeat: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``left_out`` says of each deployment that is not asked why."""

    steps: tuple[Step, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def plan(subjects: Sequence[Subject], prompts: Sequence[Prompt], rules: Rules) -> Plan:
    """In turn over the deployments, so that a run cut short has a little of each."""
    left_out: dict[str, str] = {}
    queues: list[list[Step]] = []
    for subject in subjects:
        why = refusal(subject, rules)
        steps = [] if why else missing(subject, prompts)
        if not why and not steps:
            why = "rated in this round already"
        allowed = None if why else allowance(subject, rules)
        if why:
            left_out[subject.id] = why
        elif allowed is not None and allowed <= 0:
            left_out[subject.id] = SPENT
        else:
            queues.append(steps if allowed is None else steps[:allowed])
    longest = max((len(queue) for queue in queues), default=0)
    steps_in_turn = tuple(q[i] for i in range(longest) for q in queues if i < len(q))
    return Plan(steps_in_turn, left_out)


def refusal(subject: Subject, rules: Rules) -> str | None:
    """Why a deployment may not be asked at all; None where it may."""
    if subject.local:
        return None if subject.used or rules.asked else "not used yet"
    if not rules.asked and not rules.off_peak:
        return "not off peak"
    if subject.billable:
        if rules.budget_pico <= 0:
            return "it costs money: benchmarking.budget.monthly is not set, or used"
        return None
    if rules.share <= 0:
        return "measured by real traffic: benchmarking.quota_share is not set"
    if not subject.windows:
        return "nobody knows its limits"
    return None


def allowance(subject: Subject, rules: Rules) -> int | None:
    """How many requests of its windows may be taken now; None: it has none to spare."""
    if subject.local or not subject.windows:
        return None
    return min(_spare(window, subject, rules) for window in subject.windows)


def _spare(window: Window, subject: Subject, rules: Rules) -> int:
    left = window.remaining - ceil(window.amount * RESERVE)
    if subject.billable:  # paid for: the budget says how much
        return left
    return min(left, floor(window.amount * rules.share) - window.probed)


def missing(subject: Subject, prompts: Sequence[Prompt]) -> list[Step]:
    """What was not asked in this round."""
    repeats = LOCAL_REPEATS if subject.local else CLOUD_REPEATS
    return [
        Step(subject.id, prompt, repeat)
        for repeat in range(repeats)
        for prompt in prompts
        if (prompt.id, repeat) not in subject.done
    ]


def within(hours: str, hour: int, minute: int) -> bool:
    """Whether a time of day lies in ``22:00-07:00``."""
    start, end = (_minutes(part) for part in hours.split("-"))
    now = hour * 60 + minute
    return start <= now < end if start <= end else now >= start or now < end


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def named(id_: str, wanted: Collection[str]) -> bool:
    """Whether a deployment ``provider@idx/model`` is meant by one of the names."""
    account, _, model = id_.partition("/")
    provider = account.partition("@")[0]
    names = {id_, f"{provider}/{model}", model, provider, account}
    return not wanted or bool(names & set(wanted))
