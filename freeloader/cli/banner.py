"""What a started daemon tells its owner, as lines of text. Pure."""

from __future__ import annotations

import shlex

from freeloader.banner import Banner

SIMULATED = (
    "No account and no local model was found, so the built-in simulator answers: its models are"
    " pretend, their text is made up, nothing leaves this machine. It is switched off by the first"
    " real account: xswarm account add groq"
)


def lines(banner: Banner) -> list[str]:
    """The whole greeting; it holds the client key, so it is for a terminal, never for a log."""
    out = [
        "",
        f"xswarm answers at  {banner.address}/v1",
        f"client key         {banner.client_key}",
    ]
    if banner.client_key_file:
        out.append(f"                   (kept in {banner.client_key_file})")
    if banner.home:
        out.append(f"home               {banner.home}")
    if banner.deployments:
        out.append(f"models             {banner.deployments}")
    out += _listed("found", banner.found)
    out += _listed("problems", banner.problems)
    if banner.simulated:
        out += ["", SIMULATED]
    return [*out, "", "Try it:", "", curl(banner.address, banner.client_key), ""]


def curl(address: str, client_key: str) -> str:
    """One line that works as pasted into a shell."""
    body = '{"model":"auto","messages":[{"role":"user","content":"Say hello in five words."}]}'
    return (
        f"curl -sS {shlex.quote(address + '/v1/chat/completions')}"
        f" -H {shlex.quote(f'Authorization: Bearer {client_key}')}"
        f" -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def _listed(name: str, items: tuple[str, ...]) -> list[str]:
    if not items:
        return []
    return [f"{name:<18} {items[0]}", *(f"{'':<18} {item}" for item in items[1:])]
