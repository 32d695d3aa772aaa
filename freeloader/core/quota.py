"""Quota: windows over meters. Does it fit, reserve, settle, release, observe, exhaust, reset.

One ``Window`` is one bucket at a provider; several deployments may share it. The
transitions are deterministic in (state, arguments); they read no clock and know
nothing of money, requests or ranking. The one law above all: random orders of
send, header, refusal and settling never make us believe in quota that is not
there; where something cannot be known, the larger count is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from freeloader.core import windows
from freeloader.core.forecast import Flow
from freeloader.core.model import Deployment, Limit, Verdict
from freeloader.core.periods import iso, window_seconds
from freeloader.money import Meters

#: Where only running calls stand in the way: when to look again, in seconds.
RECHECK = 1.0
#: Refilling buckets are floats: a millionth of a token is not a refusal.
_EPSILON = 1e-6
#: So many requests more than we can have sent are somebody else's; one may be rounding.
_NOTICED = 2
#: A refusal below this share of the limit came too early.
_EARLY = 0.9


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one attempt holds of one window. ``order`` counts the window's reservations."""

    key: str
    amount: int
    at: float
    order: int
    charged: float
    #: All that the provider can know of us once it has admitted this one.
    count: float = 0.0


@dataclass(slots=True)
class Window:
    """One bucket. ``amount`` is the limit in force: published, or what headers say.

    ``held`` is what open reservations claim, ``order`` how many were ever made,
    ``charged`` how much was ever settled (both tell what came after a given
    request), ``blocked`` a refusal's (said at, until). ``touched`` is when something was
    last sent, ``opened`` since when we count, ``heard`` whether the provider ever said what
    it counts, ``unsure`` (count, since) how many refused calls it may count besides,
    ``elsewhere`` (amount, at) what it counted that we did not send.
    """

    key: str
    limit: Limit
    kind: str
    amount: int
    counter: windows.Counter
    held: int = 0
    order: int = 0
    charged: float = 0.0
    blocked: tuple[float, float] | None = None
    opened: float = 0.0
    touched: float = 0.0
    heard: bool = False
    unsure: tuple[int, float] = (0, 0.0)
    elsewhere: tuple[float, float] | None = None
    flow: Flow = field(default_factory=Flow)

    @property
    def derived(self) -> bool:
        """True where what it counts follows from other meters, by price or a provider's rule."""
        return self.limit.metric in ("usd", "units")

    @property
    def known(self) -> bool:
        """False where nobody published how the window resets."""
        return self.limit.reset in ("refill", "rolling", "calendar") or self.kind != "rolling"


def owner_of(scope: str, deployment: Deployment, root: int | None = None) -> str:
    """Whose bucket a scope means. ``root``: the account that shares its bucket, if not itself."""
    account = deployment.account
    if root is None:
        root = account.idx if account.same_account_as is None else account.same_account_as
    provider, model = deployment.provider.id, deployment.model.id
    if scope == "model":
        return f"{provider}@{root}/{model}"
    if scope == "ip":
        return f"ip:{provider}"
    if scope == "ip+model":
        return f"ip:{provider}/{model}"
    return f"{provider}@{root}"


def key_of(limit: Limit, deployment: Deployment, root: int | None = None) -> str:
    """The bucket a limit of this deployment counts in; equal keys share one count."""
    pattern = ",".join(limit.applies_to)
    parts = (owner_of(limit.scope, deployment, root), limit.metric, limit.window, pattern)
    return "|".join(parts)


def window_for(limit: Limit, key: str, now: float) -> Window:
    """A fresh window. Raises ValueError for a window or time zone that does not exist."""
    kind = windows.kind_of(limit.metric, limit.window, limit.reset)
    counter = windows.counter(
        kind, limit.amount, limit.window, limit.timezone, limit.expires_days, now
    )
    return Window(key, limit, kind, limit.amount, counter, opened=now)


def need(limit: Limit, meters: Meters) -> int:
    """How much of a limit ``meters`` claim. Every call is at least one request."""
    metric = limit.metric
    if metric == "requests":
        return max(1, meters.requests)
    if metric == "tokens" and not limit.excludes:  # the common ones, without looking names up
        return meters.input + meters.cache_read + meters.cache_write + meters.output
    return 1 if metric == "concurrency" else meters.amount(metric, limit.excludes)


def too_large(limit: Limit, meters: Meters, amount: int | None = None) -> bool:
    """True where a per-request ceiling can never be passed: the input alone is above it.

    Output is bounded by an upper estimate that is often far too high (the model's
    own maximum), so it alone never rules a request out; it claims the whole window.
    """
    if not limit.per_request_ceiling:
        return False
    floor = Meters(
        input=meters.input, cache_read=meters.cache_read, cache_write=meters.cache_write
    ).amount(limit.metric, limit.excludes)
    return floor > (limit.amount if amount is None else amount)


def claim(window: Window, meters: Meters) -> int:
    """What a hold takes: what is needed, at most the whole window."""
    return min(need(window.limit, meters), window.amount)


def has_room(window: Window, meters: Meters, now: float) -> bool:
    """Whether ``verdict`` has nothing to say: most windows, most of the time.

    Asked of every window of every candidate, so it makes nothing and says nothing.
    """
    limit, amount = window.limit, window.amount
    if amount <= 0 or limit.per_request_ceiling or window.blocked is not None:
        return False
    wanted = need(limit, meters)
    if wanted > amount:  # a hold takes the whole window at most
        wanted = amount
    return window.counter.used(now) + window.held + wanted <= amount + _EPSILON


def fits(window: Window, amount: int, now: float) -> float | None:
    """None: there is room. Else the wall time at which there may be; infinity: never.

    Where only open holds are in the way: held requests will be used, so their
    window's reset counts; held tokens mostly settle lower, so the answer is soon.
    """
    blocked = None if window.blocked is None else blocked_until(window, now)
    used = window.counter.used(now)
    if used + window.held + amount <= window.amount + _EPSILON:
        return blocked
    free = window.counter.below(window.amount - window.held - amount + _EPSILON / 2, now)
    if window.held and not isfinite(free):
        free = _after_holds(window, amount, used, now)
    elif window.held and window.limit.metric != "requests":
        free = min(free, _after_holds(window, amount, used, now))
    return free if blocked is None else max(free, blocked)


def fits_behind(window: Window, amount: int, ahead: int, now: float) -> float | None:
    """As ``fits``, where ``ahead`` is claimed by those who wait already: they come first.

    What they take together with ``amount`` may be several times the whole window.
    """
    if ahead <= 0 or window.amount <= 0:
        return fits(window, amount, now)
    rounds, rest = divmod(ahead + amount, window.amount)
    if rest == 0:
        rounds, rest = rounds - 1, window.amount
    free = fits(window, rest, now)
    if rounds == 0 or (free is not None and not isfinite(free)):
        return free
    if window.kind == "concurrency":
        return now + RECHECK
    span = window_seconds(window.limit.window)
    if window.kind == "refill":  # what comes back, comes back evenly
        over = window.counter.used(now) + window.held + ahead + amount - window.amount
        return now + over * span / window.amount
    if window.kind == "calendar" and free is None:
        return reset_at(window, now) + (rounds - 1) * span
    return (now if free is None else free) + rounds * span


def _after_holds(window: Window, amount: int, used: float, now: float) -> float:
    """When to look again if the open holds were all given back, or for requests: all used."""
    if used + amount > window.amount + _EPSILON:
        return max(now + RECHECK, window.counter.below(window.amount - amount, now))
    if window.limit.metric == "requests" and window.kind not in ("once", "concurrency"):
        return reset_at(window, now)
    return now + RECHECK


def verdict(window: Window, meters: Meters, now: float, ahead: int = 0) -> Verdict | None:
    """``fits_behind`` as a refusal in words, or None."""
    limit = window.limit
    if window.amount <= 0:
        reason = f"is not on this plan: {_name(window)} allows 0"
        return Verdict("tier", "no_model_passes_gates", reason)
    if limit.per_request_ceiling and too_large(limit, meters, window.amount):
        reason = f"request too large: {_name(window)} allows {window.amount:,} in all"
        return Verdict("quota", "no_model_passes_gates", reason, relax=window.amount)
    wanted = need(limit, meters)
    until = fits_behind(window, min(window.amount, wanted), ahead, now)
    if until is None:
        return None
    used = min(window.counter.used(now), float(window.amount))
    said = f"{_name(window)}: {used:,.0f} of {window.amount:,} used, {window.held:,} held"
    if ahead:
        said = f"{said}, {ahead:,} wanted by requests that wait already"
    if not isfinite(until):
        return Verdict("quota", "quota_exhausted", f"{said}; nothing comes back")
    return Verdict("quota", "quota_exhausted", f"{said}; free again {iso(until)}", until)


def reserve(window: Window, amount: int, now: float) -> Reservation:
    """Holds ``amount``; whether it fits was asked before, in the same breath."""
    window.order += 1
    window.held += amount
    window.touched = now
    count = window.counter.used(now) + window.held
    return Reservation(window.key, amount, now, window.order, window.charged, count)


def mark(window: Window, now: float) -> Reservation:
    """A moment to measure what a provider says against: nothing is held."""
    count = window.counter.used(now) + window.held
    return Reservation(window.key, 0, now, window.order, window.charged, count)


def settle(window: Window, held: Reservation, used: int, now: float) -> None:
    """The hold becomes what was really used, which may be more than was held."""
    window.held = max(0, window.held - held.amount)
    window.charged += used
    window.touched = max(window.touched, now)
    window.flow.add(used, now)
    window.counter.add(used, now, min(held.at, now))


def release(window: Window, held: Reservation, now: float, *, sent: bool) -> None:
    """Nothing was consumed; but a refused call counts where the provider counts what is sent."""
    counted = sent and window.limit.charged_on == "sent" and window.limit.metric == "requests"
    if counted:
        settle(window, held, 1, now)
        return
    window.held = max(0, window.held - held.amount)
    window.touched = max(window.touched, now)
    if sent:
        window.unsure = (_unsure(window, now) + 1, now)


def observe(
    window: Window, used: int, now: float, request: Reservation | None, *, counted: bool
) -> None:
    """The provider says how much was used when it admitted ``request`` (None: unknown which),
    which is settled or released here already; ``counted``: and its call is in the count.

    It may always raise the count. It lowers it only if no request was sent since
    that one, and then what was settled since is added; a sliding count only where
    it is far off, because all of it must be taken as new then.
    """
    single = 1 if window.limit.metric == "requests" and counted and request is not None else 0
    if request is not None:
        notice(window, used, now, request)
    window.counter.told(used, single, now, None if request is None else request.at)
    if request is None or window.order != request.order:
        return
    have = window.counter.used(now)
    lower = max(0.0, used - single + (window.charged - request.charged))
    if lower < (have / 2 if window.kind == "rolling" else have):
        window.counter.put(lower, now)


def notice(window: Window, used: int, now: float, request: Reservation) -> None:
    """Requests that the provider counts and that we cannot have sent: the key is used elsewhere.

    Only whole requests tell: token counts differ by how each side counts them. Ours are
    those before ``request``, those sent since, and refused ones that may count; one
    more for rounding. What was used before the provider was first heard is nobody's guess.
    """
    first, window.heard = not window.heard, True
    if first or window.limit.metric != "requests":
        return
    ours = request.count + (window.order - request.order) + _unsure(window, now)
    excess = used - ours
    if excess >= _NOTICED:
        before = 0.0 if window.elsewhere is None else window.elsewhere[0]
        window.elsewhere = (before + excess, now)


def _unsure(window: Window, now: float) -> int:
    """Refused calls of the present window."""
    count, since = window.unsure
    length = window_seconds(window.limit.window) if window.kind != "concurrency" else 0.0
    return count if now - since <= length else 0


def refused_early(window: Window, now: float) -> bool:
    """A long window was refused long before it was full: it is drained elsewhere, or smaller
    than anybody says. Only after a whole period of our own counting."""
    if window.limit.metric != "requests" or window.kind in ("concurrency", "once"):
        return False
    span = window_seconds(window.limit.window)
    begun = reset_at(window, now) - span if window.kind == "calendar" else now - span
    if not window.heard and window.opened > begun:
        return False
    count = window.counter.used(now) + window.held + _unsure(window, now)
    if span < 3600 or count >= window.amount * _EARLY:
        return False
    before = 0.0 if window.elsewhere is None else window.elsewhere[0]
    window.elsewhere = (before + window.amount - count, now)
    return True


def learn_amount(window: Window, amount: int, now: float, *, pinned: bool) -> bool:
    """The provider says what its limit is. A limit the owner set is only ever lowered."""
    wanted = min(amount, window.limit.amount) if pinned else amount
    if wanted == window.amount or wanted < 0:
        return False
    window.amount = wanted
    if isinstance(window.counter, windows.Refill):
        window.counter.resize(wanted, window_seconds(window.limit.window), now)
    return True


def exhaust(window: Window, until: float | None, now: float) -> float | None:
    """A refusal said that it is spent. Returns until when, or None where it never comes back.

    Without a time of its own, the window's reset is taken (for a bucket that
    refills: the moment at which a hundredth of it is back); never longer than
    the window is, whatever the refusal says.
    """
    if window.kind == "refill" and until is None:
        window.counter.put(max(window.counter.used(now), float(window.amount)), now)
        until = window.counter.below(window.amount * 0.99, now)
    end = reset_at(window, now)
    if until is None or until > end or window.kind == "once":
        until = end
    if until >= end and window.kind in ("once", "calendar"):
        window.counter.put(max(window.counter.used(now), float(window.amount)), now)
    if not isfinite(until):
        return None
    window.blocked = (now, until) if until > now else None
    return until


def reset(window: Window, now: float) -> None:
    """The owner says that it is fresh. Open holds stay."""
    window.counter.put(0.0, now)
    window.blocked = window.elsewhere = None


def full_at(window: Window, now: float) -> float | None:
    """When the whole amount is there again (``resetsAt``); None: it is, or never will be."""
    free = window.counter.below(0, now)
    blocked = blocked_until(window, now)
    if free <= now:
        return blocked
    free = free if blocked is None else max(free, blocked)
    return free if isfinite(free) else None


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
    if window.elsewhere is not None:
        state["elsewhere"] = list(window.elsewhere)
    return state


def restore(window: Window, state: Mapping[str, Any], now: float) -> None:
    """Takes a dumped state over; what was in flight then counts as used.

    A state of another kind (the limit was described differently then) is not
    believed to be empty: the window starts full. Raises ValueError, KeyError or
    TypeError for data that is no dumped state.
    """
    if state["kind"] != window.kind:
        window.counter.put(float(window.amount), now)
        return
    window.counter.load(state["counter"])
    window.heard = bool(state.get("heard", False))
    window.opened = float(state.get("opened", window.opened))
    window.touched = now
    if "elsewhere" in state:
        amount, at = state["elsewhere"]
        window.elsewhere = (float(amount), float(at))
    held = int(state.get("held", 0))
    if held:
        window.counter.add(held, now, 0.0)
    if "amount" in state:
        learn_amount(window, int(state["amount"]), now, pinned=False)
    if "blocked" in state:
        said, until = state["blocked"]
        window.blocked = (float(said), float(until))


def matching(candidates: Iterable[Window], metric: str | None, span: str | None) -> list[Window]:
    """Windows that a header or a refusal speaks of: same metric, same length."""
    return [
        window
        for window in candidates
        if (metric is None or window.limit.metric == metric)
        and (span is None or _same_length(window.limit.window, span))
    ]


def _same_length(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return window_seconds(one) == window_seconds(other) and "month" not in (one, other)
    except ValueError:
        return False


def reset_at(window: Window, now: float) -> float:
    """The latest moment at which a spent window begins to give back."""
    if window.kind == "concurrency":
        return now + RECHECK
    if window.kind == "calendar":
        assert isinstance(window.counter, windows.Calendared)
        return window.counter.end(now)
    return now + window_seconds(window.limit.window)


def blocked_until(window: Window, now: float) -> float | None:
    """A refusal's pause, moved along when the clock was set back."""
    if window.blocked is None:
        return None
    said, until = window.blocked
    if now < said:
        until = now + (until - said)
        window.blocked = (now, until)
    if until <= now:
        window.blocked = None
        return None
    return until


def _name(window: Window) -> str:
    limit = window.limit
    owner = window.key.split("|", 1)[0]
    if limit.metric == "concurrency":
        return f"running calls of {owner}"
    return f"{limit.metric} per {limit.window} of {owner}"
