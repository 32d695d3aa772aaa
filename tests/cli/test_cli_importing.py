"""A daemon's modules are imported without plugins, certificates and collections."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

from freeloader.cli import importing

_LOOK = """
import os, sys
before = dict(os.environ)
from freeloader.cli import importing
with importing.plainly():
    import freeloader.app
import aiohttp.connector
from pydantic.plugin import _loader
assert dict(os.environ) == before, "the environment is as it was"
known = aiohttp.connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"]
print(known, len(_loader._plugins or ()))
for heavy in ("rapidfuzz", "yaml", "psutil", "phonenumbers", "jsonschema", "stdnum"):
    assert heavy not in sys.modules, heavy
assert "freeloader.core.privacy.national" not in sys.modules
"""


def test_a_daemon_starts_without_certificates_plugins_and_what_only_few_requests_need() -> None:
    environ = {**os.environ, "SSL_CERT_DIR": "/where/it/was"}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0"]


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    with importing.plainly():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with importing.plainly():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
