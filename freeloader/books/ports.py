"""What the books give out and what they need of a ledger: plain data and one Protocol.

No behaviour. The rows carry the same fields as the store's, so that a ledger can
take them as they are; money is integer picodollars, times are wall seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from freeloader.clock import Instant
from freeloader.core.budget.balances import Balance
from freeloader.core.model import Deployment
from freeloader.core.outcome.headers import Observation
from freeloader.core.quota import Reservation
from freeloader.core.rows import AlertRow, HoldRow, UsageRow, WindowRow
from freeloader.money import LIST, Meters, Surcharge
from freeloader.records import record

NOTHING = Meters()


@dataclass(slots=True, eq=False)
class Hold:
    """What one attempt claims until it is settled or released. Only the books change it.

    ``cost`` is what it can cost at most (0 where nothing can be billed), ``estimated``
    that the price is unknown; ``settlement`` is set once it is over. ``sort``: what kind of
    request it is for (need, size), where that was said.
    """

    attempt_id: str
    request_id: str
    deployment: Deployment
    project: str | None
    key_id: str
    upper: Meters
    cost: int
    at: Instant
    estimated: bool = False
    reservations: tuple[Reservation, ...] = field(default=(), repr=False)
    balances: tuple[Balance, ...] = field(default=(), repr=False)
    seen: tuple[Observation, ...] = field(default=(), repr=False)
    durable: bool = False
    settlement: Settlement | None = None
    surcharge: Surcharge = LIST
    sort: tuple[float, int] | None = None


@record(frozen=True, slots=True)
class Settlement:
    """What became of a hold. ``cost`` is charged; ``overrun`` is what it exceeds the hold by.

    ``estimated``: the meters or the price are not the provider's own. ``unpriced``: nobody
    knows the price; ``cost`` is a safe guess, or 0 where no budget has to be kept.
    """

    attempt_id: str
    cost: int
    held: int
    overrun: int
    used: Meters
    basis: str
    estimated: bool
    unpriced: bool = False


@record(frozen=True, slots=True)
class Facts:
    """What the pipeline knows of an attempt besides consumption, for the usage row.

    ``proven_free``: the provider itself said that this call cost nothing, which is believed
    of models that its free tier covers. Nothing else makes a billable call free.
    """

    task: str = ""
    outcome: str = "ok"
    latency_ms: float | None = None
    first_ms: float | None = None
    premium_pico: int | None = None
    proven_free: bool = False


class StoredWindow(Protocol):
    """A window as the ledger gives it back."""

    @property
    def key(self) -> str: ...
    @property
    def state(self) -> Mapping[str, Any]: ...


class LedgerPort(Protocol):
    """The durable side. Writes raise ``errors.Unavailable`` (or OSError) while it has a problem;
    ``settle`` and ``release`` stay queued then, so that the caller need not repeat them."""

    @property
    def problem(self) -> str | None:
        """What is wrong with it just now, for people."""
        ...

    async def hold(self, rows: Sequence[HoldRow]) -> None:
        """Places all or none; on disk when it returns. After a cancelled wait they may be there."""
        ...

    async def settle(
        self, hold_id: str, usage: UsageRow, amount: int, basis: str, now: float
    ) -> object:
        """Charges ``amount`` and ends the hold, once however often it is called."""
        ...

    async def release(self, hold_id: str, now: float) -> object: ...

    def record_usage(self, usage: UsageRow) -> bool:
        """Notes an attempt that needed no hold, some time soon; never waits."""
        ...

    async def sums(self, since: float, until: float) -> Mapping[tuple[str, str], tuple[int, int]]:
        """(picodollars, requests) by project (``""``: none) and key."""
        ...

    async def requests_since(self, since: float, until: float) -> int: ...

    async def save_windows(self, rows: Sequence[WindowRow], *, durable: bool = False) -> None:
        """On disk on return if ``durable``, else soon."""
        ...

    async def put_alerts(self, rows: Sequence[AlertRow]) -> None:
        """Each is written once per type, scope and period, however often it is put."""
        ...

    async def load_windows(self) -> Sequence[StoredWindow]: ...

    async def spent_by_slot(self, since: float, until: float) -> Mapping[int, int]:
        """Picodollars by quarter hour (Unix seconds / 900), those without any left out."""
        ...

    async def load_alerts(self, since: float) -> Sequence[AlertRow]: ...

    def note_alert(self, row: AlertRow) -> bool:
        """Keeps one, some time soon; never waits. False: not taken, try again."""
        ...

    async def put_alert(self, row: AlertRow) -> None:
        """On disk on return."""
        ...
