"""Taking over the seed's complete configuration in JSON. Pure: nothing is written here."""

from freeloader.settings.seed.accounts import SeedAccount
from freeloader.settings.seed.values import Seed, translate

__all__ = ["Seed", "SeedAccount", "translate"]
