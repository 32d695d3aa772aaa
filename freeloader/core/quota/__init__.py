"""Quota: windows over meters. Does it fit, reserve, settle, release, observe, exhaust, reset.

One ``Window`` is one bucket at a provider; several deployments may share it. The
transitions are deterministic in (state, arguments); they read no clock and know
nothing of money, requests or ranking. The one law above all: random orders of
send, header, refusal and settling never make us believe in quota that is not
there; where something cannot be known, the larger count is taken.
"""

from freeloader.core.quota.counting import (
    clock_set,
    inherit,
    mark,
    release,
    reserve,
    reset,
    settle,
    taken,
)
from freeloader.core.quota.fitting import (
    ceiling,
    covers,
    expires_at,
    fits,
    fits_behind,
    full_at,
    has_room,
    verdict,
)
from freeloader.core.quota.hearing import (
    back_at,
    exhaust,
    learn_amount,
    named,
    notice,
    observe,
    refused_early,
)
from freeloader.core.quota.keeping import (
    dump,
    restore,
)
from freeloader.core.quota.window import (
    RECHECK,
    Reservation,
    Window,
    belongs,
    blocked_until,
    claim,
    key_of,
    matching,
    need,
    owner_of,
    reset_at,
    said,
    same_length,
    too_large,
    twin_of,
    window_for,
)

__all__ = [
    "RECHECK",
    "Reservation",
    "Window",
    "back_at",
    "belongs",
    "blocked_until",
    "ceiling",
    "claim",
    "clock_set",
    "covers",
    "dump",
    "exhaust",
    "expires_at",
    "fits",
    "fits_behind",
    "full_at",
    "has_room",
    "inherit",
    "key_of",
    "learn_amount",
    "mark",
    "matching",
    "named",
    "need",
    "notice",
    "observe",
    "owner_of",
    "refused_early",
    "release",
    "reserve",
    "reset",
    "reset_at",
    "restore",
    "said",
    "same_length",
    "settle",
    "taken",
    "too_large",
    "twin_of",
    "verdict",
    "window_for",
]
