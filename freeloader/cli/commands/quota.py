"""`xswarm free`: what is left for nothing, until when, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from freeloader.cli.backend import online
from freeloader.cli.client import Client
from freeloader.cli.shell import Failure, duration, emit, json_option, money, note, rows_of, table
from freeloader.clock import SystemClock

_BAR = 10
_HEADERS = (
    "ACCOUNT", "MODEL", "WINDOW", "USED", "", "LEFT", "HELD", "RESETS IN", "AT THIS RATE",
    "CONFIDENCE", "SOURCE",
)  # fmt: skip


@click.group(invoke_without_command=True)
@click.option("--provider", metavar="NAME", help="Only this provider's windows.")
@json_option
@click.pass_context
def free(context: click.Context, provider: str | None, as_json: bool) -> None:
    """Show every free-tier window: used, left, when it resets, how long it lasts at this rate."""
    if context.invoked_subcommand is not None:
        return
    answer = online().get("/v1/free-tiers", {"provider": provider})
    if as_json:
        emit(answer)
        return
    now = SystemClock().now().wall
    windows = rows_of(answer, "windows", "freeTiers")
    table(
        (line for row in windows for line in _lines(row, now)),
        _HEADERS,
        empty="there is no window yet; add an account: xswarm account add groq",
    )
    for alert in answer.get("alerts") or ():
        note(f"{alert.get('type', 'alert')}: {alert.get('message', '')}")
    for warning in answer.get("warnings") or ():
        note(f"note: {warning}")


@free.command("reset")
@click.argument("name", required=False, metavar="[PROVIDER[@IDX]]")
@json_option
def reset(name: str | None, as_json: bool) -> None:
    """Forget counts and pauses, of all or of one: for an owner who knows better."""
    provider, at, idx = (name or "").partition("@")
    if name is not None and (not provider or (at and not idx.isdecimal())):
        raise click.UsageError(f"{name} is not PROVIDER or PROVIDER@IDX, e.g. groq@1.")
    body: dict[str, Any] = {"provider": provider} if provider else {}
    if at:
        body["idx"] = int(idx)
    client = online()
    if provider:
        _require_account(client, provider, body.get("idx"))
    answer = client.call("POST", "/v1/free-tiers/reset", body)
    if as_json:
        emit(answer)
        return
    count = answer.get("windows", 0)
    click.echo(f"{count} window{'' if count == 1 else 's'} forgotten; no pause is left.")


def _require_account(client: Client, provider: str, idx: int | None) -> None:
    """A name that nobody has would reset nothing, and look as if it had."""
    rows = rows_of(client.get("/v1/accounts"), "accounts")
    if not any(r.get("provider") == provider and idx in (None, r.get("idx")) for r in rows):
        raise Failure(f"there is no account {provider}{'' if idx is None else f'@{idx}'}; "
                      "`xswarm account list` shows all.")  # fmt: skip


def _lines(row: Mapping[str, Any], now: float) -> Iterator[tuple[Any, ...]]:
    """One window; of an account whose limits nobody knows, what was learnt of them."""
    head = (_account(row), row.get("model") or ", ".join(row.get("appliesTo") or ()) or "all")
    said = (row.get("confidence"), _source(row))
    limit = row.get("limit")
    if limit is None:
        what = "none" if row.get("reset") == "none" else "unknown"
        yield (*head, what, *[""] * 6, *said)
        for learnt in row.get("learnt") or ():
            # A model's lower bounds say little beside the account's; its refusals say much.
            if learnt.get("scope") == "account" or learnt.get("refusals"):
                yield (head[0], learnt.get("model") or "all", *_learnt(learnt))
        return
    metric = row.get("metric")
    used, left = row.get("used") or 0, row.get("remaining") or 0
    window = f"{metric} / {row.get('window')}" if metric != "concurrency" else "running calls"
    if row.get("allowance"):
        window += " (allowance)"
    yield (
        *head,
        window,
        _bar(used, limit),
        f"{_amount(metric, used)} of {_amount(metric, limit)}",
        _amount(metric, left),
        _amount(metric, row.get("held") or 0),
        _until(row.get("refusedUntil") or row.get("resetsAt"), now),
        _lasts(row, left, now),
        *said,
    )


def _learnt(learnt: Mapping[str, Any]) -> tuple[Any, ...]:
    most = learnt.get("atMost")
    bounds = f"at least {learnt.get('atLeast')}"
    bounds += "" if most is None else f", refused at {most}"
    window = f"{learnt.get('metric')} / {learnt.get('window')}"
    return (window, "", bounds, "", "", "", "", learnt.get("confidence"), "learnt")


def _bar(used: float, limit: float) -> str:
    share = min(1.0, used / limit) if limit else 1.0
    full = int(share * _BAR + 0.5)
    return "█" * full + "░" * (_BAR - full)


def _amount(metric: Any, value: float) -> str:
    return money(value) if metric == "usd" else f"{value:,}"


def _until(moment: Any, now: float) -> str:
    found = _moment(moment)
    return "full" if found is None else duration(found - now)


def _lasts(row: Mapping[str, Any], left: float, now: float) -> str:
    """``lasts until 16:40``; with the day where it is not today; nothing where nothing flows."""
    found = _moment(row.get("lastsUntil"))
    if found is not None:
        then, today = (datetime.fromtimestamp(at, UTC).astimezone() for at in (found, now))
        form = "%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M"
        return f"lasts until {then.strftime(form)}" if left else "empty"
    return "lasts" if row.get("perHour") else ""


def _moment(text: Any) -> float | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _source(row: Mapping[str, Any]) -> str:
    """Who says so, and when it was looked at."""
    source = " ".join(str(row.get("source") or "").split())
    short = source if len(source) <= 48 else f"{source[:47]}…"
    date = row.get("verifiedDate")
    return f"{short} ({date})" if date and short else str(date or short)


def _account(row: Mapping[str, Any]) -> str:
    provider, account = row.get("provider"), row.get("account")
    return f"{provider}@{account}" if isinstance(account, int) else str(account or provider)
