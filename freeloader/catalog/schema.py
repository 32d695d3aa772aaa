"""The registry document as pydantic models: what a provider's file may say.

Checks and explains, converts nothing (``catalog.build`` does) and reads no
files. JSON is camelCase; an unknown key is refused and the nearest known one named.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from freeloader.core.outcome import KINDS

_WINDOW = r"^([1-9][0-9]*[smhd]|month|once)$"
_WAIT = re.compile(
    r"message|header|reset|window|none|\d+(\.\d+)?"
    r"|(?:midnight|message) [A-Za-z_]+(?:/[A-Za-z_+\-0-9/]+)?"
)
_METRICS = (
    *("requests", "tokens", "input", "output", "cacheRead", "cacheWrite"),
    *("images", "seconds", "units", "usd", "concurrency"),
)
Confidence = Literal["high", "medium", "low"]
Window = Annotated[str, Field(pattern=_WINDOW)]
Score = Annotated[float, Field(ge=1, le=10)]
Count = Annotated[int, Field(ge=0)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


_CREDENTIAL = re.compile(r"(api_?key|secret|token|password|credential|private)", re.IGNORECASE)


class Doc(BaseModel):
    """Strict about keys, camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class LimitDoc(Doc):
    """``amount`` is a count; for the metric ``usd`` it is decimal dollars.

    ``concurrency`` has no period: its ``window`` is ``once`` and its ``reset`` ``unknown``.
    ``allowance``: so much is free; accounts of a paid tier go on beyond it for money.
    """

    metric: str
    amount: Money
    window: Window
    reset: Literal["refill", "rolling", "calendar", "unknown"] = "unknown"
    scope: Literal["account", "model", "ip", "ip+model"] = "account"
    timezone: str = "UTC"
    applies_to: list[str] = []
    tier: str | None = None
    charged_on: Literal["accepted", "sent"] = "accepted"
    excludes: list[str] = []
    per_request_ceiling: bool = False
    expires_days: Count | None = None
    allowance: bool = False
    confidence: Confidence = "low"
    source: str = ""
    note: str = ""

    @field_validator("metric")
    @classmethod
    def _metric(cls, value: str) -> str:
        return _one_of(value, _METRICS, "metric")

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as problem:
            raise ValueError(f"not an IANA time zone: {value!r}") from problem
        return value


class HeaderDoc(Doc):
    """``window`` ``tripped``: the header speaks of whichever window refused the call."""

    name: str
    metric: str
    window: Annotated[str, Field(pattern=r"^([1-9][0-9]*[smhd]|month|once|tripped)$")]
    means: Literal["limit", "remaining", "used", "reset"]
    format: Literal["int", "duration", "seconds", "epoch_ms", "epoch_s", "rfc3339"] = "int"


class ReportDoc(Doc):
    """One number in the answer of ``endpoints.quota``; ``path`` is dotted: ``data.used``."""

    path: Annotated[str, Field(min_length=1)]
    metric: str
    window: Window
    means: Literal["limit", "remaining", "used"]

    @field_validator("metric")
    @classmethod
    def _metric(cls, value: str) -> str:
        return _one_of(value, _METRICS, "metric")


class RuleDoc(Doc):
    """See ``core.model.ErrorRule`` and ``core.outcome``; the first rule that holds counts."""

    kind: str
    status: int | None = None
    match: str = ""
    header: str = ""
    window: Window | None = None
    metric: str | None = None
    scope: Literal["request", "model", "account", "provider"] | None = None
    wait: str | None = None

    @field_validator("kind")
    @classmethod
    def _kind(cls, value: str) -> str:
        return _one_of(value, KINDS, "kind")

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as problem:
            raise ValueError(f"not a regular expression: {problem}") from problem
        return value

    @field_validator("wait")
    @classmethod
    def _wait(cls, value: str | None) -> str | None:
        if value is not None and not _WAIT.fullmatch(value):
            raise ValueError(
                "not a wait: message, header, reset, window, none, midnight ZONE, or seconds"
            )
        return value


class TierDoc(Doc):
    """Rates in dollars per million that replace the base where the input exceeds ``above``."""

    above: Annotated[int, Field(gt=0)]
    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None


class PricingDoc(Doc):
    """Dollars per million tokens; per request and per image in dollars."""

    input: Money
    output: Money
    cache_read: Money | None = None
    cache_write: Money | None = None
    per_request: Money = 0
    per_image: Money = 0
    tiers: list[TierDoc] = []


def _plain_name(value: str) -> str:
    """No request could name another one, and no list or log should show it."""
    if not value.isprintable():
        raise ValueError("a model's name is printable text")
    return value


ModelName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_plain_name)]


class NeuronsDoc(Doc):
    """A provider's own units per million tokens."""

    input: Count
    output: Count


class ModelDoc(Doc):
    family: str
    intelligence: Score | None = None
    strengths: dict[str, Score] = {}
    speed: Score | None = None
    context: Annotated[int, Field(gt=0)] | None = None
    max_output: Annotated[int, Field(gt=0)] | None = None
    capabilities: list[str] = ["streaming"]
    pricing: PricingDoc | None = None
    free: bool = False
    limits: list[LimitDoc] = []
    mode: str = "chat"
    neurons: NeuronsDoc | None = None
    deprecated_on: Day | None = None
    replaced_by: str | None = None
    evidence: dict[str, str] = {}


def _harmless(value: Any) -> bool:
    """What cannot be a secret: numbers, switches, references to the child's environment."""
    if isinstance(value, str):
        return value in ("", "none") or value.startswith("os.environ/")
    return not isinstance(value, (dict, list))


class LitellmDoc(Doc):
    """``params`` are LiteLLM's parameters for the provider; credentials are an account's."""

    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]+$")]
    params: dict[str, Any] = {}

    @field_validator("params")
    @classmethod
    def _no_secret(cls, value: dict[str, Any]) -> dict[str, Any]:
        """The child's config is a file, and one secret in it would keep the child from starting."""
        for name, given in value.items():
            if _CREDENTIAL.search(name) and not _harmless(given):
                raise ValueError(f"{name} is a credential: give it to an account instead")
        return value


class AuthDoc(Doc):
    env: list[str] = []
    format: str | None = None
    keyless: bool = False
    fields: list[str] = ["api_key"]
    field_env: dict[str, list[str]] = {}


class ListedPricesDoc(Doc):
    """Where a model list has its rates; ``scale`` makes them dollars per million tokens."""

    input: str
    output: str
    cache_read: str | None = None
    cache_write: str | None = None
    per_request: str | None = None
    per_image: str | None = None
    scale: float = 1.0


class ListingDoc(Doc):
    """How the provider's model list is read; ``discovery.listings`` says what a path is."""

    items: str | None = None
    id: str | list[str] | None = None
    chat: str | list[str] | None = None
    active: str | None = None
    context: str | list[str] | None = None
    max_output: str | list[str] | None = None
    pricing: ListedPricesDoc | None = None
    free_by_price: bool | None = None
    capabilities: dict[str, str | list[str]] | None = None
    deprecated_on: str | list[str] | None = None
    replaced_by: str | list[str] | None = None


class EndpointsDoc(Doc):
    """Paths under the base URL, or whole URLs. ``complete`` False: the provider's own
    model list leaves out models that work (its free ones). ``prices`` is a page for people."""

    models: str | None = None
    quota: str | None = None
    complete: bool = True
    prices: str | None = None
    listing: ListingDoc = ListingDoc()


class TermsDoc(Doc):
    card_required: bool | None = None
    trains_on_data: bool | None = None
    commercial_use: str | None = None
    pooling: Literal["forbidden", "ineffective", "unknown", "allowed"] = "unknown"
    notes: str = ""
    identity_check: str | None = None
    regions: str | None = None
    consent: list[str] = []
    quirks: list[str] = []
    source: str = ""
    verified_date: str = ""


class FreeTierDoc(Doc):
    type: Literal["recurring", "credit", "trial", "unlimited", "none"] = "none"
    confidence: Confidence = "low"
    verified_date: str = ""
    summary: str = ""
    source: str = ""
    limits: list[LimitDoc] = []


class ProviderDoc(Doc):
    display_name: str
    kind: Literal["cloud", "aggregator", "local", "simulated"]
    status: Literal["active", "uncertain", "credits", "paid_only", "restricted_client", "retired"]
    litellm: LitellmDoc
    wire: str = "openai"
    base_url: str | None = None
    auth: AuthDoc = AuthDoc()
    endpoints: EndpointsDoc = EndpointsDoc()
    signup_url: str | None = None
    terms: TermsDoc = TermsDoc()
    free_tier: FreeTierDoc = FreeTierDoc()
    rate_limit_headers: list[HeaderDoc] = []
    error_rules: list[RuleDoc] = []
    quota_report: list[ReportDoc] = []
    models: dict[ModelName, ModelDoc] = {}


def complaints(problem: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """``(key, reason)`` of every fault, keys as written in the file, hints for unknown ones."""
    for error in problem.errors(include_url=False, include_input=False):
        where = error["loc"]
        reason = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(where[-1]), known_keys(model, where[:-1]), n=1)
            reason = "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
        yield ".".join(map(str, where)), reason


def known_keys(model: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The keys that a document may have at a place, by their names in the file."""
    at: Any = model
    for part in where:
        if isinstance(at, type) and issubclass(at, BaseModel):
            found = [f for n, f in at.model_fields.items() if part in (f.alias, n)]
            at = _inner(found[0].annotation) if found else None
        elif get_origin(at) in (list, dict):
            at = _inner(get_args(at)[-1])
    if not (isinstance(at, type) and issubclass(at, BaseModel)):
        return []
    return [f.alias or name for name, f in at.model_fields.items()]


def _inner(annotation: Any) -> Any:
    """``X | None`` and ``Annotated[X, …]`` as ``X``."""
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0])
    options = [x for x in get_args(annotation) if x is not type(None)]
    if get_origin(annotation) not in (list, dict) and len(options) == 1:
        return _inner(options[0])
    return annotation


def _one_of(value: str, known: Any, what: str) -> str:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; one of {', '.join(known)}"
        raise ValueError(f"unknown {what} {value!r}{hint}")
    return value
