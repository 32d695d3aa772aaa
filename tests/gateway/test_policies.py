"""A policy is found again by its very levels, and never where load, rules or levels differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from freeloader.core.model import Level
from freeloader.core.policy import combine
from freeloader.core.policy.load import LOADED, LoadRules
from freeloader.errors import InvalidRequest
from freeloader.gateway.policies import Policies, of_name

REQUEST, SETTINGS = Level("request"), Level("settings", strategy="cost-first")
RULES = LoadRules()


def test_the_same_levels_give_the_same_policy_and_equal_ones_an_equal_one() -> None:
    policies = Policies()
    one = policies.of((REQUEST, SETTINGS), "normal", RULES, named=False)
    assert policies.of((REQUEST, SETTINGS), "normal", RULES, named=False) is one
    assert policies.of((replace(REQUEST), SETTINGS), "normal", RULES, named=False) == one
    assert one == combine((REQUEST, SETTINGS))


def test_load_a_name_and_other_rules_make_another() -> None:
    policies = Policies()
    levels = (REQUEST, SETTINGS)
    plain = policies.of(levels, "normal", RULES, named=False)
    assert policies.of(levels, "warning", RULES, named=False).weights == LOADED
    unbent = replace(RULES, prefer_faster=False)
    assert policies.of(levels, "warning", unbent, named=False).weights == plain.weights
    named = policies.of(levels, "normal", RULES, named=True)
    assert (plain.gates.max_latency, named.gates.max_latency) == (5_000, None)


def test_many_levels_forget_the_first_and_mix_none_up() -> None:
    policies = Policies()
    for turn in range(3):
        for number in range(400):
            level = Level("request", max_wait_ms=number)
            found = policies.of((level, SETTINGS), "normal", RULES, named=False)
            assert found.max_wait_ms == number, turn


def test_a_strategy_that_is_none_is_refused_each_time() -> None:
    policies = Policies()
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="cheapo"):
            policies.of((of_name("cheapo"), SETTINGS), "normal", RULES, named=False)
