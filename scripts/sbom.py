"""Writes the SBOM of a release: every package of requirements.lock, as CycloneDX 1.5 JSON.

``python scripts/sbom.py [ROOT]`` prints it. The lock is all it reads beside pyproject.toml: it
says what a user gets, with the hashes pip checks; what happens to be installed here does not
count. The same lock gives the same bytes. It knows no licences and looks nothing up.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)"
    r"(?:\s*;\s*(?P<marker>[^\\]+?))?\s*(?:\\|$)"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def packages(lock: str) -> list[dict[str, Any]]:
    """Name, version, marker ("" for none) and hashes of each entry. Raises ValueError for a
    line that is none: an SBOM that leaves something out is worse than none."""
    found: list[dict[str, Any]] = []
    for line in lock.splitlines():
        if line.startswith((" ", "\t")) and found:
            found[-1]["hashes"] += _HASH.findall(line)
        elif line.strip() and not line.startswith("#"):
            entry = _ENTRY.match(line)
            if entry is None:
                raise ValueError(f"no package is read from this line of the lock: {line[:80]}")
            name, version, marker = entry.group("name", "version", "marker")
            found.append({"name": name, "version": version, "marker": marker or "", "hashes": []})
            found[-1]["hashes"] += _HASH.findall(line)
    return found


def component(package: dict[str, Any]) -> dict[str, Any]:
    """One package. Its hashes are those of all its files: which one a user gets depends on the
    platform."""
    name = re.sub(r"[-_.]+", "-", package["name"]).lower()
    purl = f"pkg:pypi/{name}@{package['version'].replace('+', '%2B')}"
    shown: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": package["version"],
        "purl": purl,
        "scope": "optional" if package["marker"] else "required",
        "hashes": [{"alg": "SHA-256", "content": one} for one in package["hashes"]],
    }
    if package["marker"]:
        shown["properties"] = [{"name": "pep508:marker", "value": package["marker"]}]
    return shown


def sbom(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The document. ``project`` is the table of that name in pyproject.toml."""
    root = f"pkg:pypi/{project['name']}@{project['version']}"
    parts = [component(package) for package in packages(lock)]
    name = uuid.uuid5(uuid.NAMESPACE_URL, root + json.dumps(parts, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{name}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": project["name"],
                "version": project["version"],
                "purl": root,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": parts,
        "dependencies": [
            {"ref": root, "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }


def main(argv: list[str]) -> int:
    root = Path(argv[0]) if argv else Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    lock = (root / "requirements.lock").read_text("utf-8")
    sys.stdout.write(json.dumps(sbom(lock, project), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
