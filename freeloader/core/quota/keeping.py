"""A window as data, for restarts. What cannot be read is not believed to be empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.core.periods import window_seconds
from freeloader.core.quota.calendared import Calendared
from freeloader.core.quota.hearing import learn_amount
from freeloader.core.quota.rolling import Rolling
from freeloader.core.quota.window import Window


def dump(window: Window) -> dict[str, Any]:
    """The state as JSON-ready data; what is held goes along, for a stop that is not clean."""
    state: dict[str, Any] = {
        "kind": window.kind,
        "counter": window.counter.dump(),
        "opened": window.opened,
    }
    if window.held:
        state["held"] = window.held
    if window.amount != window.limit.amount:
        state["amount"] = window.amount
    if window.blocked is not None:
        state["blocked"] = list(window.blocked)
    if window.heard:
        state["heard"] = True
    if window.moved:
        state["moved"] = window.moved
    if window.refused_at is not None:
        state["refusedAt"] = window.refused_at
    if window.elsewhere is not None:
        state["elsewhere"] = list(window.elsewhere)
    return state


def restore(window: Window, state: Mapping[str, Any], now: float) -> None:
    """Takes a dumped state over; what was in flight then counts as used.

    A state of another kind (the limit was described differently then) is not
    believed to be empty: the window starts with the most that can be used. Raises
    ValueError, KeyError or TypeError for data that is no dumped state.
    """
    kind = state["kind"]
    window.moved = str(state.get("moved", ""))
    if kind != window.kind:
        window.counter.put(_at_most(window, state, now), now)
        return
    if int(state.get("amount", 0)) > 0:  # first: what refilled since then did so by it
        learn_amount(window, int(state["amount"]), now, pinned=False)
    if isinstance(window.counter, Calendared):
        window.counter.load(state["counter"], now)
    else:
        window.counter.load(state["counter"])
    if "refusedAt" in state:
        window.refused_at = float(state["refusedAt"])
    window.heard = bool(state.get("heard", False))
    window.opened = float(state.get("opened", window.opened))
    window.touched = now
    if "elsewhere" in state:
        amount, at = state["elsewhere"]
        window.elsewhere = (float(amount), float(at))
    held = int(state.get("held", 0))
    if held:
        window.counter.add(held, now, 0.0)
    if "blocked" in state:
        said, until = state["blocked"]
        window.blocked = (float(said), float(until))


def _at_most(window: Window, state: Mapping[str, Any], now: float) -> float:
    """What slid is counted longest: no other kind has more left. Of any other all may be used."""
    if state["kind"] != "rolling":
        return float(window.amount)
    before = Rolling(window_seconds(window.limit.window))
    before.load(state["counter"])
    return before.used(now) + int(state.get("held", 0))
