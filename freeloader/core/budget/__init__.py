"""Money that may be spent: limits (hard and soft) over calendar periods, and what follows.

``balances`` adds up; ``limits`` says whether a hold fits, and who is charged; ``actions`` is
what the owner wants done at a limit; ``projection`` how long the month's money lasts.
"""

from freeloader.core.budget.limits import (
    DEFAULT_PROJECT,
    GLOBAL,
    RECHECK,
    BudgetRules,
    admit,
    admit_request,
    hold,
    name_of,
    names,
    price_unknown,
    project_scope,
    release,
    scopes,
    setting_of,
    settle,
)
from freeloader.money import dollars

__all__ = [
    "DEFAULT_PROJECT",
    "GLOBAL",
    "RECHECK",
    "BudgetRules",
    "admit",
    "admit_request",
    "dollars",
    "hold",
    "name_of",
    "names",
    "price_unknown",
    "project_scope",
    "release",
    "scopes",
    "setting_of",
    "settle",
]
