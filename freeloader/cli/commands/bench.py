"""`xswarm bench`: how good and how fast your models are, by prompts with checkable answers."""

from __future__ import annotations

from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.commands.jobs import with_progress
from freeloader.cli.shell import emit, json_option, note, rows_of
from freeloader.cli.tables import table

_RUN_S = 7200.0


@click.group()
def bench() -> None:
    """Rate the models of your accounts; local ones by themselves, cloud ones as you allow."""


@bench.command()
@click.option(
    "--models",
    "models",
    multiple=True,
    help="Only this model, provider or account; may be given again, or several with commas.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be asked, and why not more.")
@json_option
def run(models: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Ask what is missing of this week's round. Cloud models need a share or a budget first:
    `xswarm config set benchmarking.quota_share 0.02`."""
    named = [name.strip() for given in models for name in given.split(",") if name.strip()]
    body = {"models": named, "dryRun": dry_run}
    if dry_run:
        _show_plan(online().call("POST", "/v1/benchmarks/run", body), as_json)
        return

    def work(_: str) -> Any:
        return online().call("POST", "/v1/benchmarks/run", body, seconds=_RUN_S)

    answer = with_progress("benchmarks", work)
    if as_json:
        emit(answer)
        return
    click.echo(answer.get("result") or "done")
    note("`xswarm bench show` has the results.")


@bench.command()
@json_option
def show(as_json: bool) -> None:
    """Show what the models did, best first."""
    answer = online().get("/v1/benchmarks")
    if as_json:
        emit(answer)
        return
    table(
        (
            (
                f"{row.get('provider')}/{row.get('model')}",
                _share((row.get("quality") or {}).get("overall")),
                *(_share((row.get("quality") or {}).get(task)) for task in _TASKS),
                _share(row.get("successRate")),
                _share(row.get("consistency")),
                row.get("firstMs"),
                row.get("tokensPerSecond"),
                row.get("p95Ms"),
                row.get("samples"),
            )
            for row in rows_of(answer, "benchmarks")
        ),
        (
            *("MODEL", "QUALITY", *(task.upper() for task in _TASKS), "SUCCESS", "SAME"),
            *("FIRST MS", "TOKENS/S", "P95 MS", "N"),
        ),
        empty="nothing was benchmarked yet; `xswarm bench run` does that.",
    )


_TASKS = ("reasoning", "coding", "json", "instruction")


#: What to do about a reason why nobody, or not more, is asked: a part of it → the next step.
_NEXT = {
    "quota_share": "to let it use 2 % of every free quota: "
    "xswarm config set benchmarking.quota_share 0.02",
    "budget.monthly": "to let it spend 1 dollar a month: "
    "xswarm config set benchmarking.budget.monthly 1",
    "rated in this round": "they are asked again next week; `xswarm bench show` has the results.",
}
_NO_MODEL = (
    "would ask nobody: there is no model of yours to rate (pretend ones are not); "
    "add an account: xswarm account add groq"
)


def _show_plan(answer: Any, as_json: bool) -> None:
    if as_json:
        emit(answer)
        return
    models, left = rows_of(answer, "models"), rows_of(answer, "leftOut")
    if models:
        click.echo(f"would ask {answer.get('requests')} times:")
        table(
            ((row.get("deployment"), row.get("requests")) for row in models),
            ("MODEL", "REQUESTS"),
            empty="",
        )
    else:
        click.echo("would ask nobody:" if left else _NO_MODEL)
    if left:
        if models:
            click.echo("")
        table(
            ((row.get("deployment"), row.get("reason")) for row in left),
            ("NOT ASKED", "WHY"),
            empty="",
        )
    for part, step in _NEXT.items():
        if any(part in str(row.get("reason")) for row in left):
            note(step)


def _share(value: Any) -> str:
    return "-" if value is None else f"{float(value):.0%}"
