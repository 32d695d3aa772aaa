"""The child's vocabulary: rules, generations, events and effects as frozen dataclasses.

A *generation* is one set of worker processes started from one config. Times are
monotonic seconds. Nothing here decides; ``machine.step`` does.
"""

from __future__ import annotations

from dataclasses import dataclass

# ── what is known ────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Rules:
    """All durations in seconds.

    ``heal`` of health take one step off the restart delay; ``crash_limit``
    failures within ``crash_window``, none of them after ``stable`` seconds of
    health, are a crash loop.
    """

    start: float = 90.0
    warm: float = 60.0
    drain: float = 300.0
    end: float = 8.0
    kill: float = 5.0
    gather: float = 0.5
    backoff_first: float = 0.25
    backoff_cap: float = 30.0
    heal: float = 60.0
    stable: float = 2.0
    crash_limit: int = 5
    crash_window: float = 120.0
    loop_first: float = 60.0
    loop_cap: float = 900.0
    start_limit: int = 5
    start_window: float = 60.0
    misses: int = 2
    recycle_after: float = 60.0
    permanent_codes: frozenset[int] = frozenset({78})


@dataclass(frozen=True, slots=True)
class Generation:
    """``phase``: starting, warming, ready, draining, ending (asked to), killed (told to)."""

    id: int
    config: str
    phase: str
    since: float
    deadline: float | None = None
    misses: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """The whole state. ``wanted`` is the digest of the config that should be running.

    ``level`` is the step of the restart delay; ``crashes`` when recent,
    unstable generations failed; ``rejected`` a config that cannot start and is
    not tried again while there is a ``good`` one, the last that served;
    ``failures`` counts everything that went wrong since the first start; ``starts``
    are the latest starts, ``loops`` how often in a row it was left alone.
    """

    running: bool = False
    wanted: str | None = None
    serving: Generation | None = None
    coming: Generation | None = None
    leaving: tuple[Generation, ...] = ()
    gather_until: float | None = None
    retry_at: float | None = None
    level: int = 0
    crashes: tuple[float, ...] = ()
    starts: tuple[float, ...] = ()
    loops: int = 0
    recycling: bool = False
    fatal: str | None = None
    rejected: str | None = None
    good: str | None = None
    failures: int = 0
    problem: str | None = None
    next_id: int = 1

    @property
    def state(self) -> str:
        """``stopped, starting, warming, ready, draining, backoff`` or ``fatal``."""
        if self.fatal is not None:
            return "fatal"
        if self.serving is not None:
            return "ready"
        if self.coming is not None:
            return self.coming.phase
        if not self.running:
            return "draining" if self.leaving else "stopped"
        return "starting" if self.retry_at is None else "backoff"

    @property
    def generations(self) -> tuple[Generation, ...]:
        """All that have processes, the serving one first."""
        front = tuple(gen for gen in (self.serving, self.coming) if gen is not None)
        return front + self.leaving

    def due(self) -> float | None:
        """When the next ``Tick`` is needed, if ever."""
        moments = [gen.deadline for gen in self.generations]
        moments += [self.gather_until, self.retry_at] if self.running else []
        return min((at for at in moments if at is not None), default=None)


# ── what happens ─────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Start:
    """Run this config; also the way out of fatal."""

    config: str


@dataclass(frozen=True, slots=True)
class Configure:
    """The config has changed."""

    config: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End everything."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Recycle:
    """The serving generation should be replaced by a fresh one (its memory, say)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """The generation's processes exist."""

    generation: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """They could not be started."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Alive:
    """All of its workers answer the liveliness probe."""

    generation: int


@dataclass(frozen=True, slots=True)
class ProbeFailed:
    """A worker of the serving generation did not answer in time."""

    generation: int


@dataclass(frozen=True, slots=True)
class Warmed:
    """The warm-up calls are through."""

    generation: int


@dataclass(frozen=True, slots=True)
class WarmFailed:
    """A warm-up call got no answer."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing is in flight any more in a draining generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker process ended; ``left`` of its generation still run. ``code`` < 0: a signal."""

    generation: int
    code: int
    reason: str = ""
    left: int = 0


Event = (
    Start | Configure | Stop | Tick | Recycle | Spawned | SpawnFailed | Alive
    | ProbeFailed | Warmed | WarmFailed | Drained | Exited
)  # fmt: skip

# ── what is to be done ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the processes of a new generation."""

    generation: int
    config: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask for life until it answers."""

    generation: int


@dataclass(frozen=True, slots=True)
class Warm:
    """Make the warm-up calls."""

    generation: int


@dataclass(frozen=True, slots=True)
class SwitchTo:
    """From now on this generation serves."""

    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    """No new requests; say when the last one is through."""

    generation: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM."""

    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL."""

    generation: int


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Send a Tick then (monotonic seconds)."""

    at: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempts; ``fatal`` False where an older config still serves."""

    reason: str
    fatal: bool


Effect = Spawn | Probe | Warm | SwitchTo | Drain | Terminate | Kill | WaitUntil | GiveUp
