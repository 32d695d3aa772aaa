"""Pretend providers on loopback, with real limits, real refusals and faults on demand.

A program of its own (``python -m freeloader.simulator``) that knows nothing of the
daemon. It is written from the providers' documented behaviour and keeps its own
bill, so that what the daemon believes can be held against it. It never opens an
outbound connection and listens on loopback only.
"""

from __future__ import annotations

from freeloader.simulator.config import Config, parse_config
from freeloader.simulator.profiles import FIRST_RUN, default_config, profiles, registry_document
from freeloader.simulator.service.server import Running, serve

__all__ = [
    "FIRST_RUN",
    "Config",
    "Running",
    "default_config",
    "parse_config",
    "profiles",
    "registry_document",
    "serve",
]
