"""What to do next where gates refuse everybody: the smallest change, and who has to make it."""

from __future__ import annotations

from typing import Any

from freeloader.core.routing.relax import Report

#: Who set a gate that the request did not (several may have: ``settings+key``).
_OWNER = {
    "preset": "the strategy (choose another one)",
    "key": "the key",
    "project": "the project",
    "privacy": "the owner's rules for private data (xswarm config get privacy)",
    "budget": "what a spent budget leaves (xswarm budget show)",
    "rule": "a rule of the owner (xswarm config get routing.rules)",
    "settings": "the settings (xswarm config set routing.quality_gates.NAME VALUE)",
}
#: What to change where no change of gates helps.
_REMEDY = {
    "tier": "add a paid account, or name a model of the free tier",
    "ownLimit": "raise the account's own limit (xswarm account set PROVIDER@IDX --limit …), or "
    "take it away (--no-limits): it allows nothing",
    "quota": "shorten the prompt or lower max_tokens, or name a model with a larger limit",
    "requiredCapabilities": "drop the capability, or add an account whose models have it",
    "localOnly": "leave out localOnly, or add a local server",
    "blockLocal": "leave out blockLocal, or add an account that is not local",
    "incompatible_history": "wait for a model of the maker that signed the open turn, or end "
    "the turn with a message of your own",
    "context": "shorten the input or lower max_tokens",
    "lane": "let the child serve it: xswarm config set upstream.lane auto",
    "noTraining": "leave out noTraining, or add an account that does not train on data",
}

#: What a request can do about a gate that it cannot leave out, because somebody else set it.
_FIRM = {"localOnly": "ask a local model, or add a local server"}


def remedy(report: Report) -> str:
    """What to do next: the smallest change of gates, and who has to make it."""
    best = report.best
    if best is None:
        gate = report.rows[0]["gate"]
        return _REMEDY.get(gate, f"relax {gate}, or add an account that passes it")
    steps = " and ".join(
        _FIRM.get(gate, _step(gate, value)) if gate in best.set_by else _step(gate, value)
        for gate, value in best.changes.items()
    )
    if not best.set_by:
        return steps
    by: dict[str, list[str]] = {}
    for gate, names in best.set_by.items():
        whose = " and ".join(_OWNER.get(name, f"the {name}") for name in names.split("+"))
        by.setdefault(whose, []).append(gate)
    said = " and ".join(f"{' and '.join(some)} is set by {whose}" for whose, some in by.items())
    return f"{steps}; {said}, and a request cannot loosen it"


def _step(gate: str, value: Any) -> str:
    if value is None or value is False:
        return f"leave out {gate}"
    if isinstance(value, list):
        return f"set {gate} to [{', '.join(value)}]" if value else f"leave out {gate}"
    verb = "lower" if gate.startswith("min") else "raise"
    return f"{verb} {gate} to {value:.12g}"
