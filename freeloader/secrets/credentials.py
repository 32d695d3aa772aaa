"""Keys that a service manager hands over as files (systemd's credentials).

A credential named like a provider's variable (``GROQ_API_KEY``) counts as that
variable. Read once, at start; nothing is written, and other files are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = "CREDENTIALS_DIRECTORY"
_NAME = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)
#: A key file larger than that is none; systemd's own bound for all is 1 MB.
_BYTES_MAX = 65_536
_FILES_MAX = 200


def with_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` and the credentials; what the environment says itself wins.

    Raises OSError where the directory is named but cannot be read.
    """
    where = environ.get(DIRECTORY)
    if not where:
        return dict(environ)
    found: dict[str, str] = {}
    for path in sorted(Path(where).iterdir())[:_FILES_MAX]:
        if not _NAME.fullmatch(path.name) or not path.is_file():
            continue
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX + 1)
        if len(text) <= _BYTES_MAX and (value := text.decode("utf-8", "replace").strip()):
            found[path.name] = value
    return {**found, **environ}
