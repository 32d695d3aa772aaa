"""The home and the settings: the only reader of ``config.toml`` and ``XSWARM_*``.

Names and checks what an owner may set. It does not act on any setting and never
holds a secret.
"""

from freeloader.settings.directives import CARRIED, DIRECTIVES, parse_gates, parse_level
from freeloader.settings.edit import choose_port, place_of, replace, save
from freeloader.settings.home import Home
from freeloader.settings.load import from_mapping, load
from freeloader.settings.model import Settings
from freeloader.settings.presets import STRATEGIES

__all__ = [
    "CARRIED",
    "DIRECTIVES",
    "STRATEGIES",
    "Home",
    "Settings",
    "choose_port",
    "from_mapping",
    "load",
    "parse_gates",
    "parse_level",
    "place_of",
    "replace",
    "save",
]
