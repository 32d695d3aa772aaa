"""Information and management, one module per noun. They translate; `manage` and the books do."""

from __future__ import annotations

from freeloader.gateway.routes import (
    accounts,
    analytics,
    benchmarks,
    budget,
    channels,
    config,
    decisions,
    describe,
    discovery,
    export,
    feedback,
    health,
    inference,
    jobs,
    keys,
    later,
    metrics,
    models,
    quota,
)
from freeloader.gateway.routes.table import Route
from freeloader.gateway.services import Services


def build(services: Services) -> list[Route]:
    """Every route there is, in the order of contract §5 and §7."""
    table = [
        *inference.routes(services),
        *health.routes(services),
        *metrics.routes(services),
        *models.routes(services),
        *budget.routes(services),
        *quota.routes(services),
        *decisions.routes(services),
        *feedback.routes(services),
        *analytics.routes(services),
        *export.routes(services),
        *config.routes(services),
        *accounts.routes(services),
        *keys.routes(services),
        *jobs.routes(services),
        *discovery.routes(services),
        *channels.routes(services),
        *benchmarks.routes(services),
        *later.routes(),
    ]
    return [*table, describe.route(services.version, table)]
