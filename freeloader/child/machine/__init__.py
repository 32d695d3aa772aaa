"""The child's life as a pure function: ``step(machine, event, now) -> (machine, effects)``.

No process, socket, clock or chance in here; ``now`` is monotonic seconds and
given. Every event is defined in every state; one about a generation that is
gone changes nothing. Laws (kept by Hypothesis): never more than two
generations, after ``Stop`` a bounded number of steps to ``stopped``, a restart
delay that grows to its cap and shrinks with health.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from freeloader.child.machine.scene import MOST_GENERATIONS, Scene
from freeloader.child.machine.states import (
    Alive,
    Configure,
    Drain,
    Drained,
    Effect,
    Event,
    Exited,
    Generation,
    Kill,
    Machine,
    Probe,
    ProbeFailed,
    Recycle,
    Rules,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    SwitchTo,
    Terminate,
    Tick,
    WaitUntil,
    Warm,
    Warmed,
    WarmFailed,
)

Step = tuple[Machine, tuple[Effect, ...]]


def step(m: Machine, event: Event, now: float, rules: Rules, jitter: float = 0.0) -> Step:
    """What becomes of ``m``, and what is to be done. ``jitter`` (0–1) lengthens a restart delay."""
    scene = Scene(m, now, rules, jitter)
    _HANDLERS[type(event)](scene, event)
    scene.keep_deadlines()
    scene.spawn_if_due()
    due = scene.m.due()
    if due is not None:
        scene.effects.append(WaitUntil(due))
    return scene.m, tuple(scene.effects)


# ── one handler per event ────────────────────────────────────────────────────


def _start(s: Scene, event: Start) -> None:
    s.m = replace(s.m, running=True, wanted=event.config, gather_until=None, **_FRESH)


def _configure(s: Scene, event: Configure) -> None:
    if not s.m.running or event.config == s.m.wanted:
        return
    until = s.m.gather_until if s.m.gather_until is not None else s.now + s.rules.gather
    # A new config is a new chance: what failed before says nothing of it.
    s.m = replace(s.m, wanted=event.config, gather_until=until, **_FRESH)


_FRESH: dict[str, Any] = {
    "fatal": None, "rejected": None, "problem": None, "retry_at": None, "level": 0, "crashes": (),
    "loops": 0,
}  # fmt: skip


def _stop(s: Scene, _: Stop) -> None:
    for gen in s.m.generations:
        if gen.phase not in ("ending", "killed"):
            s.leave(gen, Terminate, "ending")
    s.m = replace(s.m, running=False, wanted=None, gather_until=None, recycling=False, **_FRESH)


def _tick(s: Scene, _: Tick) -> None:
    """Deadlines are looked at after every event."""


def _recycle(s: Scene, event: Recycle) -> None:
    serving = s.m.serving
    if serving is not None and s.now - serving.since >= s.rules.recycle_after:
        s.m = replace(s.m, recycling=True)


def _spawned(s: Scene, event: Spawned) -> None:
    if s.coming(event.generation, "starting"):
        s.effects.append(Probe(event.generation))


def _spawn_failed(s: Scene, event: SpawnFailed) -> None:
    gen = s.coming(event.generation, "starting")
    if gen:
        s.m = replace(s.m, coming=None)
        s.failed(gen, event.reason)


def _alive(s: Scene, event: Alive) -> None:
    gen = s.coming(event.generation, "starting")
    if gen:
        warming = replace(gen, phase="warming", since=s.now, deadline=s.now + s.rules.warm)
        s.m = replace(s.m, coming=warming)
        s.effects.append(Warm(gen.id))
    elif s.m.serving is not None and s.m.serving.id == event.generation:
        s.m = replace(s.m, serving=replace(s.m.serving, misses=0))


def _probe_failed(s: Scene, event: ProbeFailed) -> None:
    gen = s.m.serving
    if gen is None or gen.id != event.generation:
        return
    missed = replace(gen, misses=gen.misses + 1)
    s.m = replace(s.m, serving=missed)
    if missed.misses >= s.rules.misses:
        s.leave(missed, Kill, "killed")
        s.failed(missed, "it hung: no answer to the liveliness probe")


def _warmed(s: Scene, event: Warmed) -> None:
    gen = s.coming(event.generation, "warming")
    if not gen:
        return
    old = s.m.serving
    ready = replace(gen, phase="ready", since=s.now, deadline=None)
    s.m = replace(s.m, serving=ready, coming=None, recycling=False, retry_at=None, good=gen.config)
    if s.m.rejected is None:
        s.m = replace(s.m, problem=None)
    s.effects.append(SwitchTo(gen.id))
    if old is not None:
        s.leave(old, Drain, "draining")


def _warm_failed(s: Scene, event: WarmFailed) -> None:
    gen = s.coming(event.generation, "warming")
    if gen:
        s.leave(gen, Kill, "killed")
        s.failed(gen, event.reason)


def _drained(s: Scene, event: Drained) -> None:
    for gen in s.m.leaving:
        if gen.id == event.generation and gen.phase == "draining":
            s.leave(gen, Terminate, "ending")


def _exited(s: Scene, event: Exited) -> None:
    gen = next((g for g in s.m.generations if g.id == event.generation), None)
    if gen is None:
        return
    serving = s.m.serving is not None and s.m.serving.id == gen.id
    coming = s.m.coming is not None and s.m.coming.id == gen.id
    if event.left > 0:
        _lost_one(s, gen, event, serving, coming)
        return
    s.m = replace(
        s.m,
        serving=None if serving else s.m.serving,
        coming=None if coming else s.m.coming,
        leaving=tuple(g for g in s.m.leaving if g.id != gen.id),
    )
    if serving or coming:
        s.failed(gen, _why(event), permanent=coming and event.code in s.rules.permanent_codes)


def _lost_one(s: Scene, gen: Generation, event: Exited, serving: bool, coming: bool) -> None:
    """One of several workers is gone: the rest serve on while a whole generation comes."""
    if coming:
        s.leave(gen, Kill, "killed")
        s.failed(gen, _why(event), permanent=event.code in s.rules.permanent_codes)
    elif serving and not s.m.recycling:
        s.failed(gen, _why(event))
        s.m = replace(s.m, recycling=s.m.rejected != gen.config)


def _why(event: Exited) -> str:
    if event.reason:
        return event.reason
    return f"killed by signal {-event.code}" if event.code < 0 else f"exit code {event.code}"


_HANDLERS: dict[type, Callable[[Scene, Any], None]] = {
    Start: _start,
    Configure: _configure,
    Stop: _stop,
    Tick: _tick,
    Recycle: _recycle,
    Spawned: _spawned,
    SpawnFailed: _spawn_failed,
    Alive: _alive,
    ProbeFailed: _probe_failed,
    Warmed: _warmed,
    WarmFailed: _warm_failed,
    Drained: _drained,
    Exited: _exited,
}

__all__ = ["MOST_GENERATIONS", "step"]
