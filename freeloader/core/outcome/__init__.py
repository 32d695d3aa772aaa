"""A provider's answer → whose fault, what it says of limits, when to come back. Pure.

``answers`` reads it, ``refusals`` are those that mean the same everywhere (in ``words``, or in
other ``tongues``; ``sieve`` spares searching for what cannot be there), ``waits`` and
``durations`` say how long (``messages`` finds it in a text), ``figures`` how large a limit is
that a refusal names, ``statuses`` is about answers that
no rule knows, ``judging`` puts them together into one of the ``kinds``. Of an answer that came
back whole ``headers`` reads what it says of limits, and ``flaws`` finds what is wrong with it.
"""

from freeloader.core.outcome.judging import BUSY, ENTRY_REFUSED, classify, flawed
from freeloader.core.outcome.kinds import KINDS, Outcome

__all__ = ["BUSY", "ENTRY_REFUSED", "KINDS", "Outcome", "classify", "flawed"]
