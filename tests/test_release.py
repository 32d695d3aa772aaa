"""The SBOM of a release is complete against the lock, and a lock it cannot read is refused."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "sbom.py"
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_sbom_holds_every_package_of_the_lock_with_every_hash() -> None:
    """Read in another way than the script does it: by splitting, not by its expressions."""
    done = subprocess.run([sys.executable, str(SCRIPT), str(ROOT)], capture_output=True, text=True,
                          timeout=60, check=True)  # fmt: skip
    document = json.loads(done.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.5")
    wanted: dict[tuple[str, str], set[str]] = {}
    words = LOCK.replace("\\\n", " ").splitlines()
    for line in filter(None, (word.split("#")[0].strip() for word in words)):
        pin, *rest = line.split()
        name, _, version = pin.partition("==")
        hashes = {part.rpartition(":")[2] for part in rest if part.startswith("--hash=")}
        wanted[name.split("[")[0], version.rstrip(";")] = hashes
    shown = {
        (part["name"], part["version"]): {one["content"] for one in part["hashes"]}
        for part in document["components"]
    }
    assert len(shown) > 100
    assert shown == wanted
    refs = [part["bom-ref"] for part in document["components"]]
    assert len(set(refs)) == len(refs)
    root = document["metadata"]["component"]
    assert document["dependencies"][0] == {"ref": root["bom-ref"], "dependsOn": refs}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    direct = {re.split(r"[\[<>=;!~ ]", need)[0].lower() for need in project["dependencies"]}
    assert direct <= {part["name"] for part in document["components"]}


def test_the_same_lock_gives_the_same_sbom_and_another_one_another_name(sbom: ModuleType) -> None:
    project = {"name": "p", "version": "1", "license": "MIT"}
    lock = f"a==1 \\\n    --hash=sha256:{'0' * 64}\n"
    assert sbom.sbom(lock, project) == sbom.sbom(lock, project)
    other = sbom.sbom(lock.replace("a==1", "a==2"), project)
    assert other["serialNumber"] != sbom.sbom(lock, project)["serialNumber"]


@pytest.mark.parametrize("line", ["-e .", "a>=1", "https://example.invalid/a.whl", "a @ file:///x"])
def test_what_is_no_pinned_package_is_refused(sbom: ModuleType, line: str) -> None:
    with pytest.raises(ValueError, match="no package is read"):
        sbom.packages(f"a==1\n{line}\n")


def test_a_marker_is_kept(sbom: ModuleType) -> None:
    [found] = sbom.packages(f"a-b[x]==1.0 ; sys_platform == 'win32' \\\n --hash=sha256:{'1' * 64}")
    assert found == {"name": "a-b", "version": "1.0", "marker": "sys_platform == 'win32'",
                     "hashes": ["1" * 64]}  # fmt: skip
