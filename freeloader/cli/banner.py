"""What a started daemon tells its owner, as lines of text. Pure."""

from __future__ import annotations

import shlex

from freeloader.banner import Banner

SIMULATED = (
    "No account and no local model was found, so the built-in simulator answers: its models are"
    " pretend, their text is made up, nothing leaves this machine. It is switched off by the first"
    " real account: xswarm account add groq"
)


def lines(banner: Banner, *, with_key: bool) -> list[str]:
    """The whole greeting. ``with_key``: the client key itself, which is for a person's eyes;
    else where to read it, since what is no terminal is kept (a file, a log, a pipe to either)."""
    file = shlex.quote(banner.client_key_file)
    out = ["", f"xswarm answers at  {banner.address}/v1"]
    if with_key:
        bearer = shlex.quote(f"Authorization: Bearer {banner.client_key}")
        out += [f"client key         {banner.client_key}", f"{'':<18} (kept in {file})"]
    else:
        bearer = f'"Authorization: Bearer $(cat {file})"'
        out.append(f"client key         kept in {file}")
    if banner.home:
        out.append(f"home               {banner.home}")
    if banner.deployments:
        out.append(f"models             {banner.deployments}")
    out += _listed("found", banner.found)
    out += _listed("problems", banner.problems)
    if banner.simulated:
        out += ["", SIMULATED]
    return [*out, "", "Try it:", "", curl(banner.address, bearer), ""]


def curl(address: str, header: str) -> str:
    """One line that works as pasted into a shell; ``header`` is quoted for one."""
    body = '{"model":"auto","messages":[{"role":"user","content":"Say hello in five words."}]}'
    return (
        f"curl -sS {shlex.quote(address + '/v1/chat/completions')}"
        f" -H {header}"
        f" -H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )


def _listed(name: str, items: tuple[str, ...]) -> list[str]:
    if not items:
        return []
    return [f"{name:<18} {items[0]}", *(f"{'':<18} {item}" for item in items[1:])]
