"""A provider's answer → whose fault, what it says of limits, when to come back. Pure.

``answers`` reads it, ``refusals`` are those that mean the same everywhere (in ``words``, or in
other ``tongues``), ``waits`` and ``durations`` say how long (``messages`` finds it in a text),
``judging`` puts them together. Of an answer that came back whole ``headers`` reads what it
says of limits, and ``flaws`` finds what is wrong with it.
"""

from freeloader.core.outcome.judging import (
    BUSY,
    ENTRY_REFUSED,
    KINDS,
    Outcome,
    classify,
    flawed,
)

__all__ = ["BUSY", "ENTRY_REFUSED", "KINDS", "Outcome", "classify", "flawed"]
