"""Multi-cast on the command line: its options, and its answers, members and price as people read.

Answers go to standard output, each under a line that says whose it is; how it came
about goes to standard error. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from freeloader.cli.shell import money, note, written
from freeloader.cli.tables import columns, laid_out

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--targets", type=click.IntRange(1, 10), metavar="N",
                 help="Ask N models at different providers (multi-cast)."),
    click.option("--selection", type=click.Choice(["diverse", "best", "cheapest"]),
                 help="Which ones a multi-cast asks."),
    click.option("--aggregation", type=click.Choice(["first", "all", "consensus", "best"]),
                 help="What a multi-cast gives: the first answer, all, the majority's, the best."),
    click.option("--max-cost", type=click.FloatRange(0), metavar="USD",
                 help="What the whole request may cost."),
)  # fmt: skip


def options(command: F) -> F:
    """The options that say how to multi-cast."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def whole(asked: Mapping[str, Any]) -> bool:
    """Whether the answers come all at once at the end, so that streaming shows nothing sooner."""
    return asked.get("aggregation") in ("all", "consensus", "best")


def heading(choice: Mapping[str, Any]) -> str | None:
    """Whose answer this is, where several models answered; None for an ordinary choice."""
    if not choice.get("model"):
        return None
    return _line(choice["model"], choice.get("costUsd"), choice.get("latencyMs"))


def show_answers(answer: Mapping[str, Any], text: Callable[[Mapping[str, Any]], str]) -> None:
    """Every choice's text; under a heading each, where there are several models'."""
    choices = [one for one in answer.get("choices") or () if isinstance(one, Mapping)]
    for at, choice in enumerate(choices or [{}]):
        title = heading(choice)
        if title is not None:
            click.echo(("\n" if at else "") + title)
        elif at:
            click.echo("")
        written(text(choice))


def show_members(routing: Any, say: Callable[[str], Any] = note) -> None:
    """A table of the members, the vote, the judge and what else there is; ``say`` prints it."""
    cast = routing.get("multiCast") if isinstance(routing, Mapping) else None
    if not isinstance(cast, Mapping):
        return
    rows = [_member(row) for row in cast.get("members") or () if isinstance(row, Mapping)]
    headers = ("MODEL", "STATE", "COST", "TIME", "SCORE", "WHY")
    used = [at for at, _ in enumerate(headers) if at < 4 or any(row[at] for row in rows)]
    listed = [[row[at] for at in used] for row in rows]
    titles = [headers[at] for at in used]
    for line in laid_out(listed, titles, columns()):
        say(line)
    vote, judge = cast.get("vote"), cast.get("judge")
    if isinstance(vote, Mapping):
        verb = "agreed" if vote.get("agreed") else "did not agree"
        say(f"  vote: {vote.get('votes')} of {vote.get('of')} {verb}, by {vote.get('by')}")
    if isinstance(judge, Mapping):
        said = judge.get("problem") or f"judged by {judge.get('model')}"
        say(f"  {said} · {money(judge.get('costUsd'))}")
    if cast.get("note"):
        say(f"  {cast['note']}")


def show_plan(plan: Any) -> None:
    """A dry run: who would be asked, who would judge, and the whole hold."""
    if not isinstance(plan, Mapping):
        return
    for member in plan.get("members") or ():
        click.echo(f"  {member.get('model')}  holds {money(member.get('holdUsd'))}")
    judge = plan.get("judge")
    if isinstance(judge, Mapping):
        click.echo(f"  {judge.get('model')}  judges, holds {money(judge.get('holdUsd'))}")
    click.echo(f"The whole request holds {money(plan.get('holdUsd'))} before anything is sent.")
    if plan.get("note"):
        note(f"  {plan['note']}")


def _member(row: Mapping[str, Any]) -> Sequence[str]:
    score = row.get("score")
    return (
        str(row.get("model") or ""),
        str(row.get("state") or ""),
        money(row.get("costUsd")),
        _seconds(row.get("latencyMs")),
        "" if score is None else f"{float(score):g}",
        str(row.get("why") or row.get("reason") or "")[:80],
    )


def _line(model: Any, cost: Any, latency: Any) -> str:
    parts = [str(model), money(cost), _seconds(latency)]
    return "── " + " · ".join(part for part in parts if part) + " ──"


def _seconds(value: Any) -> str:
    return "" if value is None else f"{float(value) / 1000:.1f} s"
