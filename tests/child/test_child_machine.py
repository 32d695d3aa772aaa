"""The laws of the child's machine: any sequence of events, from any state it can reach."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.child.machine import MOST_GENERATIONS, step
from freeloader.child.machine.states import (
    Alive,
    Configure,
    Drain,
    Drained,
    Event,
    Exited,
    GiveUp,
    Kill,
    Machine,
    ProbeFailed,
    Recycle,
    Rules,
    Spawn,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    SwitchTo,
    Terminate,
    Tick,
    Warmed,
    WarmFailed,
)

RULES = Rules()
ids = st.integers(1, 6)
configs = st.sampled_from(["a", "b", "c"])
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Start, configs),
    st.builds(Configure, configs),
    st.just(Stop()),
    st.just(Tick()),
    st.builds(Recycle, st.just("rss")),
    st.builds(Spawned, ids),
    st.builds(SpawnFailed, ids, st.just("no")),
    st.builds(Alive, ids),
    st.builds(ProbeFailed, ids),
    st.builds(Warmed, ids),
    st.builds(WarmFailed, ids, st.just("no")),
    st.builds(Drained, ids),
    st.builds(Exited, ids, st.sampled_from([0, 1, 78, -9]), st.just(""), st.integers(0, 1)),
)
histories = st.lists(st.tuples(events, st.floats(0, 400)), max_size=60)


def play(history: list[tuple[Event, float]]) -> tuple[Machine, float]:
    m, now = Machine(), 0.0
    for event, passed in history:
        now += passed
        m, _ = step(m, event, now, RULES)
    return m, now


def ready(config: str = "a", now: float = 0.0) -> Machine:
    m, _ = step(Machine(), Start(config), now, RULES)
    return walk_up(m, now)


def walk_up(m: Machine, now: float) -> Machine:
    assert m.coming is not None
    gen = m.coming.id
    for event in (Spawned(gen), Alive(gen), Warmed(gen)):
        m, _ = step(m, event, now, RULES)
    return m


@given(histories, events)
@settings(max_examples=400)
def test_every_state_takes_every_event_and_never_has_three_generations(
    history: list[tuple[Event, float]], last: Event
) -> None:
    m, now = Machine(), 0.0
    spawned = 0
    for event, passed in [*history, (last, 0.0)]:
        now += passed
        m, effects = step(m, event, now, RULES)
        assert len(m.generations) <= MOST_GENERATIONS
        assert len({gen.id for gen in m.generations}) == len(m.generations)
        assert m.state in {
            "stopped", "starting", "warming", "ready", "draining", "backoff", "fatal",
        }  # fmt: skip
        for effect in effects:
            if isinstance(effect, Spawn):
                assert effect.generation > spawned
                spawned = effect.generation
        assert not (m.fatal and (m.coming or m.serving))
        assert (m.serving is None) or m.serving.phase == "ready"


@given(histories)
@settings(max_examples=300)
def test_after_stop_it_is_stopped_in_a_bounded_number_of_ticks_even_if_nothing_dies(
    history: list[tuple[Event, float]],
) -> None:
    m, now = play(history)
    m, effects = step(m, Stop(), now, RULES)
    assert not any(isinstance(effect, Spawn) for effect in effects)
    steps = 0
    while m.state != "stopped":
        due = m.due()
        assert due is not None, "it would wait for ever"
        now = max(now, due)
        m, effects = step(m, Tick(), now, RULES)
        assert not any(isinstance(effect, Spawn) for effect in effects)
        steps += 1
        assert steps <= 2 * MOST_GENERATIONS
    assert m.generations == ()


@given(histories)
@settings(max_examples=300)
def test_ticking_alone_always_makes_progress(history: list[tuple[Event, float]]) -> None:
    """A due moment that has come is gone after its tick: the keeper never spins."""
    m, now = play(history)
    for _ in range(12):
        due = m.due()
        if due is None:
            break
        now = max(now, due)
        m, _ = step(m, Tick(), now, RULES)
        after = m.due()
        assert after is None or after > now


@given(histories)
@settings(max_examples=200)
def test_a_running_machine_that_is_left_alone_with_healthy_children_serves_what_is_wanted(
    history: list[tuple[Event, float]],
) -> None:
    m, now = play(history)
    m, _ = step(m, Start("z"), now, RULES)
    for _ in range(12):
        if m.serving is not None and m.serving.config == "z" and not m.coming:
            break
        if m.coming is not None:
            m = (
                walk_up(m, now)
                if m.coming.phase == "starting"
                else step(m, Warmed(m.coming.id), now, RULES)[0]
            )
        elif m.leaving:
            m, _ = step(m, Exited(m.leaving[0].id, -15), now, RULES)
        else:
            due = m.due()
            assert due is not None
            now = max(now, due)
            m, _ = step(m, Tick(), now, RULES)
    assert m.state == "ready"
    assert m.serving is not None
    assert m.serving.config == "z"


def test_start_goes_through_its_states_to_ready() -> None:
    m, effects = step(Machine(), Start("a"), 0.0, RULES)
    assert Spawn(1, "a") in effects
    assert m.state == "starting"
    m, _ = step(m, Spawned(1), 1.0, RULES)
    m, _ = step(m, Alive(1), 2.0, RULES)
    assert m.state == "warming"
    m, effects = step(m, Warmed(1), 3.0, RULES)
    assert m.state == "ready"
    assert SwitchTo(1) in effects


def test_the_restart_delay_doubles_to_its_cap_and_decays_with_health() -> None:
    rules = replace(RULES, crash_limit=1000, start_limit=1000)
    m, now, delays = Machine(), 0.0, []
    m, _ = step(m, Start("a"), now, rules)
    for _ in range(10):
        assert m.coming is not None
        m, _ = step(m, Exited(m.coming.id, 1), now, rules)
        assert m.state == "backoff"
        assert m.retry_at is not None
        delays.append(m.retry_at - now)
        now = m.retry_at
        m, _ = step(m, Tick(), now, rules)
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
    assert delays[-1] == rules.backoff_cap
    assert delays == sorted(delays)

    m = walk_up(m, now)
    level = m.level
    assert m.serving is not None
    m, _ = step(m, Exited(m.serving.id, -9), now + 3 * rules.heal, rules)
    assert m.level == level - 3, "one that served does not lengthen the delay"


def test_s2_a_crash_loop_is_left_alone_says_why_and_has_another_chance() -> None:
    m, now = Machine(), 0.0
    m, _ = step(m, Start("a"), now, RULES)
    starts = 1
    for _ in range(RULES.crash_limit):
        assert m.coming is not None
        m, effects = step(m, Exited(m.coming.id, 1, "exit code 1"), now, RULES)
        if m.fatal:
            break
        now = m.retry_at or now
        m, _ = step(m, Tick(), now, RULES)
        starts += 1
    assert m.state == "fatal"
    assert starts == RULES.crash_limit
    assert "exit code 1" in (m.fatal or "")
    assert any(isinstance(effect, GiveUp) and effect.fatal for effect in effects)
    pauses = []
    for _ in range(8):
        began = now
        assert m.retry_at is not None
        m, effects = step(m, Tick(), (now + m.retry_at) / 2, RULES)
        assert m.state == "fatal", "not before its time"
        now = m.retry_at or now
        pauses.append(now - began)
        m, effects = step(m, Tick(), now, RULES)
        assert any(isinstance(effect, Spawn) for effect in effects)
        assert m.coming is not None
        m, _ = step(m, Exited(m.coming.id, 1), now, RULES)
        assert m.state in ("fatal", "backoff")
        if m.state == "backoff":  # the crashes are long ago
            break
    assert pauses == sorted(pauses)
    m, effects = step(m, Configure("b"), now + 1e6, RULES)
    m, effects = step(m, Tick(), now + 1e6 + RULES.gather, RULES)
    assert any(isinstance(effect, Spawn) for effect in effects)


def test_s2_what_waiting_cannot_mend_is_not_tried_again() -> None:
    m, _ = step(Machine(), Start("a"), 0.0, RULES)
    m, _ = step(m, Exited(1, 78, "no such file"), 1.0, RULES)
    assert m.state == "fatal"
    assert m.retry_at is None
    m, effects = step(m, Tick(), 1e6, RULES)
    assert (m.state, effects) == ("fatal", ())


@given(st.lists(st.floats(0.0, 20.0), min_size=1, max_size=60), st.floats(0, 1))
def test_s2_there_are_never_more_than_five_starts_in_a_minute(
    lives: list[float], jitter: float
) -> None:
    """However long each child lives, and whether it comes to serve or not."""
    now, starts = 0.0, [0.0]
    m, _ = step(Machine(), Start("a"), now, RULES, jitter)
    for life in lives:
        if life > 1.0 and m.coming is not None:
            m = walk_up(m, now)
        gen = m.serving or m.coming
        assert gen is not None
        now += life
        m, _ = step(m, Exited(gen.id, -9), now, RULES, jitter)
        while m.coming is None and m.serving is None:
            assert m.retry_at is not None
            now = max(now, m.retry_at)
            m, effects = step(m, Tick(), now, RULES, jitter)
            starts += [now for effect in effects if isinstance(effect, Spawn)]
    for number, at in enumerate(starts):
        recent = [one for one in starts[: number + 1] if one > at - RULES.start_window + 1e-6]
        assert len(recent) <= RULES.start_limit


def test_crashes_after_long_health_are_not_a_loop() -> None:
    m, now = ready(), 0.0
    for _ in range(3 * RULES.crash_limit):
        assert m.serving is not None
        now += RULES.stable + 1
        m, _ = step(m, Exited(m.serving.id, -9), now, RULES)
        assert m.state == "backoff"
        now = m.retry_at or now
        m, _ = step(m, Tick(), now, RULES)
        m = walk_up(m, now)
    assert m.state == "ready"


def test_a_config_that_cannot_start_is_fatal_at_once_but_not_while_another_serves() -> None:
    m, _ = step(Machine(), Start("bad"), 0.0, RULES)
    m, effects = step(m, Exited(1, 78, "no model_list"), 0.1, RULES)
    assert m.state == "fatal"
    assert any(isinstance(effect, GiveUp) for effect in effects)

    m = ready("good")
    m, _ = step(m, Configure("bad"), 1.0, RULES)
    m, effects = step(m, Tick(), 1.0 + RULES.gather, RULES)
    assert m.coming is not None
    m, effects = step(m, Exited(m.coming.id, 78, "no model_list"), 2.0, RULES)
    assert m.state == "ready"
    assert m.problem == "no model_list"
    m, effects = step(m, Tick(), 1000.0, RULES)
    assert not any(isinstance(effect, Spawn) for effect in effects)


def test_a_changed_config_comes_beside_is_switched_to_and_the_old_one_drained() -> None:
    m = ready("a")
    m, effects = step(m, Configure("b"), 10.0, RULES)
    assert not any(isinstance(effect, Spawn) for effect in effects), "changes are gathered first"
    m, effects = step(m, Configure("c"), 10.2, RULES)
    m, effects = step(m, Tick(), 10.0 + RULES.gather, RULES)
    assert Spawn(2, "c") in effects
    assert m.state == "ready"
    assert m.serving is not None
    assert m.serving.id == 1
    m, _ = step(m, Configure("d"), 11.0, RULES)
    m, _ = step(m, Spawned(2), 12.0, RULES)
    m, _ = step(m, Alive(2), 12.0, RULES)
    m, effects = step(m, Warmed(2), 13.0, RULES)
    assert [type(effect) for effect in effects[:2]] == [SwitchTo, Drain]
    assert not any(isinstance(effect, Spawn) for effect in effects), "a third would be too many"
    m, effects = step(m, Drained(1), 14.0, RULES)
    assert Terminate(1) in effects
    m, effects = step(m, Tick(), 14.0 + RULES.end, RULES)
    assert Kill(1) in effects
    m, effects = step(m, Exited(1, -9), 24.0, RULES)
    assert Spawn(3, "d") in effects


def test_no_child_for_an_unchanged_config_or_one_changed_back() -> None:
    m = ready("a")
    for config in ("a", "b", "a"):
        m, _ = step(m, Configure(config), 1.0, RULES)
    m, effects = step(m, Tick(), 100.0, RULES)
    assert effects == ()


def test_a_hung_child_is_killed_and_replaced_within_two_generations() -> None:
    m = ready("a")
    m, _ = step(m, ProbeFailed(1), 20.0, RULES)
    assert m.state == "ready"
    m, effects = step(m, ProbeFailed(1), 24.0, RULES)
    assert Kill(1) in effects
    assert m.state == "backoff"
    m, effects = step(m, Tick(), 25.0, RULES)
    assert any(isinstance(effect, Spawn) for effect in effects)


def test_one_missed_probe_is_forgiven_by_an_answer() -> None:
    m = ready("a")
    for now in range(10, 20):
        m, _ = step(m, ProbeFailed(1), float(now), RULES)
        m, _ = step(m, Alive(1), float(now), RULES)
    assert m.state == "ready"


def test_memory_recycles_beside_but_not_over_and_over() -> None:
    m = ready("a")
    m, effects = step(m, Recycle("rss"), RULES.recycle_after - 1, RULES)
    assert effects == ()
    m, effects = step(m, Recycle("rss"), RULES.recycle_after + 1, RULES)
    assert Spawn(2, "a") in effects
    assert m.state == "ready"


def test_one_worker_lost_of_several_keeps_the_others_serving() -> None:
    m = ready("a")
    m, _ = step(m, Exited(1, -9, "", left=1), 50.0, RULES)
    assert m.state == "ready"
    m, effects = step(m, Tick(), 51.0, RULES)
    assert Spawn(2, "a") in effects


def test_after_a_crash_the_last_good_config_is_started_not_the_rejected_one() -> None:
    m = ready("good")
    m, _ = step(m, Configure("bad"), 1.0, RULES)
    m, _ = step(m, Tick(), 1.0 + RULES.gather, RULES)
    m, _ = step(m, Exited(2, 78, "no model_list"), 2.0, RULES)
    m, _ = step(m, Exited(1, -9), 100.0, RULES)
    m, effects = step(m, Tick(), 101.0, RULES)
    assert Spawn(3, "good") in effects
