"""Which quota windows are nearly or wholly used, and which somebody else uses too.

Each is noticed once per period, when it first holds. Sends nothing and stops nothing:
``fresh`` gives each notice out once, to be written down; ``current`` shows what still holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import floor, isfinite
from typing import Any

from freeloader.clock import iso
from freeloader.core import quota
from freeloader.core.model import Deployment
from freeloader.core.periods import window_seconds
from freeloader.core.quota import Window
from freeloader.core.rows import AlertRow
from freeloader.money import public, usd_from_pico

#: Windows shorter than this come and go too fast to warn of (seconds).
SHORTEST_S = 3600.0
#: The share of a window at which a warning is due.
NEAR = 0.8
#: Notices remembered; the oldest go first.
_KEPT = 1000


@dataclass(slots=True)
class _Notice:
    row: AlertRow
    ends: float
    deployment: Deployment


class QuotaAlerts:
    """First sight of each (type, window, period)."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], _Notice] = {}
        self._fresh: list[AlertRow] = []
        self._before: dict[tuple[str, str, str], AlertRow] = {}

    def load(self, rows: Iterable[AlertRow]) -> None:
        """What earlier runs noticed: no news where it is seen again."""
        self._before = {(row.type, row.scope, row.period): row for row in rows}

    def look(self, deployment: Deployment, windows: Iterable[Window], now: float) -> None:
        """Something was used or refused in these windows."""
        for window in windows:
            for kind, message, data in _due(deployment, window, now):
                period, ends = _period(window, now)
                name = (kind, window.key, period)
                if name in self._seen:
                    continue
                before = self._before.get(name)
                row = before or AlertRow(now, kind, window.key, period, message, data)
                self._seen[name] = _Notice(row, ends, deployment)
                if before is None:
                    self._fresh.append(row)
        while len(self._seen) > _KEPT:
            del self._seen[next(iter(self._seen))]
        del self._fresh[:-_KEPT]

    def fresh(self) -> list[AlertRow]:
        """What was noticed since it was asked last."""
        found, self._fresh = self._fresh, []
        return found

    def again(self, rows: Iterable[AlertRow]) -> None:
        """These could not be written down yet."""
        self._fresh = [*rows, *self._fresh][-_KEPT:]

    def forget(self, keys: frozenset[str]) -> None:
        """The owner reset these windows."""
        self._seen = {name: n for name, n in self._seen.items() if name[1] not in keys}
        self._before = {name: row for name, row in self._before.items() if name[1] not in keys}

    def current(
        self, now: float, who_counts: Callable[[Deployment, str], tuple[Deployment, Window] | None]
    ) -> list[dict[str, Any]]:
        """What still holds, JSON-ready, with the amounts of now: a limit that was raised since
        or taken away, or a bucket that refilled, is no longer near its end.

        ``who_counts``: who counts now in the window of such a key, of a deployment's account.
        """
        found = []
        for notice in self._seen.values():
            row = notice.row
            counted = None if now >= notice.ends else who_counts(notice.deployment, row.scope)
            if counted is None:
                continue
            said = {kind: text for kind, text, _ in _due(*counted, now)}
            if row.type in said:
                found.append(
                    {
                        "type": row.type,
                        "message": said[row.type],
                        "at": iso(row.at),
                        "window": row.scope,
                    }
                )
        return found


def _due(
    deployment: Deployment, window: Window, now: float
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    limit = window.limit
    if window.kind == "concurrency" or window_seconds(limit.window) < SHORTEST_S:
        return
    used = min(window.counter.used(now), float(window.amount))
    near = window.amount > 0 and used >= NEAR * window.amount
    spent = window.amount > 0 and (
        used >= window.amount or quota.blocked_until(window, now) is not None
    )
    drained = window.elsewhere is not None and now - window.elsewhere[1] < window_seconds(
        limit.window
    )
    if not (near or spent or drained):  # most windows, most of the time: nothing is worded
        return
    whose = f"{public(limit.metric)} per {limit.window} of {window.key.partition('|')[0]}"
    dollars = limit.metric == "usd"
    data = {
        "provider": deployment.provider.id, "account": deployment.account.idx,
        "metric": public(limit.metric), "window": limit.window,
        "used": usd_from_pico(int(used)) if dollars else int(used),
        "limit": usd_from_pico(window.amount) if dollars else window.amount,
    }  # fmt: skip
    full = quota.full_at(window, now)
    back = f"; full again {iso(full)}" if full is not None and isfinite(full) else ""
    whole = quota.said(limit, window.amount)
    amounts = f"{quota.said(limit, used)} of {whole} used"
    gone = quota.expires_at(window)
    if gone is not None and gone <= now:
        amounts = f"what was left of {whole} expired {iso(gone)}"
    if deployment.gives(limit):
        whose = f"free allowance of {whose}"
    if spent and deployment.gives(limit):
        said = f"{whose}: all {whole} used, calls cost money now{back}"
        yield "quota_spent", said, data
    elif spent:
        yield "quota_spent", f"{whose}: {amounts}, nothing is left{back}", data
    elif near:
        yield "quota_near", f"{whose}: {amounts}{back}", data
    if drained and window.elsewhere is not None:
        others = int(window.elsewhere[0])
        said = (
            f"{whose}: the provider counts {others} requests that did not come from here. "
            "Is the key used elsewhere too? Give this daemon a key of its own, or "
            "lower its limit here (xswarm account set --limit)."
        )
        yield "key_used_elsewhere", said, {**data, "elsewhere": others}


def _period(window: Window, now: float) -> tuple[str, float]:
    """A name for the present period, and when it is over."""
    if window.kind == "once":
        return "once", float("inf")
    if window.kind == "calendar":
        end = quota.reset_at(window, now)
        return iso(end), end
    span = window_seconds(window.limit.window)
    number = floor(now / span)
    return f"{window.limit.window}:{number}", (number + 1) * span
