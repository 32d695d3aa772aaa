"""Quarters of an hour: running sums are kept by them, because every zone's days are whole ones."""

from __future__ import annotations

from math import ceil, floor

SLOT_S = 900
"""Seconds of one running sum: calendar periods of every time zone are made of whole ones."""
SLOTS_A_DAY = 96


def slots(since: float, until: float) -> dict[str, int]:
    """The slots that cover ``since`` to ``until``, outward: never less than asked for."""
    return {"since": floor(since / SLOT_S), "until": ceil(until / SLOT_S)}


def days_and_slots(since: float, until: float) -> dict[str, int]:
    """The same as whole UTC days, ``first`` to ``last``, and the slots before and after them."""
    span = slots(since, until)
    first, last = -(-span["since"] // SLOTS_A_DAY), span["until"] // SLOTS_A_DAY
    if first >= last:
        return {**span, "first": 0, "last": 0, "head": span["until"], "tail": span["until"]}
    return {**span, "first": first, "last": last,
            "head": first * SLOTS_A_DAY, "tail": last * SLOTS_A_DAY}  # fmt: skip
