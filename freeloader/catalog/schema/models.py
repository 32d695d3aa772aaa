"""One model: how good it is, what it can, and what it costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from freeloader.catalog.schema.base import Count, Day, Doc, Money, Score
from freeloader.catalog.schema.limits import LimitDoc


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
