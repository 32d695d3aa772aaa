"""What `doctor` says of where the daemon listens, and of what is installed beside it.

Versions are compared with the lock by name and number; that the files are the lock's own
was checked by pip when they were installed (hashes). It asks no index and nobody's list
of advisories: `scripts/audit` does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Set
from importlib import metadata
from pathlib import Path

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient

#: Lines of `.pth` files that run code, and whose they are. Python runs each of them at every
#: start: LiteLLM's trojaned releases of March 2026 lived in such a file.
KNOWN_PTH = {
    # setuptools, in every environment that has it
    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == "
    "'local'; enabled and __import__('_distutils_hack').add_shim();",
    # virtualenv
    "import _virtualenv",
}
LITELLM = "1.106.2"
TROJANED = ("1.82.7", "1.82.8")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def check_listening(patient: Patient) -> Iterator[Finding]:
    """Beyond this machine only with a wish, and never unsaid."""
    if patient.settings is None:
        return  # the check of the settings says why
    from freeloader.app import listening

    server = patient.settings.server
    said = listening.warning(server.host)
    home = "xswarm config set server.host 127.0.0.1"
    if said is None:
        yield Finding("listening", OK, f"{server.host}: this machine only")
    elif not server.allow_remote:
        wish = "xswarm config set server.allow_remote true"
        found = f"{server.host} is open to other machines: not started so"
        yield Finding("listening", FAIL, found, f"{home}, or if that is meant: {wish}")
    else:
        yield Finding("listening", WARN, said, f"if it need not be: {home}")


def check_packages(patient: Patient) -> Iterator[Finding]:
    """Installed versions against the lock, where there is one (an installed wheel has none)."""
    lock = Path(__file__).parents[3] / "requirements.lock"
    if not lock.is_file():
        yield Finding("packages", OK, "installed without a lock: versions were not compared")
        return
    pins = pinned(lock.read_text("utf-8"))
    wrong = [
        f"{name} {version} (locked: {', '.join(sorted(pins[name]))})"
        for name, version in sorted(installed().items())
        if name in pins and version not in pins[name]
    ]
    if wrong:
        found = f"not what the lock says: {', '.join(wrong)}"
        yield Finding("packages", WARN, found, "scripts/setup installs what is in the lock")
    else:
        yield Finding("packages", OK, f"as in the lock ({len(pins)} names)")


def check_start_files(patient: Patient) -> Iterator[Finding]:
    """`.pth` files with code of nobody known: run before anything of ours, in every process."""
    strange = [
        f"{file}: {line[:80]}" for folder in site_folders() for file, line in strange_lines(folder)
    ]
    for one in strange:
        remedy = "find out whose it is; if nobody's: remove it, change every key, scripts/setup"
        yield Finding("start files", FAIL, f"code runs at every start of Python: {one}", remedy)
    if not strange:
        yield Finding("start files", OK, "no .pth file runs unknown code")


def pinned(lock: str) -> Mapping[str, Set[str]]:
    """Name → its versions (a lock for all platforms may hold several) of a requirements file."""
    found: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock):
        found.setdefault(normal(name), set()).add(version)
    return found


def installed() -> dict[str, str]:
    """Name → version of every distribution that this interpreter finds."""
    return {normal(one.metadata["Name"] or ""): one.version for one in metadata.distributions()}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def site_folders() -> list[Path]:
    """Where `.pth` files are looked for."""
    found = {Path(entry) for entry in sys.path if Path(entry).name in _SITES}
    return sorted(folder for folder in found if folder.is_dir())


def strange_lines(folder: Path) -> Iterator[tuple[str, str]]:
    """File and line of every `.pth` line that runs code (as `site` decides it) and is not known."""
    for file in sorted(folder.glob("*.pth")):
        for line in file.read_text("utf-8", "replace").splitlines():
            if line.startswith(("import ", "import\t")) and line.strip() not in KNOWN_PTH:
                yield file.name, line.strip()


_SITES = frozenset({"site-packages", "dist-packages"})


def check_litellm(patient: Patient) -> Iterator[Finding]:
    remedy = "scripts/setup installs the version in the lock"
    try:
        # Never imported here: that takes 2 s and 170 MB.
        version = metadata.version("litellm")
    except metadata.PackageNotFoundError:
        yield Finding("litellm", FAIL, "LiteLLM is not installed", remedy)
        return
    if version in TROJANED:
        yield Finding(
            "litellm",
            FAIL,
            f"{version} was published by thieves and steals keys",
            f"{remedy}; change every key this machine has",
        )
    elif version != LITELLM:
        yield Finding("litellm", WARN, f"{version}; tested with {LITELLM}", remedy)
    else:
        yield Finding("litellm", OK, version)
