"""The registry document as pydantic models: what a provider's file may say.

Checks and explains, converts nothing (``catalog.build`` does) and reads no
files. JSON is camelCase; an unknown key is refused and the nearest known one named.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from freeloader.catalog.schema.base import Confidence, Doc
from freeloader.catalog.schema.complaints import complaints, known_keys
from freeloader.catalog.schema.limits import HeaderDoc, LimitDoc, ReportDoc, RuleDoc
from freeloader.catalog.schema.models import ModelDoc, ModelName, PricingDoc

_CREDENTIAL = re.compile(r"(api_?key|secret|token|password|credential|private)", re.IGNORECASE)


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


__all__ = [
    "FreeTierDoc",
    "LimitDoc",
    "ModelDoc",
    "PricingDoc",
    "ProviderDoc",
    "complaints",
    "known_keys",
]
