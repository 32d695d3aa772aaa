"""From checked documents to the core's frozen nouns: money to integers, names to snake_case."""

from __future__ import annotations

from types import MappingProxyType

from freeloader.catalog.schema import FreeTierDoc, LimitDoc, ModelDoc, PricingDoc, ProviderDoc
from freeloader.core.model import (
    EMPTY,
    ErrorRule,
    Limit,
    Model,
    Provider,
    QuotaReport,
    RateLimitHeader,
)
from freeloader.money import Price, PriceTier, pico_from_usd, rate_from_usd


def provider(name: str, doc: ProviderDoc) -> Provider:
    """The provider without its models."""
    tier, auth, terms = doc.free_tier, doc.auth, doc.terms
    return Provider(
        id=name,
        display_name=doc.display_name,
        kind=doc.kind,
        status=doc.status,
        prefix=doc.litellm.prefix,
        wire=doc.wire,
        base_url=doc.base_url,
        params=MappingProxyType(dict(doc.litellm.params)) if doc.litellm.params else EMPTY,
        auth_env=tuple(auth.env),
        auth_format=auth.format,
        auth_fields=tuple(auth.fields),
        field_env=MappingProxyType({k: tuple(v) for k, v in auth.field_env.items()}),
        keyless=auth.keyless,
        models_path=doc.endpoints.models,
        quota_path=doc.endpoints.quota,
        prices_page=doc.endpoints.prices,
        listing=MappingProxyType(
            doc.endpoints.listing.model_dump(by_alias=True, exclude_none=True)
        ),
        signup_url=doc.signup_url,
        card_required=terms.card_required,
        trains_on_data=terms.trains_on_data,
        terms=MappingProxyType(terms.model_dump(by_alias=True, exclude_defaults=True)),
        free_type=tier.type,
        free_confidence=tier.confidence,
        limits=tuple(limit(x, tier) for x in tier.limits),
        rate_limit_headers=tuple(
            RateLimitHeader(h.name.lower(), h.metric, h.window, h.means, h.format)
            for h in doc.rate_limit_headers
        ),
        error_rules=tuple(ErrorRule(**dict(rule)) for rule in doc.error_rules),
        quota_report=tuple(QuotaReport(**dict(part)) for part in doc.quota_report),
        free_source=tier.source,
        verified_date=tier.verified_date,
    )


def model(name: str, provider_id: str, doc: ModelDoc, tier: FreeTierDoc) -> Model:
    """One model; ``tier`` is its provider's, for what its own limits do not say."""
    return Model(
        id=name,
        provider=provider_id,
        family=doc.family,
        intelligence=doc.intelligence,
        speed=doc.speed,
        context=doc.context,
        max_output=doc.max_output,
        capabilities=frozenset(doc.capabilities),
        price=None if doc.pricing is None else price(doc.pricing),
        free=doc.free,
        limits=tuple(limit(x, tier) for x in doc.limits),
        strengths=MappingProxyType(doc.strengths) if doc.strengths else EMPTY,
        mode=doc.mode,
        deprecated_on=doc.deprecated_on,
        replaced_by=doc.replaced_by,
        evidence=MappingProxyType(doc.evidence) if doc.evidence else EMPTY,
        neurons=None if doc.neurons is None else (doc.neurons.input, doc.neurons.output),
    )


def limit(doc: LimitDoc, tier: FreeTierDoc) -> Limit:
    """``usd`` amounts become picodollars; a fraction of a count is rounded down.

    A limit that says nothing of its evidence has that of its free tier.
    """
    return Limit(
        metric=doc.metric,
        amount=pico_from_usd(doc.amount) if doc.metric == "usd" else int(doc.amount),
        window=doc.window,
        reset=doc.reset,
        scope=doc.scope,
        timezone=doc.timezone,
        applies_to=tuple(doc.applies_to),
        tier=doc.tier,
        charged_on=doc.charged_on,
        excludes=tuple(doc.excludes),
        per_request_ceiling=doc.per_request_ceiling,
        expires_days=doc.expires_days,
        confidence=doc.confidence if "confidence" in doc.model_fields_set else tier.confidence,
        source=doc.source,
        allowance=doc.allowance,
    )


def price(doc: PricingDoc) -> Price:
    """Dollars per million to micro-dollars per million, exactly (rounded up below that)."""
    tiers = sorted(doc.tiers, key=lambda tier: tier.above)
    return Price(
        input=rate_from_usd(doc.input),
        output=rate_from_usd(doc.output),
        cache_read=_rate(doc.cache_read),
        cache_write=_rate(doc.cache_write),
        per_request=pico_from_usd(doc.per_request),
        per_image=pico_from_usd(doc.per_image),
        tiers=tuple(
            PriceTier(
                above=tier.above,
                input=rate_from_usd(tier.input),
                output=rate_from_usd(tier.output),
                cache_read=_rate(tier.cache_read),
                cache_write=_rate(tier.cache_write),
            )
            for tier in tiers
        ),
    )


def _rate(usd: float | None) -> int | None:
    return None if usd is None else rate_from_usd(usd)
