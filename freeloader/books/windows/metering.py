"""Meters that follow from others: list price in dollars, a provider's own units. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from freeloader.core.model import Deployment
from freeloader.core.quota import Window
from freeloader.money import Meters


def metered(
    deployment: Deployment, meters: Meters, windows: Iterable[Window], *, ceiling: bool
) -> Meters:
    """With the meters that follow from others, where one of ``windows`` counts them:
    list price in ``usd``, a provider's own ``units``.

    ``ceiling``: the most it can be, for a hold; else what it was.
    """
    if not any(window.derived for window in windows):
        return meters
    model = deployment.model
    usd, units = meters.usd, meters.units
    if not usd and model.price is not None:
        usd = model.price.ceiling(meters) if ceiling else model.price.cost(meters)
    if not units and model.neurons is not None:
        read, written = model.neurons
        whole = meters.input + meters.cache_read + meters.cache_write
        units = -(-(whole * read + meters.output * written) // 1_000_000)
    return replace(meters, usd=usd, units=units)
