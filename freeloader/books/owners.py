"""The books as their owner changes them: what exists, what is allowed, what is to be forgotten.

What an attempt claims, settles or leaves behind is ``books.Books``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from freeloader.books.standing import Standing
from freeloader.clock import Instant
from freeloader.core.budget import BudgetRules
from freeloader.core.feedback import Opinion
from freeloader.core.model import Account, Deployment, Verdict


class Owned(Standing):
    """Whoever waits is told of each change."""

    def watch(self, changed: Callable[[], None]) -> None:
        """Called, without waiting, whenever something may have come free."""
        self._watchers.append(changed)

    def set_deployments(self, deployments: Sequence[Deployment]) -> None:
        """All enabled deployments. An account that changed is given another chance."""
        before = {d.account.name: d.account for d in self._deployments.values()}
        after = {d.account.name: d.account for d in deployments}
        for name, account in after.items():
            if name in before and not _same(before[name], account):
                self._breakers.reset(account.provider, account.idx)
        known = self._deployments
        self._deployments = MappingProxyType({d.id: d for d in deployments})
        self._health.keep_only(frozenset(self._deployments))
        self._health.heed(self._said())
        self._ranking.replace(self._deployments)
        self._quotas.replaced()
        self._allowances.replace(deployments)
        if self._sums.begun:  # before that, what windows have counted is not known
            now = self._clock.now().wall
            self._quotas.join(deployments, now)
            self._allowances.look(now)
            self._warn([d for d in deployments if d.id not in known], now)
        if known != self._deployments:  # a child that is new brings nobody new
            self._pacer.replaced()
        self._breakers.replaced()
        self._version += 1
        self._changed()

    def _warn(self, deployments: Iterable[Deployment], now: float) -> None:
        """Of windows of theirs that are nearly or wholly used."""
        for one in deployments:
            self._quota_alerts.look(one, self._quotas.bound(one, now), now)

    def heed(self, opinions: Mapping[tuple[str, str], Opinion]) -> None:
        """What people said of answers, by public model and task: it moves the orders at once."""
        self._opinions = dict(opinions)
        self._ranking.touch(self._health.heed(self._said()))

    def _said(self) -> dict[str, dict[str, Opinion]]:
        """The opinions by deployment: all accounts of a model share what is said of it."""
        of_model: dict[str, dict[str, Opinion]] = {}
        for (model, task), opinion in self._opinions.items():
            of_model.setdefault(model, {})[task] = opinion
        found = ((d.id, of_model.get(d.public_model)) for d in self._deployments.values())
        return {name: said for name, said in found if said is not None}

    async def configure(self, rules: BudgetRules) -> None:
        """Other limits, from the next request on. A new time zone reads the ledger again.

        Raises ValueError for an unknown zone, Unavailable where the ledger cannot be
        read; the old rules stay in force then.
        """
        await self._sums.configure(rules)
        self._changed()

    def reset(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets pauses and quota counts of everything, a provider or an account; how many.

        A key that shares another's account has its counts and pauses there.
        """
        keys: frozenset[str] = frozenset()
        for one in self._numbers(provider, idx):
            self._breakers.reset(provider, one)
            keys |= self._quotas.reset(provider, one, now.wall)
        self._quota_alerts.forget(keys)
        self._allowances.look(now.wall)
        self._changed()
        return len(keys)

    def learnt(self, provider: str | None, idx: int | None) -> int:
        """How many limits were learnt of everything, a provider or an account."""
        learner = self._quotas.learner
        return sum(learner.learnt(provider, one) for one in self._numbers(provider, idx))

    def unlearn(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets limits that were learnt of everything, a provider or an account; how many."""
        count = sum(self._quotas.unlearn(provider, one) for one in self._numbers(provider, idx))
        self._allowances.look(now.wall)
        self._changed()
        return count

    def _numbers(self, provider: str | None, idx: int | None) -> set[int | None]:
        """An account's number and that of the one it shares; None stands for all."""
        if provider is None or idx is None:
            return {idx}
        shared = {d.account.same_account_as for d in self._of_account(provider, idx)}
        return {idx} | (shared - {None})

    def renewed(self, provider: str, idx: int) -> None:
        """The account has another key: what was refused to the former one is tried afresh. Its
        quota may be the same."""
        self._breakers.reset(provider, idx)
        self._changed()

    def listed_anew(self) -> None:
        """The child knows other models than before: what it had left out is tried afresh."""
        self._breakers.listed_anew()
        self._changed()

    def refused(self, verdict: Verdict, now: Instant) -> None:
        """A request was turned away by a budget: where that is used up, the owner is told."""
        self._watcher.alerts.refused(self._sums.purse, verdict, now.wall)

    async def confirm_spike(self, now: Instant) -> bool:
        """The owner lets paid calls go on that a spike stopped; False: none did.

        Durable on return. Raises Unavailable (and they stay stopped) where it cannot be.
        """
        return await self._watcher.confirm(self._sums.purse, now)

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()


def _same(one: Account, other: Account) -> bool:
    """True where nothing changed that a pause could have been about."""
    return replace(one, priority=other.priority) == other
