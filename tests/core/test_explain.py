"""What a decision says: a sentence with the reason, JSON without surprises."""

from __future__ import annotations

import json

import pytest
from houses import PlainSnapshot, deployment, profile

from freeloader.core import explain, routing
from freeloader.core.model import Gates, Level, Resolution, Verdict
from freeloader.core.policy import combine
from freeloader.core.ranking.picking import Soft
from freeloader.core.routing.kept import OTHERS
from freeloader.money import Price

AUTO = Resolution("auto", "auto")
POLICY = combine([])


def scored(what: object, resolution: Resolution = AUTO) -> routing.Candidate:
    snapshot = PlainSnapshot.of([what])  # type: ignore[list-item]
    ask = routing.Ask(profile(), POLICY, resolution, 0.0)
    return routing.scored(routing.Candidate(what, None), ask, snapshot)


@pytest.mark.parametrize(
    ("what", "resolution", "attempts", "parts"),
    [
        (deployment(), AUTO, 1, ["groq/m", "best balanced score", "free"]),
        (deployment(kind="local"), AUTO, 1, ["local"]),
        (deployment(), Resolution("named", "fam"), 1, ["you asked for fam"]),
        (deployment(), Resolution("similar", "gpt-x"), 1, ["stands in for gpt-x"]),
        (deployment(), AUTO, 2, ["after 1 failed attempt"]),
        (deployment(), AUTO, 3, ["after 2 failed attempts"]),
        (
            deployment(tier="paid", price=Price(150_000, 600_000)),
            AUTO,
            1,
            ["$0.15 in, $0.6 out per million tokens"],
        ),
        (deployment(tier="paid", price=None), AUTO, 1, ["price unknown"]),
    ],
)
def test_the_sentence(
    what: object, resolution: Resolution, attempts: int, parts: list[str]
) -> None:
    said = explain.reason(scored(what, resolution), POLICY, resolution, attempts)
    assert all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("resolution", "why"),
    [
        (Resolution("named", "groq/m", frozenset({"groq@1/m"})), "and no other was asked for"),
        (Resolution("named", "m", frozenset({"groq@1/m", "two@1/m"})), "can spare it best"),
        (AUTO, "can spare it best"),
    ],
)
@pytest.mark.parametrize("others", ["", *OTHERS])
def test_who_is_spared_and_serves_says_why(resolution: Resolution, why: str, others: str) -> None:
    """Nobody else could: nothing is said of others who may spare more."""
    soft = Soft(Verdict("pacing", "", f"kept: 6 of 20 left{others}"), only_free=True)
    candidate = scored(deployment(), resolution)._replace(soft=soft)
    said = explain.reason(candidate, POLICY, resolution, 1)
    assert f"{why} (kept: 6 of 20 left)" in said


def test_terms_add_up_to_the_score() -> None:
    shown = explain.shown(scored(deployment()))
    total = sum(term["value"] * term["weight"] for term in shown["terms"])
    assert shown["score"] == pytest.approx(total, abs=1e-5)
    assert {term["name"] for term in shown["terms"]} >= {"cost", "speed", "quality"}
    assert shown["passes"] is True
    assert json.dumps(shown)


def test_a_refusal_names_gate_and_reason() -> None:
    verdict = Verdict("minSpeed", "no_model_passes_gates", "too slow")
    shown = explain.shown(scored(deployment())._replace(verdict=verdict))
    assert (shown["passes"], shown["refusedBy"], shown["reason"]) == (False, "minSpeed", "too slow")
    line = explain.alternative(scored(deployment())._replace(verdict=verdict))
    assert line["reason"] == "minSpeed: too slow"


def test_a_policy_shows_what_is_stated_and_by_whom() -> None:
    level = Level(
        "request", strategy="quality-first", gates=Gates(blocked_providers=frozenset({"a"}))
    )
    shown = explain.policy_shown(combine([level, Level("key", max_cost=10**12)]))
    assert shown["gates"]["minIntelligence"] == 7
    assert shown["gates"]["blockedProviders"] == ["a"]
    assert shown["origins"]["minIntelligence"] == "preset"
    assert shown["origins"]["strategy"] == "request"
    assert shown["maxCostUsd"] == 1.0
    assert "localOnly" not in shown["gates"]
    assert json.dumps(shown)
