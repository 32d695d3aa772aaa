"""The child's environment, from scratch: nothing of the daemon's leaks in, nothing leads out.

No secret is in it: ``/proc/PID/environ`` shows it to every process of the user.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Sets LiteLLM up so that it opens no connection of its own, at start or later,
#: and reads no ``.env``. Every name was seen in the pinned version's source.
_FIXED: Mapping[str, str] = {
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONSAFEPATH": "1",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    # /v1/messages on an OpenAI-compatible provider would otherwise go to /v1/responses there
    "LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES": "true",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
    "NO_OPENAPI": "True",
    # shorter than the 60–75 s after which providers close idle connections
    "AIOHTTP_KEEPALIVE_TIMEOUT": "15",
}
#: Places, not secrets: taken over from the daemon where they are set.
_TAKEN = ("PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "LD_LIBRARY_PATH")


def child_environ(home: Path, source: Mapping[str, str]) -> dict[str, str]:
    """The environment to start a child with; ``home`` is an empty directory of its own."""
    environ = {name: source[name] for name in _TAKEN if name in source}
    environ.setdefault("PATH", os.defpath)
    environ |= _FIXED
    environ["HOME"] = str(home)
    # The launcher must be importable from an empty directory, also in a bare checkout.
    environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent.parent)
    return environ
