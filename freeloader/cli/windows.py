"""Quota windows for people: one wide table, or a few lines for each where that is too wide.

Rows are those of ``GET /v1/free-tiers``; nothing is asked of anybody here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import click

from freeloader.cli import tables
from freeloader.cli.shell import duration, money, note
from freeloader.cli.tables import NARROWEST, fold, table, width_of

_BAR = 10
_HEADERS = (
    "ACCOUNT", "MODEL", "WINDOW", "USED", "", "LEFT", "HELD", "RESETS IN", "AT THIS RATE",
    "CONFIDENCE", "SOURCE",
)  # fmt: skip
_EMPTY = "there is no window yet; add an account: xswarm account add groq"


@dataclass(frozen=True, slots=True)
class Line:
    """One window in words; what does not apply is empty."""

    account: str
    model: str
    window: str
    bar: str = ""
    used: str = ""
    left: str = ""
    held: str = ""
    resets: str = ""
    lasts: str = ""
    confidence: str = ""
    source: str = ""

    def cells(self) -> tuple[str, ...]:
        return (self.account, self.model, self.window, self.bar, self.used, self.left, self.held,
                self.resets, self.lasts, self.confidence, self.source)  # fmt: skip


def show(rows: Sequence[Mapping[str, Any]], now: float) -> None:
    """Prints them, as wide as the terminal is; ``now`` in wall seconds."""
    lines = [line for row in rows for line in _lines(row, now)]
    columns = tables.columns()
    cells = [line.cells() for line in lines]
    if not lines or not columns or width_of(cells, _HEADERS) <= columns:
        table(cells, _HEADERS, empty=_EMPTY)
        return
    for (account, model), some in groupby(lines, lambda line: (line.account, line.model)):
        for text in _block(account, model, list(some), max(columns, NARROWEST)):
            click.echo(text)


def told(answer: Mapping[str, Any]) -> None:
    """What the owner is warned of, beside the windows."""
    for alert in answer.get("alerts") or ():
        note(f"{alert.get('type', 'alert')}: {alert.get('message', '')}")
    for warning in answer.get("warnings") or ():
        note(f"note: {warning}")


def _block(account: str, model: str, lines: Sequence[Line], columns: int) -> Iterator[str]:
    """An account and model, its windows, and who says so where that is another than before."""
    yield from fold(f"{account}  {'all models' if model == 'all' else model}", "", columns)
    wide = max((len(line.window) for line in lines), default=0)
    wide = wide if wide + _BAR + 6 <= columns else 0
    said = ""
    for line in lines:
        if line.confidence or line.source:
            who = f"{line.confidence} confidence" if line.confidence else ""
            who = ", ".join(filter(None, (who, line.source)))
            if said and who != said:
                yield from fold(said, "    ", columns)
            said = who
        parts = [f"{line.used} used" if line.left else line.used]
        parts += [line.left and f"{line.left} left"]
        parts += [f"{line.held} held" if line.held not in ("", "0") else ""]
        parts += [_reset_words(line.resets), _rate_words(line.lasts)]
        words = "; ".join(filter(None, (", ".join(filter(None, parts[:3])), *parts[3:])))
        head = "  ".join(filter(None, (line.window.ljust(wide), line.bar)))
        yield from fold(f"{head}  {words}".rstrip(), "  ", columns)
    if said:
        yield from fold(said, "    ", columns)


def _reset_words(resets: str) -> str:
    words = {"never": "never resets"}
    by_itself = resets in ("", "full") or resets.startswith("expire")
    return resets if by_itself else words.get(resets, f"resets in {resets}")


def _rate_words(lasts: str) -> str:
    return f"at this rate it {lasts}" if lasts.startswith("lasts") else lasts


def _lines(row: Mapping[str, Any], now: float) -> Iterator[Line]:
    """One window; of an account whose limits nobody knows, what was learnt of them."""
    account = _account(row)
    model = row.get("model") or ", ".join(row.get("appliesTo") or ()) or "all"
    confidence, source = str(row.get("confidence") or ""), _source(row)
    limit = row.get("limit")
    if limit is None:
        what = "no limit" if row.get("reset") == "none" else "limits unknown"
        spent = row.get("refusedUntil")
        yield Line(
            account,
            model,
            what,
            used="all" if spent else "",
            left="0" if spent else "",
            resets=_until(spent, now) if spent else "",
            lasts="empty" if spent else "",
            confidence=confidence,
            source=source,
        )
        for learnt in row.get("learnt") or ():
            # A model's lower bounds say little beside the account's; its refusals say much.
            if learnt.get("scope") == "account" or learnt.get("refusals"):
                yield _learnt(account, learnt)
        return
    metric = row.get("metric")
    window = _window(row)
    if row.get("allowance"):
        window += " (allowance)"
    if not limit and not row.get("allowance"):
        what = "switched off" if row.get("source") == "own" else "not on this plan"
        yield Line(account, model, window, used=what, confidence=confidence, source=source)
        return
    used, left = row.get("used") or 0, row.get("remaining") or 0
    if metric == "concurrency":
        used = row.get("held") or 0
    yield Line(
        account,
        model,
        window,
        _bar(used, limit),
        f"{amount(metric, used)} of {amount(metric, limit)}",
        amount(metric, left),
        amount(metric, row.get("held") or 0),
        _resets(row, now),
        _lasts(row, left, now),
        confidence,
        source,
    )


def _window(row: Mapping[str, Any]) -> str:
    metric = row.get("metric")
    return f"{metric} / {row.get('window')}" if metric != "concurrency" else "running calls"


def _learnt(account: str, learnt: Mapping[str, Any]) -> Line:
    most = learnt.get("atMost")
    bounds = f"at least {learnt.get('atLeast'):,}"
    bounds += "" if most is None else f", refused at {most:,}"
    window = _window(learnt)
    model = str(learnt.get("model") or "all")
    return Line(account, model, window, used=bounds, confidence=str(learnt.get("confidence")),
                source="learnt")  # fmt: skip


def _bar(used: float, limit: float) -> str:
    share = min(1.0, used / limit) if limit else 1.0
    full = int(share * _BAR + 0.5)
    return "█" * full + "░" * (_BAR - full)


def amount(metric: Any, value: float) -> str:
    """So much of a metric, for people."""
    return money(value) if metric == "usd" else f"{value:,}"


def _resets(row: Mapping[str, Any], now: float) -> str:
    """Of credits nothing comes back: they are no more full than they will be; some end on a day."""
    expires = _moment(row.get("expiresAt"))
    if expires is not None and not row.get("refusedUntil"):
        return f"expires in {duration(expires - now)}" if expires > now else "expired"
    moment = row.get("refusedUntil") or row.get("resetsAt")
    if moment:
        return _until(moment, now)
    if row.get("window") == "once" and row.get("metric") != "concurrency" and row.get("used"):
        return "never"
    return "" if row.get("held") else "full"  # what running calls hold is not there


def _until(moment: Any, now: float) -> str:
    found = _moment(moment)
    return "full" if found is None else duration(found - now)


def _lasts(row: Mapping[str, Any], left: float, now: float) -> str:
    """``lasts until 16:40``; with the day where it is not today; nothing where nothing flows."""
    if row.get("metric") == "concurrency":
        return ""
    if not left:
        return "empty"
    found = _moment(row.get("lastsUntil"))
    if found is not None:
        then, today = (datetime.fromtimestamp(at, UTC).astimezone() for at in (found, now))
        form = "%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M"
        return f"lasts until {then.strftime(form)}"
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
    source = "your own limit" if source == "own" else source
    short = source if len(source) <= 48 else f"{source[:47]}…"
    date = row.get("verifiedDate")
    return f"{short} ({date})" if date and short else str(date or short)


def _account(row: Mapping[str, Any]) -> str:
    provider, account = row.get("provider"), row.get("account")
    return f"{provider}@{account}" if isinstance(account, int) else str(account or provider)
