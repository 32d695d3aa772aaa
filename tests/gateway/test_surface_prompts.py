"""Text completions, dearer tiers and searches: what is counted, held and sent."""

from __future__ import annotations

from typing import Any

import pytest
from surface_shapes import CALLER, chat

from freeloader.errors import InvalidRequest
from freeloader.gateway.surfaces.completions import parse_completion


@pytest.mark.parametrize("prompt", ["hi", ["hi"]])
def test_a_prompt_becomes_one_message(prompt: Any) -> None:
    asked = parse_completion({"prompt": prompt, "logprobs": 2, "echo": True}, {}, CALLER)
    assert asked.profile.operation == "completion"
    assert asked.profile.payload["messages"] == [{"role": "user", "content": "hi"}]
    assert (asked.profile.payload["logprobs"], asked.profile.payload["top_logprobs"]) == (True, 2)
    assert asked.echo == "hi"


@pytest.mark.parametrize(
    ("fields", "param"),
    [({}, "prompt"), ({"prompt": ""}, "prompt"), ({"prompt": ["a", "b"]}, "prompt"),
     ({"prompt": []}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"prompt": [[1]]}, "prompt"),
     ({"prompt": "x", "suffix": "y"}, "suffix"), ({"prompt": "x", "logprobs": -1}, "logprobs"),
     ({"prompt": "x", "echo": "yes"}, "echo"), ({"prompt": "x", "n": 3, "best_of": 2}, "best_of")],
)  # fmt: skip
def test_wrong_completions_are_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_completion(fields, {}, CALLER)
    assert caught.value.param == param


def test_best_of_is_held_for_and_not_sent() -> None:
    body = {"prompt": "x", "n": 1, "best_of": 4, "max_tokens": 10}
    profile = parse_completion(body, {}, CALLER).profile
    assert profile.upper.output == 40
    assert "best_of" not in profile.payload
    assert profile.dropped == ("best_of",)


def test_a_dearer_tier_is_passed_on_and_multiplies_the_price() -> None:
    profile = chat(service_tier="priority")
    assert profile.payload["service_tier"] == "priority"
    assert profile.surcharge.factor > 1


@pytest.mark.parametrize("tier", ["auto", "default", "standard", "on_demand", "flex"])
def test_no_tier_is_ever_held_for_less_than_list_price(tier: str) -> None:
    profile = chat(service_tier=tier)
    assert "service_tier" not in profile.payload
    assert (profile.surcharge.factor, profile.surcharge.flat) == (1, 0)


def test_a_web_search_is_in_the_hold_and_needs_a_model_that_searches() -> None:
    profile = chat(web_search_options={}, n=2)
    assert "search" in profile.needs
    assert profile.surcharge.flat == 2 * chat(web_search_options={}).surcharge.flat > 0
