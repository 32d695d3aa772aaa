"""What exists: providers with their limits and rules, models, accounts, deployments.

Frozen, and as the registry and the owner say it. What is true right now (windows,
health, money) is the books'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from freeloader.core.model.limits import ErrorRule, Limit, QuotaReport, RateLimitHeader
from freeloader.core.model.nothing import EMPTY
from freeloader.money import Price

#: What a model may be able to do, by the registry's names; an overlay may add others.
CAPABILITIES = frozenset({"streaming", "tools", "vision", "json", "reasoning", "search"})


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
    def unlimited(self) -> bool:
        """True where as much as one likes is given for nothing, perhaps a few at a time."""
        return self.free_type == "unlimited"

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
    #: What the owner's own limits are in the place of: counted on, for the day they are gone.
    beside: tuple[Limit, ...] = field(init=False)
    #: True where the owner said what may be used: no header says otherwise.
    pinned: bool = field(init=False)

    def __post_init__(self) -> None:
        local = self.provider.local
        put = object.__setattr__
        put(self, "public_model", f"{self.provider.id}/{self.model.id}")
        put(self, "local", local)
        put(self, "billable", self.account.billable and not local)
        stated, published = self._stated(), self.model.limits or self.provider.limits
        put(self, "limits", tuple(limit for limit in stated if self._concerns(limit)))
        replaced = (x for x in published if x not in stated) if self.account.limits else ()
        put(self, "beside", tuple(limit for limit in replaced if self._concerns(limit)))
        put(self, "pinned", any(not self.gives(limit) for limit in self.account.limits))

    def gives(self, limit: Limit) -> bool:
        """True for what the account gets for nothing and is billed beyond: it counts, and
        refuses nobody."""
        return limit.allowance and self.billable

    def _stated(self) -> tuple[Limit, ...]:
        """An owner who says only what is free for a paid account leaves its limits as they are,
        and the other way round."""
        own, published = self.account.limits, self.model.limits or self.provider.limits
        if not own or not self.billable:
            return own or published
        said = {self.gives(limit) for limit in own}
        return own + tuple(limit for limit in published if self.gives(limit) not in said)

    def _concerns(self, limit: Limit) -> bool:
        if limit.tier is not None and limit.tier != self.account.tier:
            return False
        patterns = limit.applies_to
        return not patterns or any(fnmatchcase(self.model.id, p) for p in patterns)
