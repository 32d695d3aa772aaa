"""Which error a client gets when nobody may serve, or everybody failed: as tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from houses import deployment

from freeloader import catalog as catalogs
from freeloader.core.fallback import Failed
from freeloader.core.model import Account, Deployment, Verdict
from freeloader.core.outcome import Outcome
from freeloader.core.routing import Candidate
from freeloader.core.routing.relax import Report, Way
from freeloader.gateway import refusal
from freeloader.gateway.errors_http import error_headers
from freeloader.money import Price

NOW = 1_000.0


def refused(*verdicts: tuple[str, str] | Verdict) -> Any:
    every = [
        Candidate(
            deployment("p", f"m{i}"),
            v if isinstance(v, Verdict) else Verdict(v[0], v[1], f"reason {i}"),
        )
        for i, v in enumerate(verdicts)
    ]
    return refusal.refused(every, "auto", NOW)


GATE = ("minSpeed", "no_model_passes_gates")
QUOTA = ("quota", "quota_exhausted")
MONEY = ("budget", "budget_exceeded")
BUSY = ("budget", "budget_busy")
PRICE = ("price", "price_unknown")
LEDGER = ("budget", "ledger_unavailable")
REST = ("breaker", "upstream_failed")


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([GATE], "no_model_passes_gates"),
        ([GATE, MONEY], "budget_exceeded"),
        ([GATE, PRICE], "price_unknown"),
        ([GATE, MONEY, QUOTA], "quota_exhausted"),
        ([MONEY, PRICE], "budget_exceeded"),
        ([QUOTA, BUSY], "budget_busy"),
        ([LEDGER, GATE], "ledger_unavailable"),
        ([REST, GATE], "upstream_failed"),
        ([], "no_model_passes_gates"),
    ],
)
def test_the_candidate_nearest_to_being_served_names_the_error(
    verdicts: list[tuple[str, str]], code: str
) -> None:
    assert refused(*verdicts).code == code


def test_the_wait_is_the_earliest_of_all_that_say_when() -> None:
    late = Verdict("quota", "quota_exhausted", "x", until=NOW + 90)
    soon = Verdict("quota", "quota_exhausted", "y", until=NOW + 7)
    assert refused(late, soon, QUOTA).retry_after == pytest.approx(7)


def test_what_never_comes_back_is_not_to_be_asked_for_again() -> None:
    never = Verdict("quota", "quota_exhausted", "8 of 8 used, 0 held; nothing comes back")
    assert error_headers(refused(never)) == {"x-should-retry": "false"}
    kept = Verdict("pacing", "quota_exhausted", "kept: 6 of 20 left")
    assert error_headers(refused(never, kept)) == {"Retry-After": "60"}
    soon = never._replace(until=NOW + 7)
    assert error_headers(refused(never, soon)) == {"Retry-After": "7"}


def test_what_is_kept_for_others_is_told_first_and_how_to_have_it() -> None:
    full = Verdict("quota", "rate_limited", "10 of 10 a minute used", until=NOW + 7)
    kept = Verdict("pacing", "quota_exhausted", "kept: 6 of 20 left, needed for quality-first")
    error = refused(QUOTA, QUOTA, kept)
    assert error.code == "quota_exhausted"
    assert "p@1/m2: kept: 6 of 20 left, needed for quality-first (and 2 more)." in str(error)
    assert "pacing: off" in str(error)
    assert str(error).startswith("No quota is free for this request: ")
    every = [Candidate(deployment("p", "m0"), kept)]
    told = refusal.refused(every, "auto", NOW, Report((), None)).details
    assert [(row["gate"], row["refused"]) for row in told["gates"]] == [("pacing", 1)]
    assert "pacing" not in str(refused(full, QUOTA))


def test_the_next_step_is_the_smallest_change_and_who_makes_it() -> None:
    row = {"gate": "minSpeed", "refused": 1, "example": "p@1/m0: slow", "from": "settings"}
    every = [Candidate(deployment("p", "m0"), Verdict("minSpeed", GATE[1], "slow"))]

    def message(changes: dict[str, Any], **set_by: str) -> str:
        report = Report((row,), Way("p@1/m0", changes, set_by, 1.0))
        error = refusal.refused(every, "auto", NOW, report)
        told = {"setBy": set_by} if set_by else {}
        assert error.details == {"gates": [row], "relaxation": changes, **told}
        return error.message

    assert "Next: lower minSpeed to 3.5." in message({"minSpeed": 3.5})
    both = message({"maxLatency": 900.0, "requiredCapabilities": ["tools"], "noTraining": False})
    assert "raise maxLatency to 900 and set requiredCapabilities to [tools] and leave" in both
    by_two = message({"minSpeed": 3.5, "noTraining": False}, noTraining="settings+key")
    assert "noTraining is set by the settings (xswarm config set" in by_two
    assert "NAME VALUE) and the key, and a request cannot loosen it" in by_two
    assert "choose another one" in message({"minSpeed": 3.5}, minSpeed="preset")
    # Nobody is told to leave out what they did not ask for.
    private = message({"localOnly": False}, localOnly="privacy")
    assert "Next: ask a local model, or add a local server; localOnly is set by" in private
    assert "leave out localOnly" in message({"localOnly": False})
    stuck = refusal.refused(every, "auto", NOW)
    assert stuck.details["gates"][0]["refused"] == 1
    assert "add an account" in stuck.message


def test_a_budget_is_named_with_its_numbers_and_its_reset() -> None:
    facts = {
        "budget": "daily budget",
        "setting": "budget.hard.daily",
        "limitUsd": 1.0,
        "resetsAt": "2026-11-21T00:00:00Z",
    }
    error = refused(Verdict(*MONEY, "daily budget: spent; resets soon", facts=facts))
    assert error.details["budget"] == facts
    assert "xswarm config set budget.hard.daily" in error.message
    key = refused(Verdict(*MONEY, "of key x", facts={**facts, "setting": None}))
    assert "a key with a larger budget" in key.message
    own = refused(Verdict("maxCost", MONEY[1], "may cost $1.00", facts={"budget": "request's own"}))
    assert "max_cost" in own.message


@pytest.mark.parametrize(
    ("kinds", "timeouts", "code"),
    [
        (["their_fault"], [False], "upstream_failed"),
        (["their_fault", "overloaded"], [True, False], "upstream_failed"),
        (["their_fault", "their_fault"], [True, True], "upstream_timeout"),
        (["slow_down", "spent"], [False, False], "quota_exhausted"),
        (["slow_down", "their_fault"], [False, False], "upstream_failed"),
        (["client_fault"], [False], "invalid_request"),
        (["request_too_large"], [False], "context_length_exceeded"),
    ],
)
def test_how_failures_are_called(kinds: list[str], timeouts: list[bool], code: str) -> None:
    failures = [
        Failed(deployment("p", f"m{i}"), Outcome(kind, "said so", until=NOW + 30), late)
        for i, (kind, late) in enumerate(zip(kinds, timeouts, strict=True))
    ]
    attempts = [{"attempt": i} for i in range(len(kinds))]
    error = refusal.failed(failures, attempts, NOW)
    assert error.code == code
    assert error.details["attempts"] == attempts
    if code == "quota_exhausted":
        assert error.retry_after == pytest.approx(30)


@pytest.mark.parametrize("kind", ["key_bad", "credits_gone", "not_on_plan"])
def test_what_only_the_owner_can_put_right_is_not_worth_a_retry(kind: str) -> None:
    dead = Failed(deployment("p", "m"), Outcome(kind, "said so."), False)
    alive = Failed(deployment("p", "n"), Outcome("their_fault", "broke"), False)
    for failures, hopeless in (([dead], True), ([dead, alive], False)):
        headers = error_headers(refusal.failed(failures, [], NOW))
        assert (headers.get("x-should-retry") == "false") is hopeless
        assert "Retry-After" not in headers
    paused = refused(Verdict("breaker", "upstream_failed", "401 bad key."))
    assert error_headers(paused) == {"x-should-retry": "false"}
    assert "bad key. See" in paused.message
    resting = refused(Verdict("breaker", "upstream_failed", "5 faults", until=NOW + 30))
    assert error_headers(resting) == {"Retry-After": "30"}


def test_an_own_limit_of_zero_is_mended_by_nothing_but_that_limit() -> None:
    own = Verdict("ownLimit", "no_model_passes_gates", "is switched off by its own limit")
    said = str(refused(own))
    assert "raise the account's own limit (xswarm account set" in said
    assert "add a" not in said


def test_a_reason_ends_as_its_sentence_does() -> None:
    for said, shown in (("Sorry!", "): Sorry! See"), ("Oh. ", "): Oh. See"), ("no", "): no. See")):
        failure = Failed(deployment("p", "m"), Outcome("their_fault", said), False)
        assert shown in refusal.failed([failure], [], NOW).message


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "a-model-nobody-knows"), ("featherless_ai", "maker/unknown"), ("groq", "new:one")],
)
def test_the_overlay_of_an_unknown_price_sets_it(tmp_path: Path, provider: str, model: str) -> None:
    account = Account(provider, 1, tier="paid", models=(model,))

    def found() -> Deployment:
        catalog = catalogs.load(tmp_path)
        assert not catalog.problems
        (only,) = catalog.including([provider]).deployments([account])
        return only

    before = found()
    assert before.model.price is None
    refusal_ = Verdict("price", "price_unknown", "unknown")
    error = refusal.refused([Candidate(before, refusal_)], model, 0.0)
    assert error.details["overlayFile"] == "registry/prices.json"
    assert json.dumps(error.details["overlay"]) in error.message
    (tmp_path / "prices.json").write_text(json.dumps(error.details["overlay"]))
    after = found()
    assert after.model.price == Price(1_000_000, 2_000_000)
    assert (after.id, after.entry) == (before.id, before.entry)


def test_of_spent_quotas_and_a_spent_budget_both_are_named() -> None:
    """Who waits for the quota, or raises the budget, is not refused for the other one then."""
    facts = {"budget": "daily", "setting": "budget.hard.daily"}
    budget = Verdict("budget", "budget_exceeded", "the daily budget is spent", facts=facts)
    quota = Verdict("quota", "quota_exhausted", "20 of 20 used", until=NOW + 7)
    error = refused(budget, quota, GATE)
    assert (error.code, error.retry_after) == ("quota_exhausted", 7.0)
    for words in ("20 of 20 used", "`xswarm free`", "the daily budget is spent", "budget show"):
        assert words in error.message
    assert error.details["budget"] == facts
    assert "budget" not in refused(quota, GATE).message
