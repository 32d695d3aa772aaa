"""Whom a multi-cast asks: N candidates at different providers, and the judge of their answers.

Members come in the order of the selection (``core.ranking.strategies``), each only if no gate,
pause, quota or budget refuses it *besides those taken before it*: what may be held in
one breath is the sum. A provider is asked once; ``diverse`` also prefers families that
are not among the members yet. Fewer than N is no error here: ``short`` says why. It
reserves nothing; a dry run and the real one ask the same question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from freeloader.core import routing
from freeloader.core.cast import judging
from freeloader.core.model import EMPTY, Deployment, Verdict
from freeloader.core.routing import Ask, Candidate, bounds
from freeloader.core.snapshot import Snapshot

#: How many that pass are compared when a judge is looked for: among equals in price one
#: that does not judge its own answer is taken.
_JUDGES = 12
#: Which refusal says most about why there are fewer members than wanted.
_TELLING = ("budget_exceeded", "price_unknown", "budget_busy", "quota_exhausted", "rate_limited")


@dataclass(frozen=True, slots=True)
class Party:
    """Who is asked. Each candidate has its ``hold`` filled in; ``hold`` is the sum in picodollars.

    ``short``: why there are fewer members than wanted (or no judge), "" where there are not.
    """

    members: tuple[Candidate, ...]
    wanted: int
    judge: Candidate | None = None
    judge_ask: Ask | None = None
    #: Bytes of conversation and of each answer that the judge's hold covers.
    judge_reads: tuple[int, int] = (0, 0)
    short: str = ""
    #: The first that were refused: what an answer tells beside its winner.
    refused: tuple[Candidate, ...] = ()
    #: All refusals by gate.
    counts: Mapping[str, int] = EMPTY
    #: Who would be a member too, were it not for what other requests hold right now.
    busy: Candidate | None = None
    #: Money keeps somebody out, or cuts somebody short, for good.
    costly: bool = False

    @property
    def hold(self) -> int:
        every = (*self.members, *((self.judge,) if self.judge is not None else ()))
        return sum(one.hold or 0 for one in every)


def party(ask: Ask, snapshot: Snapshot, no_judges: Mapping[str, Verdict] = EMPTY) -> Party:
    """The members that the policy wants, and the judge where it wants one.

    ``no_judges``: deployments that the books refused as judge. Where a budget has no
    room for members and judge together, a member less is asked.
    """
    wanted = ask.policy.targets
    members, refused = _members(ask, snapshot, wanted, (), 0)
    short = "" if len(members) >= wanted else _why(len(members), wanted, members, refused)
    told = tuple(refused[: routing.ALTERNATIVES])
    busy = _most_telling([c for c in refused if c.verdict and c.verdict.code == "budget_busy"])
    busy = busy if len(members) < wanted else None
    short_of_money = len(members) < wanted and any(_too_dear(c) for c in refused)
    costly = short_of_money or any(m.output is not None for m in members)
    counts = Counter(c.verdict.gate for c in refused if c.verdict is not None)
    found = Party(
        members, wanted, short=short, refused=told, busy=busy, costly=costly, counts=dict(counts)
    )
    if ask.policy.aggregation != "best" or len(members) < 2:
        return found
    return _judged(ask, snapshot, found, no_judges)


def another(ask: Ask, snapshot: Snapshot, beside: Sequence[Deployment]) -> Party:
    """One more member, at none of the providers of ``beside``, whose holds the books know."""
    members, refused = _members(ask, snapshot, 1, beside, 0)
    return Party(members, 1, short="" if members else _why(0, 1, members, refused))


def _members(
    ask: Ask, snapshot: Snapshot, wanted: int, beside: Sequence[Deployment], held: int
) -> tuple[tuple[Candidate, ...], list[Candidate]]:
    """Up to ``wanted`` members, and who was refused."""
    table = _Table(ask, snapshot, wanted, beside, held)
    for candidate in routing.judged(ask, snapshot):
        if table.full:
            break
        table.offer(candidate)
    table.fill()
    return tuple(table.members), table.refused


class _Table:
    """The seats of one party while they are being filled."""

    def __init__(
        self, ask: Ask, snapshot: Snapshot, wanted: int, beside: Sequence[Deployment], held: int
    ) -> None:
        self._ask, self._snapshot, self._wanted, self._held = ask, snapshot, wanted, held
        self._providers = {d.provider.id for d in beside}
        self._families = {d.model.family for d in beside}
        self._spared: list[Candidate] = []  # free ones that only somebody free may replace
        self._similar: list[Candidate] = []  # of a family that is a member already
        self._last: list[Candidate] = []  # serve only where nobody else can, or cut short
        self.members: list[Candidate] = []
        self.refused: list[Candidate] = []

    @property
    def full(self) -> bool:
        return len(self.members) >= self._wanted

    def offer(self, candidate: Candidate) -> None:
        deployment = candidate.deployment
        if candidate.verdict is not None:
            self.refused.append(candidate)
        elif deployment.provider.id in self._providers:
            return
        elif candidate.soft is not None and candidate.soft.only_free:
            self._spared.append(candidate)
        elif candidate.soft is not None or candidate.output is not None:
            self._last.append(candidate)
        elif self._ask.policy.selection == "diverse" and deployment.model.family in self._families:
            self._similar.append(candidate)
        else:
            passing = routing.passing_of(candidate, self._snapshot)
            if not passing.free:
                self._seat(self._spared)
            self._seat((candidate._replace(covered=passing.covered),))

    def fill(self) -> None:
        """With those that were put back: the family seen already, the spared, the last."""
        for waiting in (self._similar, self._spared, self._last):
            self._seat(waiting)

    def _seat(self, some: Iterable[Candidate]) -> None:
        for candidate in some:
            deployment = candidate.deployment
            if self.full or deployment.provider.id in self._providers:
                continue
            profile = self._ask.profile
            if candidate.output is not None:
                profile = bounds.bounded(profile, candidate.output)
            verdict = routing.money(self._ask, profile, self._snapshot, deployment, self._held)
            if verdict is not None:
                self.refused.append(candidate._replace(verdict=verdict))
                continue
            cost = bounds.hold_for(profile, deployment)
            self._held += cost or 0
            self._providers.add(deployment.provider.id)
            self._families.add(deployment.model.family)
            self.members.append(candidate._replace(hold=cost))


def _judged(ask: Ask, snapshot: Snapshot, found: Party, no_judges: Mapping[str, Verdict]) -> Party:
    """The party with its judge; smaller where a budget has no room for both."""
    refusal: Candidate | None = None
    for size in range(len(found.members), 1, -1):
        some = found.members[:size]
        asked = [m.deployment for m in some]
        question = replace(judging.ask(ask, asked), avoid={**(ask.avoid or {}), **no_judges})
        held = sum(m.hold or 0 for m in some)
        judge, refused = _cheapest(question, snapshot, some, held)
        if judge is not None:
            short = found.short
            if refusal is not None:
                short = f"{size} of {found.wanted} targets: more of them and a judge do not fit"
                short = f"{short} ({_said(refusal)})"
            reads = judging.sizes(ask, asked)
            return replace(
                found, members=some, judge=judge, judge_ask=question, judge_reads=reads,
                short=short, costly=found.costly or refusal is not None,
            )  # fmt: skip
        refusal = refusal or _most_telling(refused)
        if refusal is None or refusal.verdict is None or "budget" not in refusal.verdict.code:
            break
    said = f" ({_said(refusal)})" if refusal is not None else ""
    dear = found.costly or (refusal is not None and _too_dear(refusal))
    return replace(
        found, costly=dear, short="; ".join(filter(None, (found.short, f"no judge{said}")))
    )


def _cheapest(
    question: Ask, snapshot: Snapshot, members: Sequence[Candidate], held: int
) -> tuple[Candidate | None, list[Candidate]]:
    """The cheapest that passes and is no weaker than the weakest member; who was refused."""
    refused: list[Candidate] = []
    passing: list[Candidate] = []
    for candidate in _capable(question, snapshot, members):
        verdict, profile = candidate.verdict, question.profile
        verdict = verdict or routing.money(question, profile, snapshot, candidate.deployment, held)
        if verdict is not None or candidate.output is not None:
            refused.append(candidate._replace(verdict=verdict))
            continue
        cost = bounds.hold_for(profile, candidate.deployment)
        passing.append(candidate._replace(hold=cost))
        if len(passing) >= _JUDGES:
            break
    asked = {m.deployment.id for m in members}
    best = min(
        enumerate(passing),
        key=lambda at: (at[1].hold or 0, at[1].deployment.id in asked, at[0]),
        default=None,
    )
    return (best[1] if best is not None else None), refused


def _capable(
    question: Ask, snapshot: Snapshot, members: Sequence[Candidate]
) -> Iterator[Candidate]:
    known = [v for m in members if (v := m.deployment.model.intelligence) is not None]
    floor = min(known, default=None)
    for candidate in routing.judged(question, snapshot):
        value = candidate.deployment.model.intelligence
        if floor is None or (value is not None and value >= floor):
            yield candidate


def _why(
    count: int, wanted: int, members: Sequence[Candidate], refused: Sequence[Candidate]
) -> str:
    """One line: how many of how many, and the most telling refusal at another provider."""
    asked = {m.deployment.provider.id for m in members}
    found = _most_telling([c for c in refused if c.deployment.provider.id not in asked])
    if found is None:
        why = "no other provider serves a model for this request"
    else:
        why = f"nobody else passes ({_said(found)})"
    return f"{count} of {wanted} targets: {why}"


def _most_telling(refused: Sequence[Candidate]) -> Candidate | None:
    def order(one: Candidate) -> int:
        code = one.verdict.code if one.verdict is not None else ""
        return _TELLING.index(code) if code in _TELLING else len(_TELLING)

    return min(refused, key=order, default=None)


def _too_dear(one: Candidate) -> bool:
    return one.verdict is not None and one.verdict.code == "budget_exceeded"


def _said(refusal: Candidate) -> str:
    reason = refusal.verdict.reason if refusal.verdict is not None else ""
    return f"{refusal.deployment.public_model}: {reason}"
