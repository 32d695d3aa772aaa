"""One step of the machine while it is being worked out: who leaves, what a failure costs, what is
due, and whether another generation is started. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from freeloader.child.machine.states import (
    Effect,
    Generation,
    GiveUp,
    Kill,
    Machine,
    Rules,
    Spawn,
    Terminate,
)

MOST_GENERATIONS = 2


class Scene:
    """One step while it is being worked out."""

    def __init__(self, m: Machine, now: float, rules: Rules, jitter: float) -> None:
        self.m = m
        self.now = now
        self.rules = rules
        self.jitter = jitter
        self.effects: list[Effect] = []

    def coming(self, generation: int, *phases: str) -> Generation | None:
        """The coming generation, if it is this one and in one of these phases."""
        found = self.m.coming
        hit = found is not None and found.id == generation and found.phase in phases
        return found if hit else None

    def leave(self, gen: Generation, effect: Callable[[int], Effect], phase: str) -> None:
        """Move a generation out of service, into ``phase``."""
        wait = {"draining": self.rules.drain, "ending": self.rules.end, "killed": self.rules.kill}
        gone = replace(gen, phase=phase, since=self.now, deadline=self.now + wait[phase])
        others = tuple(other for other in self.m.leaving if other.id != gen.id)
        self.m = replace(
            self.m,
            serving=None
            if self.m.serving is not None and self.m.serving.id == gen.id
            else self.m.serving,
            coming=None
            if self.m.coming is not None and self.m.coming.id == gen.id
            else self.m.coming,
            leaving=(*others, gone),
        )
        self.effects.append(effect(gen.id))

    def failed(self, gen: Generation, reason: str, permanent: bool = False) -> None:
        """Count a failure of ``gen`` (already out of its place) and decide what follows."""
        lived = self.now - gen.since if gen.phase == "ready" else 0.0
        level = max(0, self.m.level - int(lived // self.rules.heal))
        delay = min(self.rules.backoff_cap, self.rules.backoff_first * 2.0 ** min(level, 30))
        recent = tuple(at for at in self.m.crashes if self.now - at < self.rules.crash_window)
        steady = lived >= self.rules.stable
        crashes = () if steady else (*recent, self.now)
        self.m = replace(
            self.m,
            level=level if steady else level + 1,
            failures=self.m.failures + 1,
            crashes=crashes[-self.rules.crash_limit :],
            retry_at=max(self.now + delay * (1.0 + self.jitter), self.earliest()),
            loops=0 if steady else self.m.loops,
            problem=reason,
        )
        if permanent or len(crashes) >= self.rules.crash_limit:
            self.give_up(gen, reason, permanent)

    def earliest(self) -> float:
        """When the next start is allowed, by the number of the latest ones."""
        starts, rules = self.m.starts, self.rules
        full = len(starts) >= rules.start_limit
        return starts[-rules.start_limit] + rules.start_window if full else self.now

    def give_up(self, gen: Generation, reason: str, permanent: bool) -> None:
        """Fatal; or, while another generation serves, only this config is given up.

        What waiting may mend is tried once more after a long pause, and then again.
        """
        if not permanent:
            reason = f"{self.rules.crash_limit} failures in a row, the last: {reason}"
        if self.m.serving is not None:
            self.m = replace(
                self.m, rejected=gen.config, problem=reason, retry_at=None, recycling=False
            )
        else:
            if self.m.coming is not None:
                self.leave(self.m.coming, Kill, "killed")
            pause = self.rules.loop_first * 2.0 ** min(self.m.loops, 20)
            pause = min(self.rules.loop_cap, pause) * (1.0 + self.jitter)
            again = None if permanent else max(self.now + pause, self.earliest())
            loops = self.m.loops + 1
            self.m = replace(self.m, fatal=reason, problem=reason, retry_at=again, loops=loops)
        self.effects.append(GiveUp(reason, fatal=self.m.fatal is not None))

    def keep_deadlines(self) -> None:
        """Act on every deadline that has passed."""
        coming = self.m.coming
        if coming is not None and _past(coming.deadline, self.now):
            self.leave(coming, Kill, "killed")
            self.failed(
                coming, f"no sign of life after {self.now - coming.since:.0f} s {coming.phase}"
            )
        for gen in self.m.leaving:
            if not _past(gen.deadline, self.now):
                continue
            if gen.phase == "draining":
                self.leave(gen, Terminate, "ending")
            elif gen.phase == "ending" or self.m.running:
                self.leave(gen, Kill, "killed")
            else:  # killed, told again in vain, and we are stopping: the kernel keeps it
                self.m = replace(self.m, leaving=tuple(g for g in self.m.leaving if g.id != gen.id))

    def spawn_if_due(self) -> None:
        """Start a generation if one is needed, allowed and there is room for it."""
        if self.m.fatal is not None and _past(self.m.retry_at, self.now):
            # One more chance; a failure is one too many again.
            spare = self.m.crashes[1:]
            self.m = replace(self.m, fatal=None, retry_at=None, crashes=(*spare,))
        m = self.m = replace(  # a moment that has come is no longer due
            self.m,
            gather_until=_ahead(self.m.gather_until, self.now),
            retry_at=_ahead(self.m.retry_at, self.now),
        )
        if not m.running or m.fatal is not None or m.wanted is None or m.coming is not None:
            return
        if not self._needed():
            self.m = replace(m, gather_until=None, retry_at=None)
            return
        waiting = m.gather_until is not None or m.retry_at is not None
        if waiting or len(m.generations) >= MOST_GENERATIONS:
            return
        config = m.good if m.wanted == m.rejected and m.good is not None else m.wanted
        gen = Generation(m.next_id, config, "starting", self.now, self.now + self.rules.start)
        starts = (*m.starts, self.now)[-self.rules.start_limit :]
        self.m = replace(m, coming=gen, next_id=m.next_id + 1, starts=starts)
        self.effects.append(Spawn(gen.id, config))

    def _needed(self) -> bool:
        """True if the serving generation is missing, outdated or to be recycled."""
        serving, m = self.m.serving, self.m
        if serving is None or m.recycling:
            return True
        return serving.config != m.wanted and m.wanted != m.rejected


def _ahead(at: float | None, now: float) -> float | None:
    return None if _past(at, now) else at


def _past(at: float | None, now: float) -> bool:
    return at is not None and at <= now
