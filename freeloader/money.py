"""Integer money, and prices over meters.

Everything consumed is a vector of named meters (``Meters``). A price is
micro-dollars per million units, so price × count is picodollars (1e-12 USD):
no float ever adds up money. This module knows no budgets and no providers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from itertools import compress
from operator import add, attrgetter

from freeloader.records import record

PICO_PER_USD = 10**12
MICRO_PER_USD = 10**6


@record(frozen=True, slots=True)
class Meters:
    """What a request consumes. Counts are non-negative integers; ``usd`` is picodollars.

    ``input`` excludes cached input (``cache_read``, ``cache_write``);
    ``output`` includes reasoning. ``units`` is a provider's own currency
    (Cloudflare's neurons); ``seconds`` is audio or compute time.
    """

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    images: int = 0
    seconds: int = 0
    units: int = 0
    usd: int = 0

    def __add__(self, other: Meters) -> Meters:
        return Meters(*map(add, _VALUES(self), _VALUES(other)))

    def with_output(self, output: int) -> Meters:
        """The same with another output (``replace`` takes three times as long)."""
        return Meters(
            self.requests,
            self.input,
            self.cache_read,
            self.cache_write,
            output,
            self.images,
            self.seconds,
            self.units,
            self.usd,
        )

    def tokens(self, excludes: Iterable[str] = ()) -> int:
        """All tokens, less the meters named in ``excludes`` (``cache_read`` or ``cacheRead``)."""
        if not excludes:
            return self.input + self.cache_read + self.cache_write + self.output
        skip = {_snake(name) for name in excludes}
        parts = ("input", "cache_read", "cache_write", "output")
        return int(sum(getattr(self, n) for n in parts if n not in skip))

    def amount(self, metric: str, excludes: Iterable[str] = ()) -> int:
        """The count of one metric: a meter's name (either spelling), or ``tokens``."""
        if metric == "tokens":
            return self.tokens(excludes)
        return int(getattr(self, _snake(metric)))

    def as_dict(self) -> dict[str, int]:
        """Non-zero meters by their contract (camelCase) names."""
        values = _VALUES(self)
        return dict(compress(zip(_CAMEL, values, strict=True), values))

    def values(self) -> tuple[int, ...]:
        """All of them, in the order of ``METERS``."""
        return _VALUES(self)


METERS: tuple[str, ...] = tuple(f.name for f in fields(Meters))
_VALUES = attrgetter(*METERS)


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Rates that replace the base ones when the whole input exceeds ``above`` tokens."""

    above: int
    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars per million tokens; ``per_request`` and ``per_image`` in picodollars.

    A missing cache rate is charged as plain input: unknown is never guessed in
    our favour.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    per_request: int = 0
    per_image: int = 0
    tiers: tuple[PriceTier, ...] = ()

    def cost(self, used: Meters) -> int:
        """Picodollars for ``used``. Tiers go by the whole input, cached or not."""
        whole = used.input + used.cache_read + used.cache_write
        rates: Price | PriceTier = self
        for tier in self.tiers:
            if whole > tier.above:
                rates = tier
        read = rates.input if rates.cache_read is None else rates.cache_read
        write = rates.input if rates.cache_write is None else rates.cache_write
        tokens = used.input * rates.input + used.output * rates.output
        cached = used.cache_read * read + used.cache_write * write
        return tokens + cached + used.requests * self.per_request + used.images * self.per_image

    def ceiling(self, used: Meters) -> int:
        """Picodollars that ``used`` can cost at most: every input token at the dearest rate."""
        whole = used.input + used.cache_read + used.cache_write
        fixed = used.requests * self.per_request + used.images * self.per_image
        tokens = _at_most(self, whole, used.output)
        for tier in self.tiers:
            if whole > tier.above:
                tokens = max(tokens, _at_most(tier, whole, used.output))
        return tokens + fixed


#: What is held and counted where nobody knows a model's price and a budget has to be kept:
#: the dearest rates at which a text model is sold. A safe guess, never shown as a cost.
UNKNOWN_PRICE = Price(75_000_000, 180_000_000, per_image=PICO_PER_USD // 5)


@dataclass(frozen=True, slots=True)
class Surcharge:
    """What a request's own fields add to list price: a dearer service tier, searches.

    ``factor`` is never under 1: a cheaper tier is held and charged at list price, because
    no price list of ours bounds it. ``flat`` is picodollars.
    """

    factor: int = 1
    flat: int = 0

    def on(self, cost: int) -> int:
        return cost * self.factor + self.flat


LIST = Surcharge()


def _at_most(rates: Price | PriceTier, whole: int, output: int) -> int:
    dearest = max(rates.input, rates.cache_read or 0, rates.cache_write or 0)
    return whole * dearest + output * rates.output


def pico_from_usd(usd: str | float | int | Decimal) -> int:
    """Decimal dollars to picodollars, rounded up. Raises ValueError for negative or not finite."""
    value = Decimal(str(usd))
    if not value.is_finite() or value < 0:
        raise ValueError(f"not an amount of money: {usd!r}")
    return int((value * PICO_PER_USD).to_integral_value(ROUND_CEILING))


def usd_from_pico(pico: int) -> float:
    """Picodollars as decimal dollars, for people and JSON only: never add these up."""
    return pico / PICO_PER_USD  # of two integers: the nearest float


def dollars(pico: int) -> str:
    """An amount in words: cents where there are any, more digits for less."""
    usd = pico / PICO_PER_USD
    if usd >= 1 or pico == 0:
        return f"${usd:,.2f}"
    return f"${usd:.6f}" if usd >= 1e-5 else f"${usd:.12f}".rstrip("0")


def known_usd(pico: int, unpriced: bool) -> float | None:
    """The same of a cost that may be unknown: then None, whatever was counted for it."""
    return None if unpriced else usd_from_pico(pico)


def rate_from_usd(usd_per_million: str | float | int | Decimal) -> int:
    """Dollars per million tokens to micro-dollars per million, rounded up."""
    value = Decimal(str(usd_per_million))
    if not value.is_finite() or value < 0:
        raise ValueError(f"not a price: {usd_per_million!r}")
    return int((value * MICRO_PER_USD).to_integral_value(ROUND_CEILING))


@lru_cache(maxsize=256)
def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


@lru_cache(maxsize=256)
def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


_CAMEL = tuple(map(_camel, METERS))
_PUBLIC = dict(zip(METERS, _CAMEL, strict=True))


def public(metric: str) -> str:
    """The contract's (camelCase) name of a meter; any other name as it is."""
    return _PUBLIC.get(metric, metric)
