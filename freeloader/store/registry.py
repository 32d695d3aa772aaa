"""The registry as it is in force, as rows: so that SQL and backups know what models cost then.

A copy for reading; nothing in the house decides by it. Written when it changed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from freeloader.store.sql import meta, owner

Rows = Mapping[str, Mapping[str, Any]]
Models = Mapping[tuple[str, str], Mapping[str, Any]]


def keeping(providers: Rows, models: Models, now: float) -> Callable[[sqlite3.Connection], int]:
    """A piece for the writer: how many rows it wrote, 0 where nothing changed."""
    listed = {name: json.dumps(data, sort_keys=True) for name, data in providers.items()}
    known = {key: json.dumps(data, sort_keys=True) for key, data in models.items()}
    text = json.dumps([sorted(listed.items()), sorted((*k, v) for k, v in known.items())])
    mark = hashlib.sha256(text.encode()).hexdigest()

    def piece(conn: sqlite3.Connection) -> int:
        before = conn.execute(meta.META_GET, {"key": "registry"}).fetchone()
        if before is not None and before["value"] == mark:
            return 0
        conn.execute(owner.PROVIDERS_CLEAR)
        conn.execute(owner.MODELS_CLEAR)
        conn.executemany(
            owner.PROVIDER_PUT, [{"id": n, "data": d, "now": now} for n, d in listed.items()]
        )
        conn.executemany(
            owner.MODEL_PUT,
            [{"provider": p, "id": m, "data": d, "now": now} for (p, m), d in known.items()],
        )
        conn.execute(meta.META_SET, {"key": "registry", "value": mark})
        return len(listed) + len(known)

    return piece
