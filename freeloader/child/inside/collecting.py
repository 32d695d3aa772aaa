"""When the collector of cycles works in the child, and on what.

LiteLLM is a million objects that stay to the end. Looking through them all took 0.4 s, in
which nobody was answered, after every few hundred calls; and 1.5 s of each start, to find
a hundred that were garbage. What is there once the child is warm is never looked at again;
what calls leave behind is, as ever.
"""

from __future__ import annotations

import gc


def while_loading() -> None:
    """Nothing is looked through until ``loaded``."""
    gc.disable()


def loaded() -> None:
    """What is there stays; what comes from now on is looked through. May be called again, once
    more is there to stay: while no calls are under way, whose objects would stay too."""
    gc.freeze()
    gc.enable()
