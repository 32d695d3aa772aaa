"""Which breakers guard a deployment, and what an outcome does to which of them.

The transitions are ``core.breaker``'s. A deployment is guarded on four levels:
its provider, its account (the one whose quota it shares), its own key, and the
model at that account. Breakers exist only where something went wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from freeloader.books.ports import StoredWindow
from freeloader.books.watching.changes import Changes
from freeloader.clock import Instant
from freeloader.core import breaker
from freeloader.core.breaker import Breaker
from freeloader.core.model import Deployment, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.periods import window_seconds
from freeloader.core.quota import owner_of
from freeloader.core.rows import WindowRow

_log = logging.getLogger(__name__)

#: Faults without a first delta after so many ms are hangs.
_HANG_MS = 10_000
#: So long for a mere connection is a hang as well: a packet was swallowed, nobody refused it.
_UNREACHED_MS = 2_000
#: Under which name pauses are saved beside the windows.
PREFIX = "pause|"
#: Shorter pauses than this are not worth writing down (seconds).
_KEPT_S = 60.0
#: A spent quota of which neither the answer nor the registry tells the length.
_SPENT_UNKNOWN = 3600.0


class Breakers:
    """All breakers, by what they guard."""

    def __init__(self) -> None:
        self._at: dict[str, Breaker] = {}
        self._guards: dict[str, tuple[str, ...]] = {}  # by deployment, once it was asked about
        self._left_out: dict[str, float] = {}  # guards of models that a lane cannot use: until
        self._saved: set[str] = set()  # guards of which a pause is on disk
        self.dirty: set[str] = set()  # names of rows to be saved
        self._changes = Changes()

    def replaced(self) -> None:
        """The deployments changed: what guards each is looked up anew, pauses stay."""
        self._guards.clear()

    def refusal(self, deployment: Deployment, now: float, mono: float) -> Verdict | None:
        """The longest refusal of any level, or None."""
        if not self._at:
            return None
        worst: Verdict | None = None
        guards = self._guards.get(deployment.id) or self._guards_of(deployment)
        for guard in guards:
            found = self._at.get(guard)
            verdict = None if found is None else breaker.refusal(found, now, mono)
            if verdict is not None and (worst is None or _longer(verdict, worst)):
                worst = verdict
        return worst

    def spent(self, deployment: Deployment, now: float, mono: float) -> Iterator[tuple[str, float]]:
        """Pauses for a quota that run: whose, as windows name their owners, and until when."""
        for owner in (owner_of("account", deployment), owner_of("model", deployment)):
            found = self._at.get(owner)
            verdict = None if found is None else breaker.refusal(found, now, mono)
            if verdict is not None and verdict.code == "quota_exhausted" and verdict.until:
                yield owner, verdict.until

    def begin(self, deployment: Deployment, attempt: str) -> None:
        """An attempt was admitted; where a breaker is half-open it is the one that tries."""
        for guard in _guards(deployment) if self._at else ():
            if guard in self._at and breaker.begin(self._at[guard], attempt):
                reason = self._at[guard].reason
                self._changes.tell(guard, "open", "half-open", deployment, reason=reason)

    def end(self, deployment: Deployment, attempt: str) -> None:
        """The attempt is over."""
        for guard in _guards(deployment) if self._at else ():
            if guard in self._at:
                breaker.end(self._at[guard], attempt)

    def succeeded(self, deployment: Deployment, now: Instant) -> None:
        for guard in _guards(deployment) if self._at else ():
            found = self._at.get(guard)
            if found is not None:
                before = self._state(guard, now)
                breaker.succeed(found, now.wall, now.mono)
                if before != self._state(guard, now):
                    self._changes.tell(guard, before, "closed", deployment, mono=now.mono)
                if found.idle:
                    del self._at[guard]
                    if guard in self._saved:
                        self.dirty.add(PREFIX + guard)

    def failed(
        self,
        deployment: Deployment,
        outcome: Outcome,
        spent_until: float | None,
        hang: bool,
        now: Instant,
    ) -> None:
        """``spent_until``: when the quota windows that the outcome names come back."""
        before = {guard: self._state(guard, now) for guard in _guards(deployment)}
        self._take(deployment, outcome, spent_until, hang, now)
        for guard, was in before.items():
            after = self._state(guard, now)
            if after != was:
                self._changes.tell(guard, was, after, deployment, reason=outcome.reason,
                                   kind=outcome.kind, mono=now.mono)  # fmt: skip

    def _take(
        self,
        deployment: Deployment,
        outcome: Outcome,
        spent_until: float | None,
        hang: bool,
        now: Instant,
    ) -> None:
        wall, mono, reason = now.wall, now.mono, outcome.reason
        guard = _guard(deployment, outcome.scope)
        match outcome.kind:
            case "their_fault":
                breaker.fault(self._of(guard), wall, mono, reason, hang=hang)
                whole = _provider_guard(deployment)
                if whole != guard:  # several models failing are a provider failing
                    breaker.fault(self._of(whole), wall, mono, reason, hang=hang, part=guard)
            case "overloaded":
                breaker.overload(self._of(guard), wall, mono, reason, outcome.until)
            case "slow_down":
                until = _slow_until(outcome, wall)
                breaker.pause(self._of(guard), until, wall, "quota_exhausted", reason)
            case "spent":
                until = spent_until or outcome.until or wall + _length(outcome, _SPENT_UNKNOWN)
                breaker.pause(self._of(guard), until, wall, "quota_exhausted", reason)
            case "credits_gone" | "not_on_plan":
                breaker.stand(self._of(guard), wall, reason)
            case "model_gone":
                guard = _guard(deployment, "model")
                breaker.stand(self._of(guard), wall, reason)
            case "key_bad":
                guard = _key_guard(deployment)
                breaker.stand(self._of(guard), wall, reason)
            case "our_fault" if outcome.scope == "model" and outcome.until is not None:
                # What this way to the model cannot do: asking in vain helps nobody.
                breaker.pause(self._of(guard), outcome.until, wall, "upstream_failed", reason)
                if outcome.blame == "lane":
                    self._left_out[guard] = outcome.until
            case _:
                return  # the request's, the client's or our own fault: nothing about the provider
        self._keep(guard, wall)

    def reset(self, provider: str | None = None, idx: int | None = None) -> None:
        """Forgets pauses of everything, of one provider, or of one account."""
        if self._at:
            name = "every provider" if provider is None else provider
            name = name if idx is None else f"{name}@{idx}"
            fields = {"event": "breaker.reset", "guard": name}
            _log.info("breakers of %s are reset", name, extra={"fields": fields})
        if provider is None:
            self._at.clear()
            self.dirty.update(PREFIX + guard for guard in self._saved)
            return
        prefixes = [f"{provider}@{idx}", f"key:{provider}@{idx}"]
        if idx is None:
            prefixes = [provider, f"key:{provider}@"]
        for guard in list(self._at):
            if any(_names(guard, prefix) for prefix in prefixes):
                del self._at[guard]
                if guard in self._saved:
                    self.dirty.add(PREFIX + guard)

    def listed_anew(self) -> None:
        """The lane knows other models now: those it could not use may be tried at once."""
        for guard, until in self._left_out.items():
            found = self._at.get(guard)
            if found is not None and found.paused is not None and found.paused[1] == until:
                found.paused = None  # an ejection, or a longer pause, goes on
        self._left_out.clear()

    def rows(self, names: Iterable[str], now: float) -> list[WindowRow]:
        """Pauses as they are now, for the ledger; one that is over is written as over."""
        rows = []
        for name in names:
            guard = name.removeprefix(PREFIX)
            found = self._at.get(guard)
            state = breaker.dump(found) if found is not None else {"paused": None}
            ends = now if found is None or found.paused is None else found.paused[1]
            (self._saved.discard if found is None else self._saved.add)(guard)
            owner = guard.removeprefix("key:").partition("@")[0]
            rows.append(WindowRow(name, state, now, owner, ends))
        return rows

    def load(self, rows: Iterable[StoredWindow], now: float) -> None:
        """Pauses of an earlier run that are not over; what is no such row is left out."""
        for row in rows:
            guard = row.key.removeprefix(PREFIX)
            if guard == row.key:
                continue
            try:
                found = breaker.load(row.state, now)
            except (KeyError, TypeError, ValueError):
                continue
            if found is not None:
                self._at[guard] = found
                self._saved.add(guard)

    def _guards_of(self, deployment: Deployment) -> tuple[str, ...]:
        """What guards it: four names that are worked out once, being asked for all the time."""
        found = self._guards[deployment.id] = _guards(deployment)
        return found

    def _state(self, guard: str, now: Instant) -> str:
        found = self._at.get(guard)
        return "closed" if found is None else breaker.state(found, now.wall, now.mono)

    def _of(self, guard: str) -> Breaker:
        return self._at.setdefault(guard, Breaker())

    def _keep(self, guard: str, now: float) -> None:
        """Pauses for quota of more than a moment outlive a restart: a spent day is not asked again.

        What stands (a bad key, no credits) is tried afresh: the owner may have mended it.
        """
        found = self._at.get(guard)
        if found is None or found.paused is None or found.standing:
            return
        if found.code == "quota_exhausted" and found.paused[1] - now > _KEPT_S:
            self.dirty.add(PREFIX + guard)


def hanging(outcome: Outcome, latency_ms: float | None, first_ms: float | None) -> bool:
    """True for a fault that kept the caller waiting and gave nothing."""
    long = _UNREACHED_MS if outcome.scope == "provider" else _HANG_MS
    return outcome.kind == "their_fault" and first_ms is None and (latency_ms or 0) >= long


def _guards(deployment: Deployment) -> tuple[str, str, str, str]:
    return (
        _provider_guard(deployment),
        owner_of("account", deployment),
        _key_guard(deployment),
        owner_of("model", deployment),
    )


def _guard(deployment: Deployment, scope: str) -> str:
    if scope == "provider":
        return _provider_guard(deployment)
    return owner_of("account" if scope == "account" else "model", deployment)


def _provider_guard(deployment: Deployment) -> str:
    """The provider; of an account with an endpoint of its own, what is behind that."""
    provider, endpoint = deployment.provider.id, deployment.account.endpoint
    return provider if endpoint is None else f"{provider}/at {endpoint}"


def _key_guard(deployment: Deployment) -> str:
    return f"key:{deployment.account.name}"


def _names(guard: str, prefix: str) -> bool:
    rest = guard.removeprefix(prefix)
    return rest != guard and (not rest or rest[0] in "@/" or prefix.endswith("@"))


def _longer(one: Verdict, other: Verdict) -> bool:
    if one.until is None or other.until is None:
        return one.until is None and other.until is not None
    return one.until > other.until


def _length(outcome: Outcome, unknown: float) -> float:
    """Seconds of the window that the outcome names."""
    if outcome.window is None:
        return unknown
    try:
        return min(window_seconds(outcome.window), breaker.STANDING * 31)
    except ValueError:
        return unknown


def _slow_until(outcome: Outcome, now: float) -> float:
    """Never longer than the window that was overrun, whatever the answer says."""
    length = _length(outcome, breaker.SLOW_DOWN)
    if outcome.until is None:
        return now + min(length, breaker.SLOW_DOWN)
    if outcome.window is None:
        return outcome.until
    return min(outcome.until, now + length)
