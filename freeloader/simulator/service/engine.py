"""Everything that is true of one running simulator: providers, limits, faults, bill, log.

The clock is the machine's, plus an offset that tests may move forward to let
windows reset without waiting. Answers no HTTP itself.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from freeloader.simulator.bill import Bill
from freeloader.simulator.config import Config, ModelSpec, ProviderSpec, parse_provider
from freeloader.simulator.faults import Fault, FaultBook, parse_fault
from freeloader.simulator.profiles import profiles
from freeloader.simulator.quota import Gatekeeper
from freeloader.simulator.service.record import Record
from freeloader.simulator.wire.content import count
from freeloader.simulator.wire.refusals import captured

_MAX_PROVIDERS = 500
_MAX_PREFIXES = 4096
_CACHE_BLOCK = 128


class Engine:
    """The state that all requests share. One event loop owns it."""

    def __init__(self, config: Config, wall: Callable[[], float] = time.time) -> None:
        self.config = config
        self.specs: dict[str, ProviderSpec] = dict(config.providers) or dict(profiles())
        self.rng = random.Random(config.seed)  # noqa: S311  (jitter and faults, not secrets)
        self.faults = FaultBook(self.rng)
        self.bill = Bill()
        self.log: deque[Record] = deque(maxlen=config.log_size)
        self.started = wall()
        self._wall = wall
        self._offset = 0.0
        self._gates: dict[str, Gatekeeper] = {}
        self._prefixes: OrderedDict[str, None] = OrderedDict()
        self._served = 0
        self.running = 0
        for fault in config.faults:
            self.add_fault(fault)

    def now(self) -> float:
        """Unix seconds by the simulator's clock."""
        return self._wall() + self._offset

    def advance(self, seconds: float) -> float:
        """Moves the simulator's clock forward; returns the new offset. Raises ValueError."""
        if not 0 <= seconds <= 400 * 86400:
            raise ValueError("the clock only moves forward, by at most 400 days at a time")
        self._offset += seconds
        return self._offset

    def next_id(self) -> str:
        self._served += 1
        return f"sim{self._served:08d}"

    def gate(self, spec: ProviderSpec) -> Gatekeeper:
        gate = self._gates.get(spec.name)
        if gate is None:
            gate = self._gates[spec.name] = Gatekeeper(spec)
        return gate

    def add_fault(self, data: Mapping[str, Any] | Fault) -> dict[str, Any]:
        """Raises ValueError for a fault, provider or captured case that does not exist."""
        fault = data if isinstance(data, Fault) else parse_fault(data)
        if fault.provider != "*" and fault.provider not in self.specs:
            raise ValueError(f"no provider {fault.provider!r}; known: {', '.join(self.specs)}")
        if fault.kind == "captured":
            captured(str(fault.extra.get("case")))
        return self.faults.add(fault).as_dict()

    def put_provider(self, name: str, data: Mapping[str, Any]) -> ProviderSpec:
        """Defines or alters a provider. Its windows restart if limits change. Raises ValueError."""
        if name not in self.specs and len(self.specs) >= _MAX_PROVIDERS:
            raise ValueError(f"more than {_MAX_PROVIDERS} providers")
        before = self.specs.get(name)
        spec = parse_provider(name, data, {**profiles(), **self.specs})
        self.specs[name] = spec
        gate = self._gates.get(name)
        if gate is not None:
            if before is not None and _same_limits(before, spec):
                gate.spec = spec
            else:
                del self._gates[name]
        return spec

    def drop_provider(self, name: str) -> bool:
        self._gates.pop(name, None)
        return self.specs.pop(name, None) is not None

    def reset(self) -> None:
        """Empties windows, bill, log, faults, prompt caches and the clock's offset.

        Providers stay as they are now; requests in flight settle into nothing.
        """
        self._gates.clear()
        self._prefixes.clear()
        self.faults.clear()
        self.bill.clear()
        self.log.clear()
        self._offset = 0.0
        self.rng.seed(self.config.seed)

    def account_of(self, spec: ProviderSpec, key: str) -> str | None:
        """The account behind a key; None for a key that is refused.

        Without a list of keys every key is its own account, save those that begin
        with ``bad``, which are wrong everywhere.
        """
        if spec.keys is not None:
            return spec.keys.get(key)
        if key.lower().startswith("bad"):
            return None
        return key or ("local" if spec.keyless else None)

    def model_of(self, spec: ProviderSpec, wanted: str) -> ModelSpec | None:
        name = wanted.removeprefix("models/") if spec.style == "gemini" else wanted
        found = spec.models.get(name)
        if found is None and spec.style == "ollama":
            found = spec.models.get(f"{name}:latest")
        if found is None and spec.any_model:
            base = next(iter(spec.models.values()), ModelSpec(wanted))
            found = replace(base, id=wanted)
        return found

    def cached_tokens(
        self,
        spec: ProviderSpec,
        model: ModelSpec,
        account: str,
        messages: Sequence[tuple[str, str]],
    ) -> int:
        """Input tokens a prompt cache knows: the longest run of opening messages seen before.

        Only for models with a cache price, from ``cache_min_tokens`` on, in blocks of 128.
        """
        if model.rates.cache_read is None:
            return 0
        digest = hashlib.sha256(f"{spec.name}|{account}|{model.id}".encode())
        total, hit, prefixes = 0, 0, []
        for role, text in messages:
            digest.update(f"\0{role}\0{text}".encode())
            total += count(text)
            if total >= spec.cache_min_tokens:
                prefixes.append((digest.hexdigest(), total))
        for name, tokens in prefixes:
            if name in self._prefixes:
                hit = tokens - tokens % _CACHE_BLOCK
            self._prefixes[name] = None
            self._prefixes.move_to_end(name)
        while len(self._prefixes) > _MAX_PREFIXES:
            self._prefixes.popitem(last=False)
        return hit

    def state(self) -> dict[str, Any]:
        """JSON-ready: the clock, each provider's windows, the faults, the sums."""
        now = self.now()
        windows = {name: gate.snapshot(now) for name, gate in self._gates.items()}
        return {
            "now": now,
            "clockOffsetSeconds": self._offset,
            "uptimeSeconds": round(self._wall() - self.started, 3),
            "running": self.running,
            "requests": self.bill.total().requests,
            "faults": self.faults.as_list(),
            "providers": {
                name: {
                    "style": spec.style,
                    "models": list(spec.models),
                    "windows": windows.get(name, []),
                }
                for name, spec in self.specs.items()
            },
        }

    def requests(self, provider: str | None = None, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest requests, oldest first, JSON-ready."""
        newest = (r for r in reversed(self.log) if provider in (None, r.provider))
        return [record.as_dict() for record in islice(newest, max(0, limit))][::-1]


def _same_limits(before: ProviderSpec, after: ProviderSpec) -> bool:
    return before.limits == after.limits and all(
        (old := before.models.get(name)) is None or old.limits == model.limits
        for name, model in after.models.items()
    )
