"""`xswarm ask` and `xswarm explain`: a question to the daemon, and what it would decide."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from freeloader.cli import casting
from freeloader.cli.backend import online
from freeloader.cli.shell import (
    Failure,
    emit,
    json_option,
    money,
    note,
    private,
    rows_of,
    written,
)
from freeloader.cli.tables import table
from freeloader.cli.windows import amount

STRATEGIES = "balanced, cost-first, speed-first, quality-first, multi-cast …"
PROMPT_BYTES_MAX = 16 * 1024 * 1024

model_option = click.option(
    "--model",
    default="auto",
    show_default=True,
    help="A model, a provider/model, a family, an alias, or auto.",
)
strategy_option = click.option("--strategy", metavar="NAME", help=f"One of {STRATEGIES}")
project_option = click.option("--project", metavar="NAME", help="Whose budget and rules apply.")
system_option = click.option("--system", metavar="TEXT", help="A system message before it.")
max_tokens_option = click.option(
    "--max-tokens", type=click.IntRange(1), metavar="N", help="The longest answer."
)


@click.command()
@click.argument("prompt", nargs=-1, required=True, metavar="PROMPT")
@model_option
@strategy_option
@project_option
@system_option
@max_tokens_option
@casting.options
@click.option("--no-stream", is_flag=True, help="Print the answer when it is whole.")
@click.option("--dry-run", is_flag=True, help="Only show who would be asked, and the price held.")
@json_option
def ask(
    prompt: tuple[str, ...], no_stream: bool, dry_run: bool, as_json: bool, **asked: Any
) -> None:
    """Ask a model, or several; `-` reads the prompt from standard input.

    Answers go to standard output, the chosen model, why, and the cost to standard error.
    """
    body = _body(prompt, **asked)
    client = online("client")
    if dry_run:
        _show_decision(client.call("POST", "/v1/router/debug", body, seconds=60), False, as_json)
        return
    if no_stream or as_json or casting.whole(asked):
        answer = client.call("POST", "/v1/chat/completions", body, seconds=600)
        if as_json:
            emit(answer)
            return
        _show_routing(answer.get("routing"))
        casting.show_answers(answer, lambda choice: _text({"choices": [choice]}, "message"))
        casting.show_members(answer.get("routing"))
        _show_usage(answer.get("usage"))
        return
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    shown = Shown()
    for event in client.stream("/v1/chat/completions", body):
        shown.take(event)
    shown.end()


class Shown:
    """A streamed answer, printed piece by piece as it comes."""

    def __init__(self) -> None:
        self._routing: Any = None
        self._usage: Any = None
        self._last = ""

    def take(self, event: Mapping[str, Any]) -> None:
        """One chunk of the stream."""
        if self._routing is None and event.get("routing"):
            self._routing = event["routing"]
            _show_routing(self._routing)
        if event.get("usage"):
            self._usage = event["usage"]
        text = _text(event, "delta")
        title = casting.heading((event.get("choices") or [{}])[0])
        if title is not None:
            click.echo(("\n\n" if self._last else "") + title)
        if text:
            self._last = text
            written(text, nl=False)
            sys.stdout.flush()

    def end(self) -> None:
        """After the last chunk. Raises Failure where nothing at all was answered."""
        if self._last and not self._last.endswith("\n"):
            click.echo("")
        casting.show_members(self._routing)
        _show_usage(self._usage)
        if not self._last and self._usage is None:
            raise Failure("the answer was empty; `xswarm decisions` shows what happened.")


@click.command()
@click.argument("prompt", nargs=-1, required=True, metavar="PROMPT")
@model_option
@strategy_option
@project_option
@system_option
@max_tokens_option
@casting.options
@click.option("--all", "everything", is_flag=True, help="Also every candidate that was refused.")
@json_option
def explain(prompt: tuple[str, ...], everything: bool, as_json: bool, **asked: Any) -> None:
    """Show what the daemon would decide for a prompt; nothing is sent or spent."""
    body = _body(prompt, **asked)
    answer = online("client").call("POST", "/v1/router/debug", body, seconds=60)
    _show_decision(answer, everything, as_json)


def _show_decision(answer: Mapping[str, Any], everything: bool, as_json: bool) -> None:
    if as_json:
        emit(answer)
        return
    rows = rows_of(answer, "candidates")
    passing = [row for row in rows if row.get("passes", not row.get("refusedBy"))]
    table(
        (_candidate(row) for row in (rows if everything or not passing else passing)),
        ("MODEL", "SCORE", "HOLD", "TERMS", "WHY NOT"),
        empty="no candidate: add an account: xswarm account add PROVIDER",
    )
    refused = len(rows) - len(passing)
    if refused and passing and not everything:
        note(f"{refused} refused; --all shows why.")
    _show_policy(answer)
    if isinstance(answer.get("winner"), Mapping):
        _show_routing({**answer["winner"], "reason": answer.get("reason")})
    elif isinstance(answer.get("error"), Mapping):
        note(f"→ nobody: {answer['error'].get('message')}")
    casting.show_plan(answer.get("multiCast"))


def _show_policy(answer: Mapping[str, Any]) -> None:
    """Task, policy and where each part came from; what the winner takes of its quota."""
    policy = answer.get("policy") or {}
    complexity = answer.get("complexity")
    task = f"task {answer.get('task')}"
    note(task if complexity is None else f"{task}, complexity {float(complexity):.2f}")
    origins = policy.get("origins") or {}
    if origins:
        told = ", ".join(f"{part} by {level}" for part, level in sorted(origins.items()))
        note(f"policy: {policy.get('strategy')} ({told})")
    if found := private(answer):
        note(f"private data: {found}")
    if answer.get("rule"):
        note(f"rule: {answer['rule']}")
    if policy.get("load", "normal") != "normal":
        note(f"load: {policy['load']}")
    quota = answer.get("quota") or {}
    for row in quota.get("windows") or ():
        if row.get("remaining") is not None:
            metric, limit = row.get("metric"), row.get("limit", row.get("amount"))
            left = f"{amount(metric, row['remaining'])} of {amount(metric, limit)} left"
            note(f"quota: {metric} per {row.get('window')}: {left}")


def _body(
    prompt: tuple[str, ...], *, model: str, system: str | None, **given: Any
) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _prompt(prompt)})
    asked = {name: value for name, value in given.items() if value is not None}
    return {"model": model, "messages": messages, **asked}


def _prompt(words: tuple[str, ...]) -> str:
    text = " ".join(words)
    if words == ("-",):
        text = sys.stdin.read(PROMPT_BYTES_MAX + 1)
        if len(text) > PROMPT_BYTES_MAX:
            raise Failure("the prompt on standard input is longer than 16 MB; shorten it.")
    if not text.strip():
        raise Failure("the prompt is empty; write one, or `-` to read standard input.")
    return text


def _text(event: Mapping[str, Any], part: str) -> str:
    choices = event.get("choices") or [{}]
    return str((choices[0].get(part) or {}).get("content") or "")


def _show_routing(routing: Any) -> None:
    if isinstance(routing, Mapping) and routing.get("model"):
        # The sentence may begin with the model's name: once is enough.
        name, reason = str(routing["model"]), str(routing.get("reason") or "")
        reason = reason.removeprefix(f"{name}: ").removeprefix(name).strip()
        note(click.style(f"→ {name}" + (f": {reason}" if reason else ""), dim=True))
        if found := private(routing):
            note(f"  private data: {found}")


def _show_usage(usage: Any) -> None:
    if not isinstance(usage, Mapping):
        return
    count_in = usage.get("tokensIn", usage.get("prompt_tokens", "?"))
    count_out = usage.get("tokensOut", usage.get("completion_tokens", "?"))
    parts = [f"{count_in} tokens in, {count_out} out"]
    if usage.get("costUsd") is not None:
        parts.append(money(usage["costUsd"]))
    if usage.get("latencyMs") is not None:
        parts.append(f"{float(usage['latencyMs']) / 1000:.1f} s")
    if usage.get("estimated"):
        parts.append("counted here")
    note(click.style("  " + " · ".join(parts), dim=True))


def _candidate(row: Mapping[str, Any]) -> tuple[Any, ...]:
    terms = " ".join(
        f"{term.get('name')} {float(term.get('value', 0)):.2f}×{float(term.get('weight', 0)):.2f}"
        for term in row.get("terms") or ()
    )
    gate, reason = row.get("refusedBy"), str(row.get("reason") or "")
    refused = f"{gate}: {reason}" if gate else reason  # put back says itself what it is
    score = row.get("score")
    return (
        row.get("deployment") or row.get("model"),
        None if score is None else f"{float(score):.3f}",
        money(row.get("holdUsd")) + (" (free allowance)" if row.get("allowance") else ""),
        terms,
        refused,
    )
