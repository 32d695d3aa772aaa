"""What exists: the bundled registry, overlays of the home, LiteLLM's prices → ``Catalog``.

Nothing here knows what is happening: no usage, no health, no secrets, no HTTP.
"""

from freeloader.catalog.load import Layers, layers, load
from freeloader.catalog.registry import Catalog, Problem

__all__ = ["Catalog", "Layers", "Problem", "layers", "load"]
