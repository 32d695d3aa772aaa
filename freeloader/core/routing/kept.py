"""Why a free quota is put back for others, as a sentence for people. Decides nothing.

What is known of it is ``core.pacing.plan``'s ``Strain``; who is put back is ``soft``'s.
"""

from __future__ import annotations

from datetime import UTC, datetime

from freeloader.core.model import Verdict
from freeloader.core.pacing.plan import HARDLY, Strain
from freeloader.core.quota import Window
from freeloader.core.quota.calendared import Calendared

#: What is said of others where one gives way to them; where it serves after all, none could.
OTHERS = (", and others have more to spare", ", so that others go first")
_DAY = 86_400.0
_EACH = {"1s": "a second", "1m": "a minute", "1h": "an hour", "1d": "a day", "7d": "a week",
         "month": "a month", "once": "in all"}  # fmt: skip
#: Labels of requests that read on by themselves; others are tasks, or gates with a number.
_STRATEGIES = frozenset({"quality-first", "priority"})


def said(found: Strain, now: float) -> Verdict:
    """``kept: 6 of 20 left, needed for quality-first until 08:00 UTC``. Wall seconds."""
    found = found.full()
    window = found.window
    if window is None:
        reason = f"kept: nobody publishes how much is left there{OTHERS[1]}"
        return Verdict("pacing", "quota_exhausted", reason)
    left = max(0.0, window.amount - window.counter.used(now) - window.held)
    until = _ends(window, now)
    end = "" if until is None else f" until {_clock(until, now)}"
    have = f"kept: {left:,.0f} of {window.amount:,} {_unit(window)}left"
    reason = f"{have}, needed for {_whom(found)}{end}"
    if found.left and not found.needed > HARDLY:
        reason = f"{have}{end}; more is asked than all free quotas give, and others take less of it"
    elif not found.left and found.kept <= HARDLY and not (found.kept and found.wanted.label):
        reason = f"{have}{end}{OTHERS[0]}"
    return Verdict("pacing", "quota_exhausted", reason, until)


def _whom(found: Strain) -> str:
    label = found.wanted.label if found.kept or found.needed else ""
    if not label:
        return "harder requests"
    if label in _STRATEGIES:
        return label
    if label.startswith("minIntelligence"):
        return f"requests with {label}"
    return f"harder {label.replace('_', '-')} requests"


def _unit(window: Window) -> str:
    """Nothing for what people count in by themselves: requests a day."""
    metric, span = window.limit.metric, window.limit.window
    if (metric, span) == ("requests", "1d"):
        return ""
    return f"{metric} {_EACH.get(span, f'in {span}')} "


def _ends(window: Window, now: float) -> float | None:
    """When a period's quota is there anew; None where it comes back bit by bit, or never."""
    if isinstance(window.counter, Calendared):
        return window.counter.period(now).end
    return None


def _clock(at: float, now: float) -> str:
    form = "%H:%M UTC" if at - now < _DAY else "%d %b %H:%M UTC"
    return datetime.fromtimestamp(at, UTC).strftime(form)
