"""Directives: where they may ride, which are refused, and what they come to."""

from __future__ import annotations

from typing import Any

import pytest
from front_fakes import BOUND, CALLERS, HELLO
from surface_shapes import chat

from freeloader.errors import InvalidRequest
from freeloader.gateway.surfaces.chat import parse_chat
from freeloader.money import pico_from_usd


def test_directives_may_ride_anywhere() -> None:
    gates = {"minIntelligence": 5}
    for profile in (
        chat(strategy="cost-first", qualityGates=gates, project="p", session="s", max_cost=0.5),
        chat(strategy="cost-first", quality_gates=gates, project="p", session="s", maxCost=0.5),
        chat(freeloader={"strategy": "cost-first", "qualityGates": gates, "project": "p",
                         "session": "s", "max_cost": 0.5}),
        chat({"X-Freeloader-Strategy": "cost-first", "X-Freeloader-Project": "p",
              "X-Freeloader-Gates": '{"minIntelligence": 5}', "X-Freeloader-Session": "s",
              "X-Freeloader-Max-Cost": "0.5"}),
    ):  # fmt: skip
        assert profile.level.strategy == "cost-first"
        assert profile.level.gates.min_intelligence == 5
        assert profile.level.max_cost == pico_from_usd("0.5")
        assert (profile.project, profile.session) == ("p", "s")
        assert set(profile.payload) == {"messages"}


def test_the_body_is_nearer_and_constraints_add_up() -> None:
    headers = {"X-Freeloader-Strategy": "cost-first", "X-Freeloader-Max-Cost": "0.1",
               "X-Freeloader-Gates": '{"minIntelligence": 5, "blockLocal": true}'}  # fmt: skip
    level = chat(
        headers, strategy="balanced", max_cost=9, qualityGates={"minIntelligence": 3}
    ).level
    assert level.strategy == "balanced"
    assert level.max_cost == pico_from_usd("0.1")
    assert (level.gates.min_intelligence, level.gates.block_local) == (5, True)


def test_unknown_directives_name_the_nearest() -> None:
    for fields, near in (
        ({"freeloader": {"strategi": "balanced"}}, "strategy"),
        ({"qualityGates": {"minInteligence": 3}}, "minIntelligence"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            chat(**fields)
        assert near in caught.value.message


def test_the_same_directive_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        chat(strategy="balanced", freeloader={"strategy": "cost-first"})


@pytest.mark.parametrize(
    ("fields", "headers"),
    [({"strategy": "multi-cast"}, {}), ({"targets": 3}, {}), ({"selection": "diverse"}, {}),
     ({"aggregation": "all"}, {}), ({"freeloader": {"targets": 2}}, {}),
     ({}, {"X-Freeloader-Targets": "2"}), ({}, {"X-Freeloader-Aggregation": "consensus"})],
)  # fmt: skip
def test_who_says_how_to_multi_cast_means_multi_cast(
    fields: dict[str, Any], headers: dict[str, str]
) -> None:
    assert chat(headers, **fields).level.strategy == "multi-cast"


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"targets": 0}, "targets"), ({"targets": 11}, "targets"), ({"targets": "many"}, "targets"),
     ({"selection": "cheap"}, "selection"), ({"aggregation": "vote"}, "aggregation"),
     ({"strategy": "balanced", "targets": 2}, "targets")],
)  # fmt: skip
def test_wrong_multi_cast_directives_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "strategy", "selection"),
    [({"priority": "cheap"}, "cost-first", None), ({"priority": "best"}, "quality-first", None),
     ({"priority": "balanced"}, "balanced", None), ({"latency_pref": "fast"}, "speed-first", None),
     ({"priority": "best", "latency_pref": "fast"}, "quality-first", None),
     ({"latency_pref": "normal"}, None, None),
     ({"priority": "cheap", "targets": 2}, "multi-cast", "cheapest"),
     ({"priority": "best", "strategy": "multi-cast"}, "multi-cast", "best")],
)  # fmt: skip
def test_priority_and_latency_pref_name_a_strategy(
    fields: dict[str, Any], strategy: str | None, selection: str | None
) -> None:
    level = chat(**fields).level
    assert (level.strategy, level.selection) == (strategy, selection)


@pytest.mark.parametrize(
    "headers",
    [{"X-Freeloader-Gates": "{"}, {"X-Freeloader-Gates": "[1]"}, {"X-Freeloader-Max-Cost": "x"},
     {"X-Freeloader-Max-Cost": "nan"}, {"X-Freeloader-Max-Cost": "-1"},
     {"X-Freeloader-Strategy": "x"}, {"X-Freeloader-Project": "a/b"},
     {"x-freeloader-stratgy": "balanced"}, {"X-Freeloader-Budget": "1"}],
)  # fmt: skip
def test_wrong_header_directives_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        chat(headers)


def test_task_and_session_have_more_than_one_name() -> None:
    assert chat(metadata={"taskType": "coding", "run": "7"}).task == "coding"
    assert chat(metadata={"taskType": "coding", "run": "7"}).dropped == ("metadata",)
    assert chat(metadata={"task_type": "reasoning"}).dropped == ()
    assert chat(user="u1").session == "u1"
    assert chat(user="u1", session="s1").session == "s1"


def test_a_bound_key_brings_its_project() -> None:
    assert parse_chat(HELLO, {}, CALLERS[BOUND]).project == "alpha"
