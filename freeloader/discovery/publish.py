"""Builds and signs a registry feed from the bundled files (``scripts/registry``).

What it makes is what ``feed`` reads: contract §2's document, and its signatures beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from freeloader.catalog import layers
from freeloader.discovery import signing


def main(argv: list[str]) -> int:
    """Exit code 0, or 1 with one line on standard error."""
    parser = argparse.ArgumentParser(prog="scripts/registry", description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    key = parts.add_parser("key", help="make a signing key; prints its public key")
    key.add_argument("file", type=Path)
    build = parts.add_parser("build", help="build and sign the feed")
    build.add_argument("file", type=Path, help="the signing key")
    build.add_argument("out", type=Path, nargs="?", default=Path("registry.json"))
    build.add_argument("--version", help="default: that of the bundled files")
    build.add_argument("--overlays", type=Path, help="a folder of overlays to build in")
    options = parser.parse_args(argv)
    try:
        if options.part == "key":
            return _key(options.file)
        return _build(options.file, options.out, options.version, options.overlays)
    except FileExistsError:
        message = f"{options.file} is there already: a key is never written over; name a new file"
        print(f"registry: {message}", file=sys.stderr)  # noqa: T201
        return 1
    except FileNotFoundError as problem:
        message = f"{problem.filename} is not there; `scripts/registry key FILE` makes a key"
        print(f"registry: {message}", file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, ValueError) as problem:
        print(f"registry: {problem}", file=sys.stderr)  # noqa: T201
        return 1


def _key(file: Path) -> int:
    private = signing.new_private()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(private + "\n")
    print(signing.public_of(private))  # noqa: T201
    return 0


def _build(file: Path, out: Path, version: str | None, overlays: Path | None) -> int:
    private = file.read_text("ascii").strip()
    found = layers(overlays, "")
    document = {"version": version or found.version, "providers": found.whole}
    raw = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    signatures = signing.sign(raw, private)
    # The signature first: a reader in between finds the old document unsigned, and waits.
    out.with_name(out.name + signing.SUFFIX).write_bytes(signatures)
    out.write_bytes(raw)
    print(  # noqa: T201
        f"{out}: version {document['version']}, {len(found.whole)} providers, {len(raw):,} bytes; "
        f"signed by {signing.public_of(private)}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
