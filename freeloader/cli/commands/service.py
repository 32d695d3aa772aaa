"""`xswarm init|start|stop|restart`: the daemon as a service of its owner."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import click

from freeloader.banner import Banner
from freeloader.cli import banner as greeting
from freeloader.cli import daemon, lifecycle, ports
from freeloader.cli.lifecycle import Record, RunFiles
from freeloader.cli.shell import Failure, NotRunning, duration, emit, home_path, json_option, note
from freeloader.clock import SystemClock
from freeloader.errors import ConfigError

START_SECONDS = 120.0
STOP_SECONDS = 45.0
wait_option = click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(0.1, 3600),
    default=START_SECONDS,
    show_default=True,
    help="Seconds to wait until it is ready.",
)
stop_option = click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(0, 3600),
    default=STOP_SECONDS,
    show_default=True,
    help="Seconds to wait for running answers to finish.",
)
force_option = click.option("--force", is_flag=True, help="Kill it when the time is up.")


@click.command()
@json_option
def init(as_json: bool) -> None:
    """Make the home: settings, keys, and a free port; safe to run again."""
    home = home_path()
    made = _make_home(home)
    if as_json:
        emit({"home": str(home), "created": made, "address": daemon.address_of(home)})
        return
    click.echo(f"{'made' if made else 'already there, nothing changed'}: {home}")
    click.echo(f"address: {daemon.address_of(home)}")
    note("next: xswarm start --daemon")


@click.command()
@click.option("--daemon", "background", is_flag=True, help="In the background; waits until ready.")
@click.option(
    "--service",
    "managed",
    is_flag=True,
    help="Under a service manager: prints no key, since what is printed ends in its log.",
)
@click.option(
    "--show-key",
    is_flag=True,
    help="Print the client key also where output is no terminal, such as into a file.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Let server.host be an address that other machines reach; it has no TLS.",
)
@wait_option
def start(
    background: bool, managed: bool, show_key: bool, allow_remote: bool, seconds: float
) -> None:
    """Start the daemon: here until Ctrl-C, or with --daemon in the background."""
    if allow_remote:
        os.environ["XSWARM_SERVER__ALLOW_REMOTE"] = "true"
    if managed and (background or show_key):
        other = "--daemon" if background else "--show-key"
        raise click.UsageError(f"{other} and --service exclude each other.")
    if background:
        _start_in_background(seconds, show_key=show_key)
        return
    home = home_path()
    _make_home(home)
    lock = daemon.take_lock(home)
    try:
        _require_port(home)
        greet = _greet_briefly if managed else partial(_greet, show_key=show_key)
        code = daemon.serve(
            home, lambda banner: daemon.greet_when_ready(home, banner, seconds, greet)
        )
    finally:
        lock.release()
    raise click.exceptions.Exit(code)


@click.command()
@stop_option
@force_option
def stop(seconds: float, force: bool) -> None:
    """Stop the daemon: no new requests, running answers may finish."""
    record = RunFiles(home_path()).running()
    if record is None:
        raise NotRunning("the daemon is not running; nothing to stop. `xswarm start` starts it.")
    _stop(record, seconds, force)
    click.echo(f"stopped (pid {record.pid}).")


@click.command()
@wait_option
@force_option
def restart(seconds: float, force: bool) -> None:
    """Stop the daemon if it runs, and start it in the background."""
    record = RunFiles(home_path()).running()
    if record is not None:
        _require_settings(home_path(), record)
        _stop(record, STOP_SECONDS, force)
        note(f"stopped (pid {record.pid}).")
    _start_in_background(seconds)


def _make_home(home: Path) -> bool:
    """Makes the home where there is none; True if it did."""
    if all((home / name).is_file() for name in ("config.toml", "admin.key", "client.key")):
        return False
    lock = daemon.take_lock(home)
    try:
        from freeloader.cli.offline import make_home

        make_home(home)
    finally:
        lock.release()
    return True


def _require_port(home: Path) -> None:
    server = daemon.settings_of(home).server
    if server.port:  # 0 asks the system for any
        ports.require_free(server.host, server.port)


def _require_settings(home: Path, record: Record) -> None:
    """A file that could not be started with must not cost the daemon that runs."""
    try:
        daemon.settings_of(home)
    except ConfigError as error:
        raise Failure(
            f"{error.message.rstrip('.')}. Correct that first; the daemon (pid {record.pid}) "
            "runs on with the settings it has."
        ) from error


def _start_in_background(seconds: float, *, show_key: bool = False) -> None:
    home = home_path()
    _make_home(home)
    lock = daemon.take_lock(home)
    try:
        _require_port(home)
    except BaseException:
        lock.release()
        raise
    launch = daemon.Launch(home)
    launch.fork(lock)
    try:
        banner = launch.wait(seconds)
    except KeyboardInterrupt:
        note(f"\nthe daemon (pid {launch.pid}) goes on starting; `xswarm stop` ends it.")
        raise
    _greet(banner, show_key=show_key)
    note(f"ready (pid {launch.pid}). `xswarm status`, `xswarm logs -f`, `xswarm stop`.")


def _greet(banner: Banner, *, show_key: bool) -> None:
    """With the key only before a person: files, pipes and their logs are kept, and shared."""
    for line in greeting.lines(banner, with_key=show_key or sys.stdout.isatty()):
        click.echo(line)


def _greet_briefly(banner: Banner) -> None:
    click.echo(f"ready at {banner.address}, home {banner.home}")


def _stop(record: Record, seconds: float, force: bool) -> None:
    note(f"stopping (pid {record.pid}) …")
    if lifecycle.stop(record, seconds, SystemClock(), force=force):
        RunFiles(home_path()).clear(record)
        return
    raise Failure(
        f"pid {record.pid} still finishes running answers after {duration(seconds)}; "
        "wait, or kill it: xswarm stop --force"
    )
