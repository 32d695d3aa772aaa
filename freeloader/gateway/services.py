"""What the HTTP front is given to work with, as small Protocols. No behaviour here.

The composition root fills one ``Services``; a route takes the parts it uses.
Bodies and answers of the managers are the JSON of contract §7 and §10.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from freeloader.clock import Clock, Instant
from freeloader.core.model import Caller, Deployment, Profile, Verdict
from freeloader.core.snapshot import Health
from freeloader.gateway.counting import Counts
from freeloader.gateway.guards.body import BodyLimits
from freeloader.gateway.guards.turned_away import TurnedAway
from freeloader.gateway.surfaces.answer import Run
from freeloader.gateway.surfaces.sse import StreamLimits
from freeloader.money import Meters

Row = dict[str, Any]


class PipelinePort(Protocol):
    """One request's life (``gateway.pipeline``)."""

    async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile: ...

    def admit(self, waiting: int = 0) -> None:
        """Raises Unavailable where so many in line and those in flight are all that may be."""
        ...

    def begin(self, profile: Profile, caller: Caller, request_id: str) -> Run: ...

    def explain(self, profile: Profile, caller: Caller) -> Row: ...


class BooksView(Protocol):
    """What is true right now (``freeloader.books``), read only."""

    @property
    def deployments(self) -> Mapping[str, Deployment]: ...

    def health(self, deployment: str) -> Health: ...

    def paused(self, deployment: Deployment, now: float) -> Verdict | None: ...

    def quota(self, deployment: Deployment, upper: Meters, now: float) -> Verdict | None: ...

    @property
    def spent_known(self) -> bool:
        """False while the ledger could not be read: the sums of ``budget_view`` mean nothing."""
        ...

    @property
    def no_money(self) -> str | None:
        """Why nothing is paid for just now; None: it is."""
        ...

    def budget_view(self, project: str | None, now: Instant) -> Row: ...

    async def confirm_spike(self, now: Instant) -> bool:
        """Paid calls go on that a spike had stopped; False: none had."""
        ...

    def windows_view(self, now: Instant) -> list[Row]: ...

    def quota_alerts(self, now: Instant) -> list[Row]:
        """Windows nearly or wholly used, and keys that somebody else uses too."""
        ...

    def reset(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets quota counts and pauses; how many windows that were."""
        ...

    def learnt(self, provider: str | None, idx: int | None) -> int:
        """How many limits were learnt there from refusals and headers."""
        ...

    def unlearn(self, provider: str | None, idx: int | None, now: Instant) -> int:
        """Forgets those; how many there were."""
        ...


class AccountsManager(Protocol):
    async def list_accounts(self) -> list[Row]: ...

    async def warnings(self) -> list[str]:
        """Of several accounts at one provider."""
        ...

    async def add_account(self, body: Mapping[str, Any], actor: str) -> Row: ...

    async def change_account(
        self, provider: str, idx: int, changes: Mapping[str, Any], actor: str
    ) -> Row: ...

    async def remove_account(self, provider: str, idx: int, actor: str) -> Row: ...

    async def test_account(self, provider: str, idx: int, actor: str) -> Row: ...


class KeysManager(Protocol):
    def authenticate(self, token: str) -> Caller | None:
        """The caller of a key, or None; constant time in the token."""
        ...

    def rate_limit(self, key_id: str) -> int | None:
        """Requests per minute that a key may make, or None."""
        ...

    async def list_keys(self) -> list[Row]: ...

    async def create_key(self, body: Mapping[str, Any], actor: str) -> Row: ...

    async def revoke_key(self, key_id: str, actor: str) -> Row: ...


class ConfigManager(Protocol):
    async def show_config(self) -> Row: ...

    async def change_config(self, changes: Mapping[str, Any], actor: str) -> Row: ...

    async def config_history(self, limit: int) -> list[Row]: ...

    async def rollback_config(self, version: int, actor: str) -> Row: ...

    async def import_config(self, document: Mapping[str, Any], actor: str) -> Row: ...


class JournalView(Protocol):
    """Decisions as kept; ``project`` None means all of them."""

    async def list_decisions(
        self,
        *,
        project: str | None,
        limit: int,
        before: str | None,
        since: float | None = None,
        until: float | None = None,
        **only: str | None,
    ) -> list[Row]: ...

    async def get_decision(self, decision_id: str) -> Row | None: ...


class Exported(Protocol):
    """Requests in pieces; ``count`` is about how many there are."""

    @property
    def count(self) -> int: ...

    @property
    def pieces(self) -> AsyncIterator[list[Row]]: ...


class DeskView(Protocol):
    """What was consumed, spent, saved and changed (``manage.reports``)."""

    async def analytics(self, period: str, project: str | None) -> Row: ...

    async def usage(
        self, since: str | None, until: str | None, group: str | None, project: str | None
    ) -> Row: ...

    async def audit(self, limit: int, before: str | None, kind: str, what: str | None) -> Row: ...

    async def export(
        self, since: str | None, until: str | None, project: str | None
    ) -> Exported: ...

    async def note(self, who: str, what: str, subject: str = "", **detail: Any) -> None:
        """Appends one line to the audit."""
        ...


class FeedbackManager(Protocol):
    """What people say of answers (``manage.feedback``)."""

    async def give(self, body: Mapping[str, Any], caller: Caller) -> Row: ...

    def listing(self) -> list[Row]: ...

    async def reset(self, model: str | None, task: str | None, actor: str) -> Row: ...


class JobsView(Protocol):
    def list_jobs(self) -> list[Row]: ...

    async def run_now(self, name: str) -> Row:
        """Raises NotFound for a name that no job has, Conflict where it runs already."""
        ...


class ProposalsView(Protocol):
    """What discovery proposes (``discovery.review``)."""

    async def listing(self, state: str | None = None, limit: int = 200) -> list[Row]: ...

    async def show(self, number: int) -> Row: ...

    async def approve(self, number: int, actor: str) -> Row: ...

    async def reject(self, number: int, actor: str) -> Row: ...

    async def undo(self, number: int, actor: str) -> Row: ...


class ChannelsManager(Protocol):
    """Channels of notifications (``manage.channels``)."""

    async def add(self, name: str, address: str, actor: str) -> Row: ...

    async def remove(self, name: str, actor: str) -> Row: ...


class NotifierView(Protocol):
    def states(self) -> list[Row]: ...

    async def test(self, name: str | None = None) -> list[Row]: ...


class BenchmarksView(Protocol):
    """See ``freeloader.benchmarks``."""

    async def shown(self) -> list[Row]: ...

    async def dry_run(self, models: Sequence[str] = ()) -> Row: ...

    async def run_of(self, models: Sequence[str]) -> str: ...


class ChildView(Protocol):
    def status(self) -> Row: ...


class ServerSettings(Protocol):
    """The ``[server]`` section, as far as the front reads it."""

    @property
    def host(self) -> str: ...

    @property
    def allowed_hosts(self) -> Sequence[str]: ...

    @property
    def cors_origins(self) -> Sequence[str]: ...

    @property
    def body_bytes_max(self) -> int: ...

    @property
    def request_seconds_max(self) -> float: ...


class Once(Protocol):
    def __call__(
        self,
        request: web.Request,
        caller: Caller,
        body: Mapping[str, Any],
        work: Callable[[], Awaitable[web.StreamResponse]],
    ) -> Awaitable[web.StreamResponse]: ...


async def _plainly(
    request: web.Request,
    caller: Caller,
    body: Mapping[str, Any],
    work: Callable[[], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Nothing is kept: every request is done."""
    return await work()


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the front works with.

    ``state`` says ``starting``, ``ready`` or ``stopping``; ``settings`` is asked
    anew for each request, so that a reload is seen at once; ``new_id`` makes
    request ids; ``started`` is when the daemon started; ``simulated`` says whether
    pretend providers answer, ``problems`` what of the owner's files is not in force;
    ``lane`` how providers are called, and whether a child is needed for that; ``once``
    answers a request with an ``Idempotency-Key`` that was answered before (``gateway.once``).
    """

    pipeline: PipelinePort
    books: BooksView
    accounts: AccountsManager
    keys: KeysManager
    config: ConfigManager
    journal: JournalView
    feedback: FeedbackManager
    desk: DeskView
    jobs: JobsView
    proposals: ProposalsView
    channels: ChannelsManager
    notifier: NotifierView
    benchmarks: BenchmarksView
    child: ChildView
    clock: Clock
    settings: Callable[[], ServerSettings]
    state: Callable[[], str]
    new_id: Callable[[], str]
    version: str
    started: Instant
    simulated: Callable[[], bool] = bool
    problems: Callable[[], Sequence[str]] = tuple
    lane: Callable[[], Row] = dict
    once: Once = _plainly
    load: Callable[[], Mapping[str, Any]] = dict
    #: What was counted since the start, and how many requests wait for quota or money.
    counts: Counts = field(default_factory=Counts)
    waiting: Callable[[], int] = int
    #: Who was refused at the door since the start.
    turned: TurnedAway = field(default_factory=TurnedAway)
    #: Called when the owner ends all pauses, for what else was being spared.
    forgive: Callable[[], None] = lambda: None
    body_limits: BodyLimits = field(default_factory=BodyLimits)
    stream_limits: StreamLimits = field(default_factory=StreamLimits)
