"""The child's config: entries rendered from ``litellm_templates`` into one YAML file.

One entry per provider, model and endpoint, never per account, so that a new
account works without a new child. No secret goes in: ``render`` refuses
parameters that look like one. This module starts nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from freeloader.child.dialect import api_base_of
from freeloader.core.model import EMPTY, Deployment
from freeloader.errors import ConfigError

#: An entry that every child has: calls to it are answered inside the child, for warming up.
WARM_ENTRY = "freeloader-warm-up"
#: The host that the tap answers itself; ``.invalid`` never resolves (RFC 2606).
WARM_BASE = "http://freeloader-warm-up.invalid/v1"

_SECRET = re.compile(r"(api_?key|secret|token|password|credential|private)", re.IGNORECASE)
_REFERENCE = "os.environ/"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One entry of the child's model list.

    ``name`` is what requests name; ``litellm_model`` is ``prefix/model``;
    ``params`` are further, non-secret LiteLLM parameters (a secret one may only be
    a reference, ``os.environ/NAME``, to what the pipe brings).
    """

    name: str
    litellm_model: str
    api_base: str | None = None
    params: Mapping[str, Any] = field(default=EMPTY, compare=False)

    def key(self) -> str:
        """The whole entry as canonical JSON: equal entries, equal text."""
        parts = [self.name, self.litellm_model, self.api_base, dict(self.params)]
        return json.dumps(parts, sort_keys=True, default=str)


#: What ``render`` gives every child beside its entries.
WARM = Entry(WARM_ENTRY, f"openai/{WARM_ENTRY}", WARM_BASE)


def wire_name(entry: str) -> str:
    """The entry's name as the child knows it: to LiteLLM commas fan out and stars match."""
    return entry.replace(",", "%2C").replace("*", "%2A")


def entries_of(deployments: Iterable[Deployment]) -> tuple[Entry, ...]:
    """One entry per ``Deployment.entry``, sorted by name; accounts share entries."""
    found: dict[str, Entry] = {}
    for deployment in sorted(deployments, key=lambda d: d.id):
        found.setdefault(deployment.entry, _entry(deployment))
    return tuple(found[name] for name in sorted(found))


def _entry(deployment: Deployment) -> Entry:
    provider = deployment.provider
    prefix = provider.prefix.rstrip("/")
    model = deployment.model.id
    params = {k: v for k, v in provider.params.items() if k != "api_base"}
    return Entry(
        name=deployment.entry,
        litellm_model=f"{prefix}/{model}" if prefix else model,
        api_base=api_base_of(deployment),
        params=params,
    )


def digest(entries: Iterable[Entry], secrets: Mapping[str, str] = EMPTY) -> str:
    """A fingerprint of what a child would be started with: the same one needs no new child."""
    text = "\n".join(entry.key() for entry in sorted(entries))
    hidden = json.dumps(dict(sorted(secrets.items())))
    return hashlib.sha256(f"{text}\0{hidden}".encode()).hexdigest()[:16]


def templates_dir() -> Path:
    """The template folder: beside the package in a checkout, inside it in a wheel.

    Raises ConfigError where neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for place in (package / "litellm_templates", package.parent / "litellm_templates"):
        if (place / "proxy.yaml").is_file():
            return place
    raise ConfigError("litellm_templates/proxy.yaml is missing: reinstall xswarm-freeloader.")


def render(entries: Iterable[Entry], template: Path | None = None) -> str:
    """The YAML text for ``entries`` plus the warm-up entry.

    Raises ConfigError for a template that cannot be used or a parameter that
    would put a secret into the file.
    """
    import yaml  # where a child is started

    path = template or templates_dir() / "proxy.yaml"
    try:
        source = yaml.safe_load(path.read_text(encoding="utf-8"))
        proxy, deployment = dict(source["proxy"]), source["deployment"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path.name}: not a usable child template ({error}).") from error
    proxy["model_list"] = [_filled(deployment, entry) for entry in (WARM, *sorted(entries))]
    return yaml.safe_dump(proxy, sort_keys=False, allow_unicode=True, width=1000)


def _filled(template: Any, entry: Entry) -> dict[str, Any]:
    names = {"name": wire_name(entry.name), "model": entry.litellm_model}
    filled: dict[str, Any] = _substitute(template, names)
    params = filled["litellm_params"]
    if entry.api_base:
        params["api_base"] = entry.api_base
    for key, value in sorted(entry.params.items()):
        if _SECRET.search(key) and not _harmless(value):
            raise ConfigError(f"entry {entry.name}: {key} is a secret and cannot be in the config.")
        params[key] = _plain(value)
    return filled


def _harmless(value: Any) -> bool:
    """True for what cannot be a secret: numbers, switches, and references to the environment."""
    if isinstance(value, str):
        return value.startswith(_REFERENCE) or value in ("", "none")
    return not isinstance(value, (Mapping, list, tuple))


def _substitute(node: Any, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _substitute(value, names) for key, value in node.items()}
    if isinstance(node, list):
        return [_substitute(value, names) for value in node]
    return Template(node).safe_substitute(names) if isinstance(node, str) else node


def _plain(value: Any) -> Any:
    """Mappings and tuples as the dicts and lists that YAML knows."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def write_private(path: Path, text: str) -> None:
    """Write ``text`` atomically (temporary file, fsync, rename) with mode 0600. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
