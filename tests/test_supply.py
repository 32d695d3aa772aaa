"""K5: what is installed is what was locked, by hash; no unknown code runs at Python's start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from freeloader.cli.checks import supply

ROOT = Path(__file__).parents[1]
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_k5_every_line_of_a_lock_is_pinned_and_hashed(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text("utf-8").strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^\s;]+", entry), entry[:60]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry[:60]
        assert "://" not in entry


def test_k5_setup_installs_by_hash_and_nothing_beside_the_lock() -> None:
    setup = (ROOT / "scripts" / "setup").read_text("utf-8")
    installs = [line for line in setup.splitlines() if "pip install" in line and "-m" in line]
    assert installs
    assert all("--require-hashes" in line and "--no-deps" in line for line in installs)


def test_k5_known_bad_releases_are_not_in_the_lock() -> None:
    pins = supply.pinned(LOCKS[0].read_text("utf-8"))

    def numbers(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

    for name, least in (("litellm", (1, 84, 0)), ("starlette", (1, 3, 0)), ("aiohttp", (3, 14, 4))):
        assert pins[name]
        assert all(numbers(version) >= least for version in pins[name]), name


def test_k5_what_is_installed_here_is_what_was_locked() -> None:
    pins = supply.pinned(LOCKS[1].read_text("utf-8"))
    here = supply.installed()
    wrong = {name: here[name] for name in pins if name in here and here[name] not in pins[name]}
    assert wrong == {}
    assert len(set(pins) & set(here)) > 100


def test_k5_no_unknown_code_runs_at_the_start_of_python_here() -> None:
    folders = supply.site_folders()
    assert any(Path(sys.prefix) in folder.parents for folder in folders)
    assert [found for folder in folders for found in supply.strange_lines(folder)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import os; exec(__import__('base64').b64decode('cHJpbnQoMSk='))",
        "import\tsubprocess",
        "import _virtualenv; import os",
        "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; __import__('x')",
    ],
)
def test_k5_unknown_code_in_a_pth_file_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "litellm_init.pth").write_text(f"/some/place\n{line}\n")
    (tmp_path / "fine.pth").write_text("/some/place\n# import os\nimport_of_goods\n")
    (tmp_path / "known.pth").write_text(next(iter(supply.KNOWN_PTH)) + "\n")
    assert list(supply.strange_lines(tmp_path)) == [("litellm_init.pth", line)]


def audit(tmp_path: Path, said: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """With a pip-audit that says this, and exits so."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\ncat <<'SAID'\n{said}\nSAID\nexit {code}\n")
    tool.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "PIP_AUDIT": str(tool)}
    return subprocess.run([str(ROOT / "scripts" / "audit")], env=environ, capture_output=True,
                          text=True, timeout=30, check=False)  # fmt: skip


def advisories(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


SOUND: dict[str, object] = {"name": "a", "version": "1", "vulns": []}
HOLED: dict[str, object] = {
    "name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]
}  # fmt: skip
UNKNOWN: dict[str, object] = {"name": "c", "skip_reason": "not found"}


def test_k5_the_audit_fails_on_a_hole_and_names_it(tmp_path: Path) -> None:
    assert audit(tmp_path, advisories(SOUND)).returncode == 0
    holed = audit(tmp_path, advisories(SOUND, HOLED, UNKNOWN), 1)
    assert holed.returncode == 1
    assert "b 2: PYSEC-1, mended in 3" in holed.stdout


@pytest.mark.parametrize("said", ["", "ConnectionError", advisories(UNKNOWN), advisories()])
def test_k5_an_audit_that_could_not_ask_is_skipped_aloud(tmp_path: Path, said: str) -> None:
    unreached = audit(tmp_path, said, 1)
    assert (unreached.returncode, "SKIPPED" in unreached.stderr) == (0, True)


def test_k5_ci_audits() -> None:
    assert "./scripts/audit" in (ROOT / ".ci" / "run").read_text("utf-8")
