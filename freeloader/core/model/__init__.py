"""The nouns of the house: frozen dataclasses that every room passes around.

Nothing here decides anything. ``existing``: what there is (Provider, Model, Account,
Deployment), ``limits``: what it says of its limits; ``asked``: Profile, Caller, Resolution;
``policy``: what is allowed and wished; ``said``: of a candidate (Verdict, Term), and the
Attempt. The vocabulary is the architecture's: one meaning per word.
"""

from freeloader.core.model.asked import Caller, Profile, Resolution
from freeloader.core.model.existing import CAPABILITIES, Account, Deployment, Model, Provider
from freeloader.core.model.limits import (
    HEADERS,
    OWN,
    ErrorRule,
    Limit,
    QuotaReport,
    RateLimitHeader,
)
from freeloader.core.model.nothing import EMPTY
from freeloader.core.model.policy import FallbackPlan, Gates, Level, Policy, Weights
from freeloader.core.model.said import Attempt, Term, Timeouts, Verdict

__all__ = [
    "CAPABILITIES",
    "EMPTY",
    "HEADERS",
    "OWN",
    "Account",
    "Attempt",
    "Caller",
    "Deployment",
    "ErrorRule",
    "FallbackPlan",
    "Gates",
    "Level",
    "Limit",
    "Model",
    "Policy",
    "Profile",
    "Provider",
    "QuotaReport",
    "RateLimitHeader",
    "Resolution",
    "Term",
    "Timeouts",
    "Verdict",
    "Weights",
]
