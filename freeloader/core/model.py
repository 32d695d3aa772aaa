"""The nouns of the house: frozen dataclasses that every room passes around.

Nothing here decides anything. What exists (Provider, Model, Account,
Deployment, Limit), what is asked (Profile, Directives), what is allowed
(Policy), what is said of a candidate (Verdict). The vocabulary is the
architecture's: one meaning per word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from freeloader.money import LIST, Meters, Price, Surcharge

if TYPE_CHECKING:
    from freeloader.core.privacy.wish import Found


class _Empty(Mapping[str, Any]):
    """Nothing, for good. Hashable, because Python 3.11 takes no other default for a field."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, Any] = _Empty()

#: What a model may be able to do, by the registry's names; an overlay may add others.
CAPABILITIES = frozenset({"streaming", "tools", "vision", "json", "reasoning", "search"})

# ── what exists ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Limit:
    """One published or learnt limit of a provider.

    ``metric`` is a meter, ``tokens`` or ``concurrency``; ``window`` is a number
    and ``s|m|h|d``, or ``month``, or ``once``; ``reset`` is ``refill``,
    ``rolling``, ``calendar`` (in ``timezone``) or ``unknown``; ``scope`` is
    ``account``, ``model``, ``ip`` or ``ip+model``. ``amount`` 0 means: not on
    this plan. Money limits (metric ``usd``) are in picodollars.
    """

    metric: str
    amount: int
    window: str
    reset: str = "unknown"
    scope: str = "account"
    timezone: str = "UTC"
    applies_to: tuple[str, ...] = ()
    tier: str | None = None
    charged_on: str = "accepted"
    excludes: tuple[str, ...] = ()
    per_request_ceiling: bool = False
    expires_days: int | None = None
    confidence: str = "low"
    source: str = ""


@dataclass(frozen=True, slots=True)
class RateLimitHeader:
    """What one response header says of one limit.

    ``means``: ``limit | remaining | used | reset``; ``format``: ``int``,
    ``duration`` (Go style, ``1m26.4s``), ``seconds``, ``epoch_ms``, ``epoch_s``, ``rfc3339``.
    """

    name: str
    metric: str
    window: str
    means: str
    format: str


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """What one number of a provider's quota endpoint says: ``path`` is dotted, into its JSON.

    ``means``: ``limit | remaining | used``, of the limit of ``metric`` and ``window``.
    """

    path: str
    metric: str
    window: str
    means: str


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """How one kind of refusal of a provider is recognised, and what it means.

    All given parts must hold: ``status``, ``match`` (regular expression,
    searched in the body's text, case ignored), ``header`` (``name`` or
    ``name: regex``). ``kind`` is an outcome kind (``core.outcome``). ``wait``:
    ``message | header | reset | window | none``, ``midnight ZONE``, ``message ZONE``
    or seconds as text (``core.waits`` says what each does).
    """

    kind: str
    status: int | None = None
    match: str = ""
    header: str = ""
    window: str | None = None
    metric: str | None = None
    scope: str | None = None
    wait: str | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as the registry describes it; models are kept apart.

    ``kind``: ``cloud | aggregator | local | simulated``. ``prefix`` is LiteLLM's,
    ``params`` go into its config entry as they are. ``wire`` is the API the
    provider speaks (``openai``, ``anthropic``, ``gemini`` …). ``field_env`` names the
    environment variables of single fields (``account_id``, ``endpoint`` …); those in
    ``auth_env`` hold the key. ``base_url`` may hold ``{field}`` for an account's params.
    """

    id: str
    display_name: str
    kind: str
    status: str
    prefix: str
    wire: str
    base_url: str | None
    params: Mapping[str, Any] = EMPTY
    auth_env: tuple[str, ...] = ()
    auth_format: str | None = None
    auth_fields: tuple[str, ...] = ("api_key",)
    field_env: Mapping[str, tuple[str, ...]] = EMPTY
    keyless: bool = False
    models_path: str | None = None
    quota_path: str | None = None
    prices_page: str | None = None
    listing: Mapping[str, Any] = EMPTY
    signup_url: str | None = None
    card_required: bool | None = None
    trains_on_data: bool | None = None
    terms: Mapping[str, Any] = EMPTY
    free_type: str = "none"
    free_confidence: str = "low"
    limits: tuple[Limit, ...] = ()
    rate_limit_headers: tuple[RateLimitHeader, ...] = ()
    error_rules: tuple[ErrorRule, ...] = ()
    quota_report: tuple[QuotaReport, ...] = ()
    free_source: str = ""
    verified_date: str = ""

    @property
    def local(self) -> bool:
        """True where nothing leaves the machine."""
        return self.kind == "local"

    @property
    def routable(self) -> bool:
        """False for providers that may never be routed to."""
        return self.status not in ("restricted_client", "retired")


@dataclass(frozen=True, slots=True)
class Model:
    """One model at one provider. ``None`` means unknown, never zero or unlimited.

    ``intelligence`` and ``speed`` are 1–10; ``context`` and ``max_output`` are
    tokens; ``price`` is None where nobody knows it; ``free`` says whether the
    provider's free tier covers the model.
    """

    id: str
    provider: str
    family: str
    intelligence: float | None = None
    speed: float | None = None
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] = frozenset()
    price: Price | None = None
    free: bool = False
    limits: tuple[Limit, ...] = ()
    strengths: Mapping[str, float] = EMPTY
    mode: str = "chat"
    deprecated_on: str | None = None
    replaced_by: str | None = None
    evidence: Mapping[str, str] = EMPTY
    neurons: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """One credential at one provider; the secret itself is elsewhere.

    ``models`` is what its own model list showed at the last check (None: not
    known, so all registry models are assumed); ``params`` are non-secret
    fields (Azure's api version, Cloudflare's account id).
    """

    provider: str
    idx: int
    tier: str = "free"
    priority: int = 100
    enabled: bool = True
    endpoint: str | None = None
    same_account_as: int | None = None
    limits: tuple[Limit, ...] = ()
    models: tuple[str, ...] | None = None
    verified: bool = False
    secret_backend: str | None = None
    params: Mapping[str, str] = EMPTY

    @property
    def name(self) -> str:
        return f"{self.provider}@{self.idx}"

    @property
    def billable(self) -> bool:
        """True where a call can end up on a bill: anything but a free tier."""
        return self.tier != "free"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model through one account: what a request can be sent to.

    ``id`` is ``provider@idx/model``; ``entry`` names the child's config entry
    (shared by accounts of one provider, model and endpoint). What follows from
    the parts is worked out once, because every decision asks for it.
    """

    id: str
    provider: Provider
    account: Account
    model: Model
    entry: str
    base_url: str | None
    #: ``provider/model``: what answers and lists show.
    public_model: str = field(init=False)
    #: True where nothing leaves the machine.
    local: bool = field(init=False)
    #: True where a call may cost money, so that a hold at list price is needed.
    billable: bool = field(init=False)
    #: The limits in force: the account's own, else the model's, else the provider's.
    limits: tuple[Limit, ...] = field(init=False)

    def __post_init__(self) -> None:
        local = self.provider.local
        put = object.__setattr__
        put(self, "public_model", f"{self.provider.id}/{self.model.id}")
        put(self, "local", local)
        put(self, "billable", self.account.billable and not local)
        own = self.account.limits or self.model.limits or self.provider.limits
        put(self, "limits", tuple(limit for limit in own if self._concerns(limit)))

    def _concerns(self, limit: Limit) -> bool:
        if limit.tier is not None and limit.tier != self.account.tier:
            return False
        patterns = limit.applies_to
        return not patterns or any(fnmatchcase(self.model.id, p) for p in patterns)


# ── what is asked ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Weights:
    """Shares of the three score terms; non-negative, they need not add up to 1."""

    cost: float = 0.4
    speed: float = 0.4
    quality: float = 0.2


@dataclass(frozen=True, slots=True)
class Gates:
    """Constraints. ``None`` and empty mean: no such constraint.

    Latency in ms; intelligence and speed 1–10; success rate 0–1; context in tokens.
    """

    min_intelligence: float | None = None
    max_intelligence: float | None = None
    min_speed: float | None = None
    max_speed: float | None = None
    max_latency: float | None = None
    min_success_rate: float | None = None
    min_context: int | None = None
    required_capabilities: frozenset[str] = frozenset()
    blocked_providers: frozenset[str] = frozenset()
    allowed_providers: frozenset[str] | None = None
    block_local: bool = False
    local_only: bool = False
    no_training: bool = False
    free_only: bool = False
    paid_only: bool = False


@dataclass(frozen=True, slots=True)
class FallbackPlan:
    """What to do after a failed attempt; values as in the contract's ``fallback``."""

    on_quota_exceeded: str = "next-cheapest"
    on_latency_timeout: str = "faster-model"
    on_quality_failure: str = "upgrade"
    max_retries: int = 3
    retry_delay_ms: int = 1000
    mode: str | None = None  # "quality" | "local" | "fail" | "error"


@dataclass(frozen=True, slots=True)
class Level:
    """What one level (request, rule, key, project, settings) says of policy.

    ``None`` means that the level says nothing of it. ``max_cost`` is picodollars.
    ``targets``, ``selection`` and ``aggregation`` speak of multi-cast alone.
    """

    name: str
    strategy: str | None = None
    weights: Weights | None = None
    prefer_local: bool | None = None
    cost_tolerance: float | None = None
    fallback: FallbackPlan | None = None
    max_wait_ms: int | None = None
    pacing: str | None = None
    gates: Gates = Gates()
    max_cost: int | None = None
    targets: int | None = None
    selection: str | None = None
    aggregation: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All levels put together: preferences by the nearest, constraints by intersection.

    ``origins`` names, per part, the level it came from. ``order`` and ``above`` are a
    fallback's: another order than the strategy's (``price | latency``), and the
    intelligence above which candidates are preferred and below which none is taken. ``load``
    is the state that bent the weights, ``skip_slow`` puts slow and local ones back.
    ``stated_latency`` is the tightest maxLatency (ms) that a level stated, and which: not the
    preset's. Of multi-cast: how many ``targets`` at different providers, their ``selection``
    (``diverse | best | cheapest``), and the ``aggregation`` of answers (``first | all |
    consensus | best``).
    """

    strategy: str = "balanced"
    weights: Weights = Weights()
    prefer_local: bool = False
    cost_tolerance: float = 2.0
    fallback: FallbackPlan = FallbackPlan()
    max_wait_ms: int = 5000
    pacing: str = "on"
    gates: Gates = Gates()
    max_cost: int | None = None
    targets: int = 3
    selection: str = "diverse"
    aggregation: str = "first"
    origins: Mapping[str, str] = EMPTY
    order: str | None = None
    above: float | None = None
    load: str = "normal"
    skip_slow: bool = False
    stated_latency: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What a surface understood of a request; all that the pipeline knows of it.

    ``operation`` is ``chat`` or ``completion``; ``model`` the name as wanted;
    ``needs`` the capabilities the body itself asks for (``streaming``, ``tools``,
    ``vision``, ``json``); ``upper`` bounds what one attempt can consume,
    ``expected`` is what it likely will; ``bounded`` is False where the client
    gave no output bound, so that ``upper.output`` depends on the model chosen.
    ``output_ceiling`` bounds it where the registry does not know the model's own, and
    ``surcharge`` is what the request's fields add to list price.
    ``need`` is the intelligence (1–10) that task and complexity call for; None: unknown.
    ``signers`` are the makers whose signatures stand in the turn that is still open.
    ``headers`` are the request's, lower-case, without those that carry credentials.
    ``level`` holds the request's own directives; ``payload`` is for the lane
    alone and opaque to everyone else.
    """

    operation: str
    model: str
    needs: frozenset[str]
    upper: Meters
    expected: Meters
    bounded: bool = True
    stream: bool = False
    include_usage: bool = False
    choices: int = 1
    level: Level = Level("request")
    project: str | None = None
    session: str | None = None
    task: str = "chat"
    complexity: float = 0.0
    #: Intelligence 1–10 that the task needs; None: not read yet. ``confidence`` of the task 0–1.
    need: float | None = None
    confidence: float = 0.0
    #: Who said so: ``client | structure | words | weights | model``.
    task_by: str = ""
    signers: frozenset[str] = frozenset()
    #: Private data in it, and what is wished where there is any; None: not read yet.
    private: Found | None = None
    dropped: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    payload: Mapping[str, Any] = field(default=EMPTY, repr=False)
    output_ceiling: int = 8_192
    surcharge: Surcharge = LIST


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an AppKey, after authentication. ``role``: ``admin | client | viewer``."""

    key_id: str
    role: str
    project: str | None = None
    level: Level = Level("key")
    name: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a wanted model name means.

    ``kind``: ``auto`` (all candidates; ``strategy`` may be set), ``named``
    (only ``deployments``), ``similar`` (any model of at least
    ``min_intelligence`` and ``capabilities``: a substitution, to be said).
    ``deployments`` holds deployment ids; empty: all. ``rule`` names the owner's rule
    that narrowed them, ``redirected`` says that a named model is answered by another: by a
    rule, or because an alias led to a model that is gone and has a successor.
    """

    kind: str
    requested: str
    deployments: frozenset[str] = frozenset()
    strategy: str | None = None
    min_intelligence: float | None = None
    capabilities: frozenset[str] = frozenset()
    alias: str | None = None
    rule: str | None = None
    redirected: bool = False

    @property
    def substituted(self) -> bool:
        """True where something else answers than the model that was named."""
        return self.kind == "similar" or self.redirected


# ── what is said ─────────────────────────────────────────────────────────────


class Verdict(NamedTuple):
    """Why a candidate may not serve, with numbers: a refusal is a value, not an exception.

    ``gate`` is the contract's name of the gate, or ``quota``, ``budget``,
    ``breaker``, ``tier``, ``price``, ``tried``, ``state``; ``code`` the error
    code it would become; ``until`` (wall seconds) when it may pass again;
    ``relax`` the value of the gate that would let it through; ``facts`` the numbers
    behind a refusal of money, JSON-ready. (A tuple: thousands are made while one
    decision is explained, in a third of a dataclass's time.)
    """

    gate: str
    code: str
    reason: str
    until: float | None = None
    relax: Any = None
    facts: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a score: ``value`` 0–1 absolute, ``weight`` its share, ``why`` the numbers."""

    name: str
    value: float
    weight: float
    why: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that one attempt may take, by phase."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one deployment: the unit of hold, settlement, breaker and journal."""

    id: str
    request_id: str
    number: int
    deployment: Deployment
    profile: Profile
    timeouts: Timeouts = Timeouts()
    credentials: Mapping[str, str] = field(default=EMPTY, repr=False)
