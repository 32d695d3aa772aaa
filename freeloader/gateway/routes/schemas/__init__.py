"""The JSON schemas that the OpenAPI document names, by what they are about. Data only."""

from __future__ import annotations

from collections.abc import Mapping

from freeloader.gateway.routes.schemas.inference import INFERENCE
from freeloader.gateway.routes.schemas.information import INFORMATION
from freeloader.gateway.routes.schemas.management import MANAGEMENT
from freeloader.gateway.routes.schemas.shapes import Schema

#: Every schema by its name.
SCHEMAS: Mapping[str, Schema] = {**INFERENCE, **INFORMATION, **MANAGEMENT}
