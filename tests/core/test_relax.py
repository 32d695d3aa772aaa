"""What would have to give: every proposal, applied as it is written, lets a candidate through."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from houses import PlainSnapshot, deployment, profile
from hypothesis import given, settings
from hypothesis import strategies as st

from freeloader.core import routing
from freeloader.core.model import Gates, Level, Policy, Resolution
from freeloader.core.policy import combine
from freeloader.core.routing import relax
from freeloader.core.snapshot import Health
from freeloader.settings.directives import parse_gates, said_gates

AUTO = Resolution("auto", "auto")
PROVIDERS = ("a", "b", "ollama")
ABLE = ("tools", "json", "vision")


def ask(level: Level, *outer: Level) -> routing.Ask:
    return routing.Ask(profile(), combine([level, *outer]), AUTO, 1e9)


def outer_of(level: Level, *outer: Level) -> Policy:
    return combine([replace(level, gates=Gates()), *outer])


def reported(world: PlainSnapshot, gates: Gates, *outer: Level) -> relax.Report:
    level = Level("request", gates=gates)
    return relax.report(ask(level, *outer), world, outer_of(level, *outer))


def rows(report: relax.Report) -> dict[str, Any]:
    return {row["gate"]: row for row in report.rows}


def applied(gates: Gates, changes: dict[str, Any]) -> Gates:
    """As a client would: the same gates, with the proposal written over them, through JSON."""
    said = {**said_gates(asdict(gates)), **{relax.STATED[k]: v for k, v in changes.items()}}
    return parse_gates(json.loads(json.dumps(said)))


floats = st.none() | st.floats(1, 10)


@st.composite
def gate_sets(draw: st.DrawFn) -> Gates:
    local, money = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    low, high = draw(floats), draw(floats)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Gates(
        min_intelligence=low,
        max_intelligence=high,
        min_speed=draw(floats),
        max_latency=draw(st.none() | st.floats(1, 5_000)),
        min_success_rate=draw(st.none() | st.floats(0, 1)),
        min_context=draw(st.none() | st.integers(1, 200_000)),
        required_capabilities=draw(st.frozensets(st.sampled_from(ABLE))),
        blocked_providers=draw(st.frozensets(st.sampled_from(PROVIDERS))),
        allowed_providers=draw(st.none() | st.frozensets(st.sampled_from(PROVIDERS))),
        block_local=local == 1,
        local_only=local == 2,
        no_training=draw(st.booleans()),
        free_only=money == 1,
        paid_only=money == 2,
    )


@st.composite
def worlds(draw: st.DrawFn) -> PlainSnapshot:
    every = [
        deployment(
            name := draw(st.sampled_from(PROVIDERS)),
            f"m{i}",
            kind="local" if name == "ollama" else "cloud",
            tier=draw(st.sampled_from(["free", "paid"])),
            intelligence=draw(floats),
            speed=draw(floats),
            context=draw(st.none() | st.integers(2_000, 100_000)),
            capabilities=draw(st.frozensets(st.sampled_from(ABLE))),
            trains=draw(st.none() | st.booleans()),
            free=draw(st.booleans()),
        )
        for i in range(draw(st.integers(1, 6)))
    ]
    some = st.frozensets(st.sampled_from([d.id for d in every]))
    rate, late, speed = st.floats(0, 1), st.floats(1, 9_000), st.floats(1, 500)
    return PlainSnapshot.of(
        every,
        full=draw(some),
        healths={i: Health(20, draw(rate), draw(late), 9, draw(speed)) for i in draw(some)},
    )


@given(worlds(), gate_sets())
@settings(max_examples=400)
def test_every_proposal_lets_a_candidate_through(world: PlainSnapshot, gates: Gates) -> None:
    if routing.decide(ask(Level("request", gates=gates)), world).winner is not None:
        return
    report = reported(world, gates)
    proposals = [{row["gate"]: row["relaxTo"], **row.get("with", {})}
                 for row in report.rows if "relaxTo" in row]  # fmt: skip
    if report.best is not None:
        proposals.append(dict(report.best.changes))
    for changes in proposals:
        eased = ask(Level("request", gates=applied(gates, changes)))
        # The strategy's own gates stand whatever a request says.
        if report.best is not None and not report.best.set_by and changes == report.best.changes:
            assert routing.decide(eased, world).winner is not None
        bare = replace(eased, policy=replace(eased.policy, gates=applied(gates, changes)))
        assert routing.decide(bare, world).winner is not None
    open_to_all = ask(Level("request"))
    if routing.decide(open_to_all, world).winner is not None:
        assert report.best is not None
        assert not report.best.set_by


def test_each_gate_counts_all_it_refuses_and_gives_least() -> None:
    world = PlainSnapshot.of(
        [
            deployment("a", "dull", intelligence=3.0),
            deployment("a", "bright", intelligence=6.5),
            deployment("b", "small", intelligence=9.0, context=1_000_0),
        ]
    )
    report = reported(world, Gates(min_intelligence=7, min_context=50_000))
    found = rows(report)
    assert found["minIntelligence"]["refused"] == 2
    assert found["minIntelligence"]["relaxTo"] == 6.5
    assert found["minContext"] == {
        "gate": "minContext",
        "refused": 1,
        "example": "b@1/small: context 10,000 < minContext 50,000",
        "from": "request",
        "relaxTo": 10_000,
    }
    assert report.best is not None
    assert report.best.changes == {"minIntelligence": 6.5}


def test_gates_that_must_give_together_are_named_together() -> None:
    world = PlainSnapshot.of([deployment("a", "m", intelligence=3.0, context=9_000)])
    report = reported(world, Gates(min_intelligence=7, min_context=50_000))
    assert rows(report)["minIntelligence"]["relaxTo"] == 3.0
    assert rows(report)["minIntelligence"]["with"] == {"minContext": 9_000}
    assert report.best is not None
    assert report.best.changes == {"minIntelligence": 3.0, "minContext": 9_000}


def test_lists_flags_and_unknown_values_have_their_relaxation_too() -> None:
    world = PlainSnapshot.of([deployment("a", "m", trains=True, speed=None)])
    report = reported(
        world,
        Gates(
            required_capabilities=frozenset({"vision", "tools"}),
            allowed_providers=frozenset({"b"}),
            blocked_providers=frozenset({"a", "c"}),
            no_training=True,
            min_speed=5,
        ),
    )
    assert report.best is not None
    assert report.best.changes == {
        "requiredCapabilities": ["tools"],
        "allowedProviders": ["a", "b"],
        "blockedProviders": ["c"],
        "noTraining": False,
        "minSpeed": None,
    }


def test_a_written_number_is_on_the_side_that_lets_through() -> None:
    world = PlainSnapshot.of(
        [deployment("a", "m")], healths={"a@1/m": Health(20, 0.98765, 53.86, 9, 30)}
    )
    found = rows(reported(world, Gates(max_latency=1, min_success_rate=1)))
    assert found["maxLatency"]["relaxTo"] == 54
    assert found["minSuccessRate"]["relaxTo"] == 0.987


def test_what_no_gate_can_change_is_no_way_in() -> None:
    world = PlainSnapshot.of(
        [deployment("a", "paid", free=False), deployment("b", "full")], full=frozenset({"b@1/full"})
    )
    report = reported(world, Gates(min_intelligence=7))
    assert report.best is None
    assert rows(report)["tier"]["refused"] == 1
    assert "relaxTo" not in rows(report)["minIntelligence"]


def test_what_others_set_is_said_and_comes_last() -> None:
    world = PlainSnapshot.of([deployment("a", "m", intelligence=5.0)])
    settings_ = Level("settings", gates=Gates(min_intelligence=6))
    report = reported(world, Gates(min_intelligence=8), settings_)
    assert report.best is not None
    assert report.best.set_by == {"minIntelligence": "settings"}
    assert rows(report)["minIntelligence"]["setBy"] == {"minIntelligence": "settings"}
    local = deployment("ollama", "l", kind="local", intelligence=6.0)
    both = PlainSnapshot.of([*world.every.values(), local])
    own = reported(both, Gates(min_intelligence=8, block_local=True), settings_).best
    assert own is not None
    assert (own.set_by, dict(own.changes)) == ({}, {"blockLocal": False, "minIntelligence": 6.0})
