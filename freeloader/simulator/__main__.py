"""``python -m freeloader.simulator``: pretend providers from the shell, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import replace
from pathlib import Path

import click

from freeloader.simulator.config import Config, parse_config
from freeloader.simulator.faults import Fault, parse_word
from freeloader.simulator.profiles import default_config, profiles
from freeloader.simulator.service.server import Running, serve


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535),
              help="0 takes any free port.")  # fmt: skip
@click.option("--config", "config_file", type=click.Path(exists=True, dir_okay=False),
              help="JSON: providers, faults, seed, pace, root, controlToken.")  # fmt: skip
@click.option("--seed", type=int, help="Seed of jitter and of random faults.")
@click.option("--pace", type=click.FloatRange(0), help="Multiplies every delay; 0 for none.")
@click.option("--root", help="A provider that also answers at / (e.g. ollama).")
@click.option("--fault", "words", multiple=True, metavar="SPEC",
              help="PROVIDER[/MODEL]:KIND[:COUNT|forever[:SECONDS]], e.g. groq:500:3.")  # fmt: skip
def main(
    host: str,
    port: int,
    config_file: str | None,
    seed: int | None,
    pace: float | None,
    root: str | None,
    words: tuple[str, ...],
) -> None:
    """Pretend LLM providers on this machine: real limits and refusals, faults on demand.

    Each provider is at /NAME/v1 (e.g. /groq/openai/v1); any key is accepted, save
    those that begin with "bad". GET /_sim/state, /_sim/bill and /_sim/requests show
    what happened; POST /_sim/faults breaks things.
    """
    try:
        config = _config(config_file)
        if seed is not None:
            config = replace(config, seed=seed)
        if pace is not None:
            config = replace(config, pace=pace)
        if root is not None:
            if root not in config.providers:
                raise ValueError(f"--root names no provider: {root}")
            config = replace(config, root=root)
        faults = [parse_word(word) for word in words]
        asyncio.run(_run(host, port, config, faults))
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _config(file: str | None) -> Config:
    if file is None:
        return default_config()
    data = json.loads(Path(file).read_text(encoding="utf-8"))
    return parse_config(data, profiles())


async def _run(host: str, port: int, config: Config, faults: list[Fault]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = await serve(host, port, config)
    try:
        for fault in faults:
            running.fault(fault)
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stopped.set)
        _greet(running)
        await stopped.wait()
    finally:
        await running.stop()
    total = running.engine.bill.total()
    click.echo(f"Stopped: {total.requests} requests, {total.picodollars / 1e12:.6f} pretend USD.")


def _greet(running: Running) -> None:
    name = next(iter(running.engine.specs))
    model = next(iter(running.engine.specs[name].models), "any")
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    click.echo(f"Pretend providers at {running.url}: {', '.join(running.engine.specs)}")
    click.echo(
        f"curl -s {running.provider_url(name)}/chat/completions -H 'Authorization: Bearer any' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
    click.echo("Nothing leaves this machine. Ctrl-C stops.")


if __name__ == "__main__":
    main()
