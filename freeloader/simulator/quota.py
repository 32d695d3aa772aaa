"""Who may pass: all of a provider's limits for one request, taken together or not at all.

Keeps the windows (``limits``) per account, model or address, and corrects them when
a request turns out smaller or larger than announced. Knows no HTTP and no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from freeloader.simulator.config import LimitSpec, ModelSpec, ProviderSpec
from freeloader.simulator.limits import Window, make_window

_MAX_WINDOWS = 8192


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of itself. ``max_output`` None: it did not say."""

    model: ModelSpec
    account: str
    ip: str
    fresh: int
    cached: int
    max_output: int | None


@dataclass(frozen=True, slots=True)
class Breach:
    """The limit that refused: counts as a refusal prints them; ``wait`` None means never."""

    limit: LimitSpec
    used: int
    requested: int
    wait: float | None
    too_large: bool = False


@dataclass(slots=True)
class Pass:
    """An admitted request: what was taken from which window, until it is settled."""

    claim: Claim
    taken: list[tuple[LimitSpec, Window, int]] = field(default_factory=list)
    busy: list[tuple[LimitSpec, str]] = field(default_factory=list)
    settled: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One window as an answer's headers show it; ``reset_in`` is seconds until it is full."""

    limit: LimitSpec
    left: int
    reset_in: float


class Gatekeeper:
    """The limits of one provider."""

    def __init__(self, spec: ProviderSpec) -> None:
        self.spec = spec
        self._windows: OrderedDict[tuple[LimitSpec, str], Window] = OrderedDict()
        self._running: dict[tuple[LimitSpec, str], int] = {}

    def admit(self, claim: Claim, now: float) -> Pass | Breach:
        """Takes from every window, or says which one refused and takes nothing.

        Limits that count refused calls (``charged_on`` sent) are charged either way.
        The breach with the longest wait is the one told.
        """
        granted, breaches = Pass(claim), []
        for limit in self._limits(claim.model):
            if limit.metric == "concurrency":
                slot = (limit, _scope(limit, claim))
                if self._running.get(slot, 0) >= limit.amount:
                    breaches.append(Breach(limit, limit.amount, 1, 1.0))
                granted.busy.append(slot)
                continue
            need = self._announced(limit, claim)
            window = self._window(limit, claim)
            breach = _check(limit, window, need, now)
            if breach is not None:
                breaches.append(breach)
            if breach is None or limit.charged_on == "sent":
                granted.taken.append((limit, window, need))
        if breaches:
            for limit, window, need in granted.taken:
                if limit.charged_on == "sent":
                    window.take(need, now)
            return max(breaches, key=_severity)
        for _, window, need in granted.taken:
            window.take(need, now)
        for slot in granted.busy:
            self._running[slot] = self._running.get(slot, 0) + 1
        return granted

    def charge_sent(self, claim: Claim, now: float) -> None:
        """A call that failed before it was admitted still counts where sending counts."""
        for limit in self._limits(claim.model):
            if limit.charged_on == "sent" and limit.metric == "requests":
                self._window(limit, claim).take(1, now)

    def settle(
        self, passed: Pass, fresh: int, cached: int, output: int, pico: int, now: float
    ) -> None:
        """Replaces what was announced by what was used. A second call does nothing."""
        if passed.settled:
            return
        passed.settled = True
        for limit, window, taken in passed.taken:
            used = self._used(limit, fresh, cached, output, pico)
            if used != taken:
                window.take(used - taken, now)
        for slot in passed.busy:
            self._running[slot] = max(0, self._running.get(slot, 0) - 1)
            if not self._running[slot]:
                del self._running[slot]

    def views(self, claim: Claim, now: float) -> list[View]:
        """Every window of the claim, for headers."""
        found = []
        for limit in self._limits(claim.model):
            if limit.metric != "concurrency":
                window = self._window(limit, claim)
                found.append(View(limit, max(0, window.left(now)), window.full_in(now)))
        return found

    def snapshot(self, now: float) -> list[dict[str, object]]:
        """Every window in use, JSON-ready."""
        return [
            {
                "metric": limit.metric,
                "window": limit.window,
                "reset": limit.reset,
                "scope": scope,
                "limit": window.amount,
                "left": window.left(now),
                "fullInSeconds": round(window.full_in(now), 3),
            }
            for (limit, scope), window in self._windows.items()
        ]

    def _limits(self, model: ModelSpec) -> list[LimitSpec]:
        return [
            limit
            for limit in self.spec.limits_for(model)
            if not limit.applies_to or any(fnmatchcase(model.id, p) for p in limit.applies_to)
        ]

    def _window(self, limit: LimitSpec, claim: Claim) -> Window:
        key = (limit, _scope(limit, claim))
        window = self._windows.get(key)
        if window is None:
            window = make_window(limit.amount, limit.window, limit.reset, limit.timezone)
            self._windows[key] = window
            if len(self._windows) > _MAX_WINDOWS:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        return window

    def _announced(self, limit: LimitSpec, claim: Claim) -> int:
        """What counts at the door: input, and the output asked for where the provider adds it."""
        output = claim.max_output or 0
        money = claim.model.rates.cost(claim.fresh, claim.cached, output)
        if limit.metric in ("tokens", "output") and not self.spec.count_max_tokens:
            output = 0
        return self._used(limit, claim.fresh, claim.cached, output, money)

    def _used(self, limit: LimitSpec, fresh: int, cached: int, output: int, pico: int) -> int:
        if limit.metric == "requests":
            return 1
        read = 0 if "cacheRead" in limit.excludes else cached
        if limit.metric == "usd":
            return pico
        if limit.metric == "units":
            return -(-pico // self.spec.unit_pico)
        parts = {"tokens": fresh + read + output, "input": fresh + read, "output": output}
        return parts[limit.metric]


def _check(limit: LimitSpec, window: Window, need: int, now: float) -> Breach | None:
    left = window.left(now)
    if need <= left and left > 0:
        return None
    if need == 0 and left == 0 and limit.metric == "usd":
        return None  # a free model passes an empty purse
    if need > limit.amount:
        never = limit.amount > 0 and limit.metric != "usd"
        return Breach(limit, limit.amount - left, need, None, too_large=never)
    return Breach(limit, limit.amount - left, need, window.wait(max(need, 1), now))


def _severity(breach: Breach) -> float:
    if breach.too_large:
        return 1e18
    return 1e17 if breach.wait is None else breach.wait


def _scope(limit: LimitSpec, claim: Claim) -> str:
    who = claim.ip if limit.scope.startswith("ip") else claim.account
    return f"{who}|{claim.model.id}" if limit.scope.endswith("model") else who
