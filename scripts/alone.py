"""Runs a command where there is no network but loopback, and counts what wanted out (K6).

    python scripts/alone.py COMMAND [ARGUMENT…]

A network namespace of its own: whatever the command and all that it starts send elsewhere,
even the question for a name, has no route, and the kernel counts it. Exit code: the command's
own; 1 where it ended well and something wanted out; 77 where no namespace can be made here.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
from pathlib import Path

INSIDE = "--inside"
#: Not this, and not that either: what test tools call a test that could not be done.
CANNOT = 77
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


def main(argv: list[str]) -> int:
    if argv[:1] == [INSIDE]:
        return _inside(argv[1:])
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if argv else 2
    if (why := _impossible()) is not None:
        print(f"alone: no network namespace can be made here ({why})", file=sys.stderr)
        return CANNOT
    own = [sys.executable, str(Path(__file__).resolve()), INSIDE]
    return subprocess.run(["unshare", "-rn", *own, *argv], check=False).returncode


def _impossible() -> str | None:
    """Why no namespace can be made; None where it can."""
    try:
        tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    except OSError as error:
        return str(error)
    said = tried.stderr.decode("utf-8", "replace").strip() or f"exit {tried.returncode}"
    return None if tried.returncode == 0 else said


def _inside(command: list[str]) -> int:
    _raise_loopback()
    before = wanted_out()
    code = subprocess.run(command, check=False).returncode
    count = wanted_out() - before
    print(f"alone: {count} sent to somewhere else", file=sys.stderr)
    return code or int(count > 0)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, _GET_FLAGS, asked)[:18])[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh", b"lo", flags | _UP))


def wanted_out() -> int:
    """How often anything in this namespace had no route to where it wanted to send."""
    names, counts = (
        line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines()
        if line.startswith("Ip:")
    )  # fmt: skip
    six = dict(line.split() for line in Path("/proc/self/net/snmp6").read_text().splitlines())
    old = dict(zip(names, counts, strict=True))["OutNoRoutes"]
    return int(old) + int(six.get("Ip6OutNoRoutes", 0))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
