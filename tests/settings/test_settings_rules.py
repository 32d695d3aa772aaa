"""``[[routing.rules]]`` as the core is given them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from freeloader.core.model import Gates, Level
from freeloader.core.policy.rules import Hours, Rule, When
from freeloader.errors import ConfigError
from freeloader.settings.load import from_mapping


def rules(*tables: dict[str, Any], **more: Any) -> tuple[Rule, ...]:
    return from_mapping({"routing": {"rules": list(tables)}, **more}).rules()


def test_a_rule_is_compiled_in_either_spelling() -> None:
    when = {
        "project": "web",
        "complexityAbove": 0.5,
        "hasTools": True,
        "input_tokens_above": 1000,
        "hours": "22:00-07:30",
        "header": "X-Team: blue",
    }
    then = {"strategy": "cost-first", "gates": {"minIntelligence": 4}, "localOnly": True}
    (rule,) = rules({"when": when, "then": then}, budget={"timezone": "Europe/Berlin"})
    assert rule.name == "rule 1"
    assert rule.when == When(
        project="web",
        complexity_above=0.5,
        has_tools=True,
        tokens_above=1000,
        hours=Hours(22 * 60, 7 * 60 + 30, "Europe/Berlin"),
        header=("x-team", "blue"),
    )
    gates = Gates(min_intelligence=4, local_only=True)
    assert rule.level == Level("rule", strategy="cost-first", gates=gates)


def test_names_models_and_rejections() -> None:
    first, second = rules(
        {"name": "swap", "when": {"model": "gpt-*"}, "then": {"models": ["groq/*"]}},
        {"when": {"hours": "08:00-09:00"}, "then": {"reject": "Not now."}},
    )
    assert (first.name, first.models, first.reject) == ("swap", ("groq/*",), None)
    assert (second.name, second.reject) == ("rule 2", "Not now.")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"when": {"task": "codng"}}, "coding"),
        ({"when": {"hours": "25:00-07:00"}}, "22:00-07:00"),
        ({"when": {"header": "Authorization"}}, "carries a key"),
        ({"when": {"header": "two words"}}, "must look like"),
        ({"when": {"porject": "x"}}, "project"),
        ({"then": {"stratgy": "balanced"}}, "strategy"),
        ({"then": {"gates": {"minInteligence": 3}}}, "minIntelligence"),
    ],
)
def test_what_is_wrong_is_named(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rules(rule)
