"""Whether the daemon's port can be had, and who has it if not. Changes nothing."""

from __future__ import annotations

import errno
import socket

from freeloader.cli.shell import Failure


def require_free(host: str, port: int) -> None:
    """Raises Failure naming the holder where ``host:port`` cannot be bound."""
    problem = trouble(host, port)
    if problem:
        raise Failure(problem)


def trouble(host: str, port: int) -> str | None:
    """One sentence and a next step where ``host:port`` cannot be bound, else None."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        return f"host {host} is unknown ({error.strerror}); fix it: xswarm config set server.host …"
    except UnicodeError:  # no name of a host that can be written down
        return f"host {host!a} is none; fix it: xswarm config set server.host …"
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(where)
            trial.listen(1)
        except OSError as error:
            return _refusal(host, port, error)
    return None


def _refusal(host: str, port: int, error: OSError) -> str:
    other = "take another one: xswarm config set server.port N"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by {holder(port)}; end it, or {other}"
    if error.errno == errno.EACCES:
        return f"port {port} needs rights this user has not; {other}"
    return f"{host}:{port} cannot be used ({error.strerror}); {other}"


def holder(port: int) -> str:
    """Who listens on a TCP port, as far as this user may see."""
    import psutil

    try:
        pids: set[int] = {
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.pid is not None
            and connection.laddr
            and connection.laddr.port == port
        }
        names = [f"{psutil.Process(pid).name()} (pid {pid})" for pid in sorted(pids)]
    except psutil.Error:
        names = []
    return ", ".join(names) or "a process that this user may not see"
