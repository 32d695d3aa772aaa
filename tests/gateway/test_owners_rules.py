"""Rules at work in the pipeline: strategy, gates, models, redirects, rejections."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment, profile
from pipeline_world import AUTO, GOOD, collect, world

from freeloader.core.model import Gates, Level, Resolution
from freeloader.core.policy.rules import Rule, When
from freeloader.errors import Forbidden, NoModelPassesGates

NEAR = deployment("ollama", "m", kind="local", speed=1.0)
FAR = deployment("groq", "x", speed=9.0)
NAMED = Resolution("named", "groq/x", frozenset({FAR.id}))


async def served(rule: Rule, resolution: Resolution = AUTO, **asked: Any) -> Any:
    house = world(
        {d.id: [list(GOOD)] for d in (NEAR, FAR)}, NEAR, FAR, own=(rule,), resolution=resolution
    )
    run = house.begin(stream=True, **asked)
    await run.first(5)
    await collect(run)
    return run


async def test_a_rules_gates_and_strategy_are_a_level_of_policy() -> None:
    level = Level("rule", strategy="priority", gates=Gates(local_only=True))
    run = await served(Rule("at home", level=level))
    assert run.routing()["provider"] == "ollama"
    assert run.routing()["strategy"] == "priority"
    assert run.routing()["rule"] == "at home"
    assert "by the rule 'at home'" in run.routing()["reason"]


async def test_the_requests_own_strategy_is_nearer_than_a_rules() -> None:
    own = Level("request", strategy="speed-first")
    run = await served(Rule("r", level=Level("rule", strategy="priority")), level=own)
    assert run.routing()["strategy"] == "speed-first"


async def test_models_narrow_what_auto_means() -> None:
    run = await served(Rule("r", models=("m",)))
    assert run.routing()["provider"] == "ollama"
    assert "X-Freeloader-Substituted" not in run.headers()


async def test_a_rule_about_the_wanted_model_sends_it_elsewhere_and_says_so() -> None:
    rule = Rule("swap", When(model="groq/*"), models=("ollama/*",))
    run = await served(rule, NAMED, model="groq/x")
    assert run.routing()["provider"] == "ollama"
    assert run.headers()["X-Freeloader-Substituted"] == "groq/x"


async def test_any_other_rule_never_replaces_a_named_model() -> None:
    with pytest.raises(NoModelPassesGates, match="rule 'only local' allows only ollama"):
        await served(Rule("only local", models=("ollama/*",)), NAMED, model="groq/x")
    run = await served(Rule("both", models=("*",)), NAMED, model="groq/x")
    assert run.routing()["provider"] == "groq"


async def test_a_rejection_has_the_owners_words() -> None:
    rule = Rule("night", When(has_tools=True), reject="No agents at night.")
    with pytest.raises(Forbidden, match=r"No agents at night\. \(rule 'night'"):
        await served(rule, needs=frozenset({"tools"}))
    assert (await served(rule)).routing()["rule"] is None
    assert replace(profile(), headers={"x": "1"}).headers == {"x": "1"}
