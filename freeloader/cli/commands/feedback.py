"""`xswarm feedback`: say how good an answer was; see what came of it; forget it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.shell import emit, json_option, rows_of
from freeloader.cli.tables import table

_AT = "/v1/feedback"


@click.command()
@click.argument("decision_id", metavar="[DECISION_ID]", required=False)
@click.argument("score", type=click.FloatRange(0, 1), required=False)
@click.option("--comment", metavar="TEXT", help="Why; kept beside the score.")
@click.option("--reset", is_flag=True, help="Forget all scores, or those of --model and --task.")
@click.option("--model", metavar="NAME", help="With --reset: only this model's.")
@click.option("--task", metavar="NAME", help="With --reset: only this task's.")
@json_option
def feedback(
    decision_id: str | None,
    score: float | None,
    comment: str | None,
    reset: bool,
    model: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Score an answer from 0 (bad) to 1 (good); without arguments, show all scores.

    Each answer carries its decision's id in X-Freeloader-Decision-Id. Scores move a model's
    intelligence for that task, the more the more of them there are.
    """
    if (decision_id is None) != (score is None) or (reset and decision_id is not None):
        raise click.UsageError("give DECISION_ID and SCORE, or --reset [--model NAME], or nothing.")
    client = online()
    if reset:
        answer = client.call("DELETE", _AT, query={"model": model, "task": task})
        emit(answer) if as_json else click.echo(f"forgotten: {answer.get('forgotten', 0)}")
        return
    if decision_id is None:
        answer = client.get(_AT)
        emit(answer) if as_json else _list(answer)
        return
    body: dict[str, Any] = {"decisionId": decision_id, "score": score}
    answer = client.call("POST", _AT, body | ({"comment": comment} if comment else {}))
    if as_json:
        emit(answer)
    elif isinstance(answer, Mapping):
        click.echo(
            f"{answer.get('model')} at {answer.get('task')}: {answer.get('votes')} scores, "
            f"intelligence {answer.get('shift', 0):+.2f}"
        )


def _list(answer: Any) -> None:
    table(
        (
            (row.get("model"), row.get("task"), row.get("votes"), row.get("average"),
             f"{row.get('shift', 0):+.2f}")
            for row in rows_of(answer, "feedback")
        ),
        ("MODEL", "TASK", "SCORES", "AVERAGE", "INTELLIGENCE"),
        empty="no scores yet; give one: xswarm feedback DECISION_ID 1",
    )  # fmt: skip
