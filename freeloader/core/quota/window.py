"""One bucket at a provider: what it is, whose it is, how much of it a call claims.

Nothing changes here; what becomes of a window is the modules' beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from freeloader.core.model import Deployment, Limit
from freeloader.core.periods import window_seconds
from freeloader.core.quota import counters
from freeloader.core.quota.calendared import Calendared
from freeloader.core.quota.forecast import Flow
from freeloader.money import Meters, dollars, public

#: Where only running calls stand in the way: when to look again, in seconds.
RECHECK = 1.0
#: Refilling buckets are floats: a millionth of a token is not a refusal.
EPSILON = 1e-6
#: What the key of a free allowance ends in: a limit may count the same beside it.
_GIVEN = "|allowance"


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
    ``elsewhere`` (amount, at) what it counted that we did not send, ``told`` when it last said
    what is used other than in the answer to a call of ours, ``moved`` where the calls are
    counted instead (another key, or ``.`` for wherever they are; empty: here), ``refused_at``
    when a refusal said that the limit is lower than published.
    """

    key: str
    limit: Limit
    kind: str
    amount: int
    counter: counters.Counter
    held: int = 0
    order: int = 0
    charged: float = 0.0
    blocked: tuple[float, float] | None = None
    opened: float = 0.0
    touched: float = 0.0
    heard: bool = False
    unsure: tuple[int, float] = (0, 0.0)
    elsewhere: tuple[float, float] | None = None
    told: float = -inf
    moved: str = ""
    refused_at: float | None = None
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
    key = "|".join(parts)
    return key + _GIVEN if limit.allowance else key


def belongs(key: str, provider: str | None, idx: int | None) -> bool:
    """Whether a bucket, by its key or owner, is an account's, a provider's (None: anybody's)."""
    if provider is None:
        return True
    owner = key.partition("|")[0]
    if owner.startswith("ip:"):
        return owner.removeprefix("ip:").partition("/")[0] == provider
    account = owner.partition("/")[0]
    return account == f"{provider}@{idx}" or (
        idx is None and account.rpartition("@")[0] == provider
    )


def twin_of(key: str) -> str:
    """The other of two buckets that count the same calls: a limit, and what of it is free."""
    return key.removesuffix(_GIVEN) if key.endswith(_GIVEN) else key + _GIVEN


def window_for(limit: Limit, key: str, now: float) -> Window:
    """A fresh window. Raises ValueError for a window or time zone that does not exist."""
    kind = counters.kind_of(limit.metric, limit.window, limit.reset)
    counter = counters.counter(
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
    if not limit.per_request_ceiling or limit.metric == "concurrency":
        return False
    floor = Meters(
        input=meters.input, cache_read=meters.cache_read, cache_write=meters.cache_write
    ).amount(limit.metric, limit.excludes)
    return floor > (limit.amount if amount is None else amount)


def never_fits(window: Window, asked: Meters) -> bool:
    """True where a per-request ceiling is below what a client asks for: its input as it
    likely is, and the output bound that it gave itself. Some providers count that bound at
    the door, so sending it would only provoke the refusal."""
    return window.limit.per_request_ceiling and need(window.limit, asked) > window.amount > 0


def claim(window: Window, meters: Meters) -> int:
    """What a hold takes: what is needed, at most the whole window."""
    return min(need(window.limit, meters), window.amount)


def matching(candidates: Iterable[Window], metric: str | None, span: str | None) -> list[Window]:
    """Windows that a header or a refusal speaks of: same metric, same length."""
    return [
        window
        for window in candidates
        if (metric is None or window.limit.metric == metric)
        and (span is None or same_length(window.limit.window, span))
    ]


def same_length(one: str, other: str) -> bool:
    """Whether two windows are as long as each other; a month only as another month."""
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
        assert isinstance(window.counter, Calendared)
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
    return until if until > now else None


def unsure(window: Window, now: float) -> int:
    """Refused calls of the present window."""
    count, since = window.unsure
    length = window_seconds(window.limit.window) if window.kind != "concurrency" else 0.0
    return count if now - since <= length else 0


def name_of(window: Window) -> str:
    limit = window.limit
    owner = window.key.split("|", 1)[0]
    if limit.metric == "concurrency":
        return f"running calls of {owner}"
    return f"{public(limit.metric)} per {limit.window} of {owner}"


def said(limit: Limit, amount: float) -> str:
    """An amount of a limit, for people."""
    return dollars(round(amount)) if limit.metric == "usd" else f"{amount:,.0f}"
