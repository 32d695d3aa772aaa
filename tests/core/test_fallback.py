"""What changes after a failed attempt, as a table; nothing picks a successor by itself."""

from __future__ import annotations

from typing import Any

import pytest
from houses import PlainSnapshot, deployment, profile
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core.fallback import Failed, Retry, Stop, next_step
from freeloader.core.feedback import Opinion
from freeloader.core.model import FallbackPlan, Gates, Level, Resolution
from freeloader.core.outcome import Outcome
from freeloader.core.policy import combine
from freeloader.core.ranking import scoring
from freeloader.core.routing import Ask, decide
from freeloader.core.snapshot import Health

A = deployment("a", "x")
A_OTHER = deployment("a", "y")
A_SECOND = deployment("a", "x", idx=2)
B = deployment("b", "x")
ALL = (A, A_OTHER, A_SECOND, B)


def failed(kind: str, *, timeout: bool = False, **fields: Any) -> Failed:
    return Failed(A, Outcome(kind, "said so", **fields), timeout)


def policy(**plan: Any) -> Any:
    return combine([Level("request", fallback=FallbackPlan(**plan))] if plan else [])


@pytest.mark.parametrize(
    ("scope", "ruled_out"),
    [
        ("model", {A.id}),
        ("request", {A.id}),
        ("account", {A.id, A_OTHER.id}),
        ("provider", {A.id, A_OTHER.id, A_SECOND.id}),
    ],
)
def test_an_outcome_rules_out_what_it_speaks_of(scope: str, ruled_out: set[str]) -> None:
    step = next_step(policy(), [failed("their_fault", scope=scope)], ALL)
    assert isinstance(step, Retry)
    assert step.tried == ruled_out


def test_what_was_ruled_out_stays_ruled_out() -> None:
    second = Failed(B, Outcome("their_fault", "x"))
    step = next_step(policy(), [failed("spent", scope="account"), second], ALL)
    assert isinstance(step, Retry)
    assert step.tried == {A.id, A_OTHER.id, B.id}


def test_the_clients_own_fault_is_final() -> None:
    assert isinstance(next_step(policy(), [failed("client_fault")], ALL), Stop)


@pytest.mark.parametrize("mode", ["fail", "error"])
def test_a_user_may_want_no_fallback(mode: str) -> None:
    assert isinstance(next_step(policy(mode=mode), [failed("their_fault")], ALL), Stop)


def test_a_strategys_own_error_mode_still_moves_on() -> None:
    quality = combine([Level("request", strategy="quality-first")])
    assert isinstance(next_step(quality, [failed("their_fault")], ALL), Retry)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_bounded(retries: int) -> None:
    plan = policy(max_retries=retries)
    failures = [failed("their_fault")] * retries
    if failures:
        assert isinstance(next_step(plan, failures, ALL), Retry)
    assert isinstance(next_step(plan, [*failures, failed("their_fault")], ALL), Stop)


def test_a_broken_lane_is_tried_once_more_and_then_left() -> None:
    broken = failed("our_fault", retry="same", blame="lane")
    again = next_step(policy(), [broken], ALL)
    assert isinstance(again, Retry)
    assert A.id not in again.tried
    assert again.delay > 0
    third = next_step(policy(), [broken, broken], ALL)
    assert isinstance(third, Retry)
    assert A.id in third.tried


def test_after_a_time_out_a_faster_model_is_preferred() -> None:
    step = next_step(policy(), [failed("their_fault", timeout=True)], ALL)
    assert isinstance(step, Retry)
    assert step.policy.order == "latency"
    assert step.policy.gates == policy().gates


def test_falling_back_to_local_keeps_every_other_constraint() -> None:
    step = next_step(policy(mode="local"), [failed("their_fault")], ALL)
    assert isinstance(step, Retry)
    assert step.policy.gates.local_only
    assert step.policy.gates.max_latency == policy().gates.max_latency


def test_the_tree_as_a_table() -> None:
    """Branch by kind of failure, and what each value of it changes."""
    spent, poor = failed("spent"), failed("quality_failure")
    late = failed("their_fault", timeout=True)
    for branch, one in (
        ("on_quota_exceeded", spent),
        ("on_latency_timeout", late),
        ("on_quality_failure", poor),
    ):
        for step, changed in {
            "next-cheapest": ("price", None, False),
            "faster-model": ("latency", None, False),
            "upgrade": (None, 5.0, False),
            "local": (None, None, True),
        }.items():
            found = next_step(policy(**{branch: step}), [one], ALL)
            assert isinstance(found, Retry)
            got = (found.policy.order, found.policy.above, found.policy.gates.local_only)
            assert got == changed, (branch, step)
        stop = next_step(policy(**{branch: "error"}), [one], ALL)
        assert isinstance(stop, Stop)
        assert stop.wanted
        again = next_step(policy(**{branch: "retry"}), [one], ALL)
        assert isinstance(again, Retry)
        assert A.id not in again.tried
        twice = next_step(policy(**{branch: "retry"}), [one, one], ALL)
        assert isinstance(twice, Retry)
        assert A.id in twice.tried


def test_other_failures_bend_nothing() -> None:
    step = next_step(policy(), [failed("their_fault")], ALL)
    assert isinstance(step, Retry)
    assert step.policy == policy()


def test_an_upgrade_keeps_every_gate_and_remembers_the_best_that_failed() -> None:
    strict = combine([Level("request", gates=Gates(min_intelligence=3.0, no_training=True))])
    step = next_step(strict, [failed("quality_failure")], ALL)
    assert isinstance(step, Retry)
    assert (step.policy.gates, step.policy.above) == (strict.gates, A.model.intelligence)
    again = next_step(step.policy, [failed("quality_failure")], ALL, quality=lambda _: 4.0)
    assert isinstance(again, Retry)
    assert again.policy.above == A.model.intelligence


@pytest.mark.parametrize(
    ("shifts", "expected"),
    [
        ({}, "stronger@1/m"),
        ({"stronger": 0.0}, "weaker@1/m"),  # people found it poor: no stronger any more
        ({"stronger": 0.0, "weaker": 0.4}, None),
        ({"failed": 0.0}, "stronger@1/m"),
        ({"failed": 0.0, "stronger": 0.0}, "weaker@1/m"),
    ],
)
def test_an_upgrade_goes_by_evidence_and_what_people_said(
    shifts: dict[str, float], expected: str | None
) -> None:
    """``shifts``: the average that twenty votes gave a model's answers to the task."""
    names = {"failed": 5.0, "stronger": 5.9, "weaker": 5.0}
    some = {n: deployment(n, intelligence=4.0, strengths={"coding": v}) for n, v in names.items()}
    some["dull"] = deployment("dull", intelligence=9.0, strengths={"coding": 2.0})
    told = {"failed": 0.5, "stronger": 0.5, "weaker": 0.6} | shifts
    healths = {
        some[n].id: Health(opinions={"coding": Opinion(20, 20 * average)})
        for n, average in told.items()
    }
    snapshot = PlainSnapshot.of(some.values(), healths=healths)

    def quality(one: Any) -> float | None:
        return scoring.intelligence(one, "coding", snapshot.health(one.id))

    poor = Failed(some["failed"], Outcome("quality_failure", "empty"))
    step = next_step(policy(), [poor], tuple(some.values()), quality=quality)
    assert isinstance(step, Retry)
    auto = Resolution("auto", "auto")
    question = Ask(profile(task="coding"), step.policy, auto, 0.0, step.tried)
    found = decide(question, snapshot).winner
    assert (found.deployment.id if found else None) == expected


@pytest.mark.parametrize("strategy", ["speed-first", "quality-first", "priority", "local-first"])
def test_a_strategy_that_says_who_is_next_keeps_its_word(strategy: str) -> None:
    own = combine([Level("request", strategy=strategy)])
    step = next_step(own, [failed("spent")], ALL)
    assert isinstance(step, Retry)
    assert step.policy == own


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 60_000), st.integers(1, 20))
def test_the_delay_is_fully_jittered_and_bounded(roll: float, base: int, count: int) -> None:
    plan = policy(retry_delay_ms=base, max_retries=20)
    step = next_step(plan, [failed("their_fault")] * count, ALL, roll)
    assert isinstance(step, Retry)
    assert step.provider == "a"
    most = min(30.0, base / 1000 * 2 ** (count - 1))
    assert step.delay == pytest.approx(most * roll)


@given(st.floats(0, 30), st.floats(0, 60), st.sampled_from([None, "a", "b"]))
def test_who_waited_in_line_has_waited(delay: float, since: float, near: str | None) -> None:
    step = Retry(policy(), frozenset(), delay, provider=near)
    left = step.pause("a", since)
    assert left == (0.0 if near == "b" or since >= delay else delay - since)


def test_refusals_by_an_accounts_limits_are_no_storm() -> None:
    quota = next_step(policy(), [failed("spent")], ALL)
    broken = next_step(policy(), [failed("their_fault")], ALL)
    assert isinstance(quota, Retry)
    assert isinstance(broken, Retry)
    assert (quota.counted, broken.counted) == (False, True)
