"""The sections of ``config.toml`` and their defaults (contract §3), policy's sections apart.

Data and bounds only. Where the contract names no default, the comment says why
the one here was chosen.
"""

from __future__ import annotations

import base64
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from freeloader.core.model import Timeouts
from freeloader.core.policy.load import LoadRules
from freeloader.core.policy.load import Pair as Thresholds
from freeloader.errors import ConfigError
from freeloader.settings.types import (
    Cron,
    Dollars,
    HttpUrl,
    Lower,
    Names,
    Number,
    Origins,
    Positive,
    Section,
    Share,
    Switch,
    Whole,
    Zone,
    hours_of_day,
    list_of,
)


class Server(Section):
    host: str = "127.0.0.1"
    port: Annotated[Whole, Field(ge=0, le=65_535)] = 3000  # 0: any free port (tests)
    # Beyond loopback only where this is said too: a wrong host must not open the door by itself.
    allow_remote: Switch = False
    allowed_hosts: Names = ()
    cors_origins: Origins = ()
    body_bytes_max: Annotated[Whole, Field(ge=1024, le=1 << 30)] = 33_554_432
    request_seconds_max: Positive = 600
    # Streams that run when SIGTERM comes get this long; systemd's own patience is 90 s.
    drain_seconds: Annotated[Number, Field(ge=0, le=3600)] = 30


class Models(Section):
    unknown: Annotated[Literal["similar", "error", "auto"], Lower] = "similar"
    premium: str | None = None  # None: the most intelligent priced model of the registry
    aliases: dict[str, str] = Field(default_factory=dict)

    @field_validator("aliases")
    @classmethod
    def _named(cls, aliases: dict[str, str]) -> dict[str, str]:
        for alias, target in aliases.items():
            if not alias.strip() or not target.strip():
                raise ValueError("an alias and its target must not be empty")
            if alias == target:
                raise ValueError(f"{alias!r} stands for itself")
        return aliases


class Pair(Section):
    """When something counts as a warning, and when as critical."""

    warning: Annotated[Number, Field(ge=0)]
    critical: Annotated[Number, Field(ge=0)]

    @field_validator("critical")
    @classmethod
    def _above(cls, critical: float, info: object) -> float:
        warning = getattr(info, "data", {}).get("warning")
        if warning is not None and critical < warning:
            raise ValueError(f"critical {critical:g} is less than warning {warning:g}")
        return critical


class QueuePair(Pair):
    warning: Annotated[Number, Field(ge=0)] = 10
    critical: Annotated[Number, Field(ge=0, validate_default=True)] = 50


class LatencyPair(Pair):
    warning: Annotated[Number, Field(ge=0)] = 2000
    critical: Annotated[Number, Field(ge=0, validate_default=True)] = 5000


class ErrorPair(Pair):
    warning: Annotated[Number, Field(ge=0)] = 0.05
    critical: Annotated[Number, Field(ge=0, validate_default=True)] = 0.15


class LoadMonitoring(Section):
    enabled: Switch = True
    queue: QueuePair = QueuePair()
    p95_ms: LatencyPair = LatencyPair()
    error_rate: ErrorPair = ErrorPair()
    on_warning: Annotated[Literal["prefer-faster-models", "none"], Lower] = "prefer-faster-models"
    on_critical: Annotated[Literal["block-slow-models", "none"], Lower] = "block-slow-models"
    cooldown_minutes: Annotated[Number, Field(ge=0, le=1440)] = 5

    def rules(self) -> LoadRules:
        """The same for the core."""
        return self.for_core

    @cached_property
    def for_core(self) -> LoadRules:
        """``rules``, made once: every request asks."""
        return LoadRules(
            enabled=self.enabled,
            queue=Thresholds(self.queue.warning, self.queue.critical),
            p95_ms=Thresholds(self.p95_ms.warning, self.p95_ms.critical),
            error_rate=Thresholds(self.error_rate.warning, self.error_rate.critical),
            prefer_faster=self.on_warning == "prefer-faster-models",
            block_slow=self.on_critical == "block-slow-models",
            cooldown_s=self.cooldown_minutes * 60,
        )


class Upstream(Section):
    lane: Annotated[Literal["litellm", "auto", "direct"], Lower] = "litellm"
    workers: Annotated[Whole, Field(ge=1, le=16)] = 1
    # LiteLLM's proxy was measured at 6–13 s to ready; a slow disk may take several times that.
    start_seconds_max: Positive = 90
    # 390 MB after a few dozen calls; leaks are slow: twice that, and some.
    recycle_rss_mb: Annotated[Whole, Field(ge=256, le=65_536)] = 1024
    connect_seconds: Positive = 5
    first_byte_seconds: Positive = 60
    idle_seconds: Positive = 60
    total_seconds: Positive = 600
    # Seconds that one attempt may take in all, for single providers (slow local servers).
    provider_seconds: dict[str, Positive] = Field(default_factory=dict)

    def timeouts(self, provider: str | None = None) -> Timeouts:
        """The limits of one attempt, with the provider's own total where there is one."""
        return self.known_timeouts.get(provider or "") or self.known_timeouts[""]

    @cached_property
    def known_timeouts(self) -> dict[str, Timeouts]:
        """``timeouts`` of each provider with a total of its own, and of all others (``""``)."""
        totals = {"": self.total_seconds, **self.provider_seconds}
        return {
            name: Timeouts(
                connect=min(self.connect_seconds, total),
                first_byte=min(self.first_byte_seconds, total),
                idle=min(self.idle_seconds, total),
                total=total,
            )
            for name, total in totals.items()
        }


class Secrets(Section):
    backend: Annotated[Literal["auto", "keyring", "file"], Lower] = "auto"


class Logging(Section):
    level: Annotated[Literal["debug", "info", "warning", "error", "critical"], Lower] = "info"
    as_json: Switch = Field(default=False, alias="json")
    save_prompts: Switch = False
    save_responses: Switch = False
    # A month of the journal: long enough to compare with a provider's bill.
    retention_days: Annotated[Whole, Field(ge=1, le=3650)] = 30
    # By size too: rows of history per file, megabytes per file, megabytes of saved texts.
    retention_rows_max: Annotated[Whole, Field(ge=1000, le=100_000_000)] = 1_000_000
    retention_mb_max: Annotated[Whole, Field(ge=16, le=1_048_576)] = 2048
    saved_mb_max: Annotated[Whole, Field(ge=1, le=1_048_576)] = 256
    file_bytes_max: Annotated[Whole, Field(ge=65_536, le=1 << 30)] = 10_485_760
    files: Annotated[Whole, Field(ge=1, le=100)] = 5
    # An OpenTelemetry collector (OTLP over HTTP), `http://127.0.0.1:4318` say; None: no traces.
    otlp_endpoint: HttpUrl | None = None

    @field_validator("level", mode="before")
    @classmethod
    def _short(cls, level: object) -> object:
        short = {"warn": "warning", "fatal": "critical", "err": "error", "trace": "debug"}
        return short.get(level.strip().lower(), level) if isinstance(level, str) else level


class Source(Section):
    """One source of discovery, on its own cron line.

    What a source is by default stands in its class, not where it is put: a section of the
    file that says one thing of it leaves the others as they are.
    """

    enabled: Switch = True
    cron: Cron
    url: HttpUrl | None = None


class FeedSource(Source):
    """The registry feed. Without an address and a key it is not read."""

    cron: Cron = "0 2 * * *"
    # Public keys (ed25519, base64) that may sign it.
    keys: Names = ()

    @field_validator("keys")
    @classmethod
    def _usable(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        for key in keys:
            try:
                sound = len(base64.b64decode(key, validate=True)) == 32
            except ValueError:
                sound = False  # also text that is no base64 at all
            if not sound:
                raise ValueError(f"{key[:60]!r} is not an ed25519 public key: 32 bytes in base64")
        return keys


class ApiSource(Source):
    """The providers' own model lists."""

    cron: Cron = "30 2 * * *"


class TelemetrySource(Source):
    """Off until it is asked for."""

    enabled: Switch = False
    cron: Cron = "0 5 * * *"


class ListSource(Source):
    """Awesome lists: Markdown pages that people keep."""

    cron: Cron = "0 3 * * 0"
    urls: Annotated[tuple[HttpUrl, ...], BeforeValidator(list_of)] = (
        "https://raw.githubusercontent.com/cheahjs/free-llm-api-resources/main/README.md",
        "https://raw.githubusercontent.com/mnfst/awesome-free-llm-apis/main/README.md",
    )


class PageSource(Source):
    """Pricing pages: the active providers' own, from the registry, and those named here."""

    enabled: Switch = False
    cron: Cron = "0 4 * * 1"
    # Provider → page, besides or instead of the registry's.
    pages: dict[str, HttpUrl] = Field(default_factory=dict)
    # The local model that reads them; any one that may serve where none is named.
    model: str | None = None


Kind = Annotated[
    Literal["new_provider", "new_model", "pricing_change", "limit_change", "model_deprecated"],
    Lower,
]


class Discovery(Section):
    enabled: Switch = True
    auto_apply_updates: Switch = False
    # Of which kinds, and how sure, where updates are applied by themselves.
    auto_apply_kinds: Annotated[tuple[Kind, ...], BeforeValidator(list_of)] = (
        "new_model",
        "pricing_change",
        "limit_change",
        "model_deprecated",
    )
    auto_apply_confidence: Annotated[Literal["low", "medium", "high"], Lower] = "high"
    registry: FeedSource = FeedSource()
    api: ApiSource = ApiSource()
    github: ListSource = ListSource()
    scraping: PageSource = PageSource()
    telemetry: TelemetrySource = TelemetrySource()


class Jobs(Section):
    """When the daemon's own upkeep runs: cron lines in ``timezone`` (None: the budget's).

    A sixth field is seconds. Discovery and benchmarks have lines of their own.
    """

    timezone: Zone | None = None
    retention: Cron = "17 3 * * *"  # at night, off the full hour
    expiry: Cron = "* * * * *"
    quota: Cron = "*/10 * * * *"
    load: Cron = "* * * * * */30"
    ratings: Cron = "*/15 * * * *"
    deprecations: Cron = "5 0 * * *"  # a model's last day ends at midnight


class BenchmarkBudget(Section):
    monthly: Dollars = Field(default=0, validate_default=True)


class Benchmarking(Section):
    enabled: Switch = True
    cron: Cron = "0 4 * * 0"  # weekly, at night
    # Cloud models are measured by real traffic alone until the user gives a share.
    quota_share: Share = 0.0
    budget: BenchmarkBudget = BenchmarkBudget()
    # When cloud and local models may be asked by themselves, in the jobs' time zone.
    hours: Annotated[str, AfterValidator(hours_of_day)] = "01:00-06:00"


class Events(Section):
    """Which events are notified."""

    budget: Switch = True
    quota: Switch = True
    proposals: Switch = True
    price_changes: Switch = True
    deprecations: Switch = True
    child: Switch = True
    jobs: Switch = True


class Notifications(Section):
    enabled: Switch = True
    # Names of channels: their addresses carry passwords, and live in the secret store.
    channels: Names = ()
    events: Events = Events()


Pii = Annotated[Literal["local-only", "block", "warn", "off"], Lower]


class Privacy(Section):
    pii: Pii = "off"
    projects: dict[str, Pii] = Field(default_factory=dict)
    patterns: dict[str, str] = Field(default_factory=dict)
    words: Names = ()

    @model_validator(mode="after")
    def _safe(self) -> Privacy:
        """A pattern that could stall the daemon is refused here, naming what to change."""
        if not self.patterns and not self.words:
            return self
        from freeloader.core.privacy import Own  # its own patterns take a while to compile

        try:
            Own(self.patterns, self.words)
        except ConfigError as problem:
            raise ValueError(problem.message.removeprefix("privacy.")) from None
        return self


class Classifier(Section):
    mode: Annotated[Literal["rules", "model"], Lower] = "rules"
    #: None: the cheapest that the request's own constraints allow.
    model: str | None = None
    #: Longer than this nobody waits for a classification: the rules' answer stands.
    seconds: Annotated[Number, Field(gt=0, le=60)] = 3
