"""What `doctor` says of the home: the folder, settings, keys, the secret store, the registry."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator

from freeloader.cli.checks.patient import FAIL, OK, WARN, Finding, Patient
from freeloader.cli.shell import is_key
from freeloader.errors import FreeloaderError


def check_home(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    if not home.is_dir():
        yield Finding("home", FAIL, f"{home} does not exist", "make it: xswarm init")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if home.stat().st_uid != os.getuid():
        yield Finding(
            "home", FAIL, f"{home} belongs to someone else", "set XSWARM_HOME to your own"
        )
    elif mode & 0o077:
        yield Finding("home", WARN, f"{home} is open to others ({mode:04o})", f"chmod 700 {home}")
    elif not os.access(home, os.W_OK):
        yield Finding("home", FAIL, f"{home} is not writable", f"chmod u+w {home}")
    else:
        yield Finding("home", OK, str(home))


def check_settings(patient: Patient) -> Iterator[Finding]:
    if patient.problem is not None:
        yield Finding("settings", FAIL, patient.problem.message, "correct it there, then run again")
    elif not (patient.home / "config.toml").is_file():
        yield Finding("settings", WARN, "no config.toml: the defaults hold", "xswarm init")
    else:
        yield Finding("settings", OK, "config.toml and environment are sound")


def check_keys(patient: Patient) -> Iterator[Finding]:
    if not patient.home.is_dir():
        return
    again = "xswarm stop; xswarm init" if patient.record else "xswarm init"
    for role in ("admin", "client"):
        path = patient.home / f"{role}.key"
        if not path.is_file():
            yield Finding(f"{role} key", FAIL, f"{path} is missing", again)
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding(
                f"{role} key",
                FAIL,
                f"{path} is open to others ({mode:04o})",
                f"chmod 600 {path}, and make a new one: xswarm key create",
            )
        elif not is_key(key := path.read_text("ascii", "replace").strip()):
            what = "holds no key" if key else "is empty"
            yield Finding(f"{role} key", FAIL, f"{path} {what}", f"remove it, then: {again}")
        else:
            yield Finding(f"{role} key", OK, f"{path.name}, for its owner alone")


def check_secrets(patient: Patient) -> Iterator[Finding]:
    from freeloader.secrets import SecretStore
    from freeloader.secrets.file import SecretFile
    from freeloader.settings import Home
    from freeloader.store.integrity import secrets_in

    if not patient.home.is_dir():
        return
    backend = patient.settings.secrets.backend if patient.settings else "auto"
    try:
        found = asyncio.run(SecretStore(Home(patient.home), backend).status())
    except FreeloaderError as error:
        yield Finding("secret store", FAIL, error.message, "xswarm config set secrets.backend file")
        return
    try:
        SecretFile(Home(patient.home)).read()  # a key can be there, and not be the file's
    except FreeloaderError as error:
        remedy = "restore secrets.key and secrets.enc, or move both away and add the accounts again"
        yield Finding("secret store", FAIL, error.message, remedy)
        return
    kept = secrets_in(patient.home / "freeloader.db", "keyring")
    if found["serves"] == "keyring":
        yield Finding("secret store", OK, "the system's keyring")
    elif kept:
        what = f"the keyring holds keys of {', '.join(kept)}, and gives none: {found['keyring']}"
        remedy = "unlock it, then: xswarm restart; or give the keys again: xswarm account add"
        yield Finding("secret store", FAIL, what, remedy)
    else:
        yield Finding(
            "secret store", OK, f"an encrypted file in the home (keyring: {found['keyring']})"
        )


def check_registry(patient: Patient) -> Iterator[Finding]:
    from freeloader.catalog import load

    catalog = load(patient.home / "registry")
    for problem in catalog.problems:
        yield Finding(
            "registry",
            WARN,
            str(problem),
            "correct or remove that file; it is skipped until then",
        )
    if not catalog.problems:
        yield Finding(
            "registry", OK, f"{len(catalog.providers)} providers, {len(catalog.models)} models"
        )
