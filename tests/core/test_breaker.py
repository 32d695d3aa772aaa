"""The breaker: when it opens, for how long, and that exactly one attempt tries first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeloader.core import breaker
from freeloader.core.breaker import Breaker

NOW = 1_795_000_000.0


def opened(now: float = NOW, mono: float = 0.0) -> Breaker:
    found = Breaker()
    for _ in range(breaker.OPEN_AFTER):
        breaker.fault(found, now, mono, "500")
    return found


def test_it_opens_after_faults_in_a_row_only() -> None:
    found = Breaker()
    for _ in range(10):
        for _ in range(breaker.OPEN_AFTER - 1):
            breaker.fault(found, NOW, 0, "500")
        breaker.succeed(found, NOW, 0)
    assert breaker.state(found, NOW, 0) == "closed"
    assert breaker.state(opened(), NOW, 0) == "open"


def test_two_hangs_open_it() -> None:
    found = Breaker()
    breaker.fault(found, NOW, 0, "no answer", hang=True)
    assert breaker.state(found, NOW, 0) == "closed"
    breaker.fault(found, NOW, 0, "no answer", hang=True)
    assert breaker.state(found, NOW, 0) == "open"


def test_an_ejection_ages_by_monotonic_time() -> None:
    found = opened(mono=100)
    assert breaker.refusal(found, NOW + 10**6, 100 + breaker.EJECTION - 1) is not None
    assert breaker.refusal(found, NOW - 10**6, 100 + breaker.EJECTION) is None


def test_ejections_grow_to_their_cap_and_decay() -> None:
    found, mono, lengths = opened(), 0.0, []
    for _ in range(15):
        verdict = breaker.refusal(found, NOW, mono)
        assert verdict is not None
        assert verdict.until is not None
        lengths.append(verdict.until - NOW)
        mono += lengths[-1]
        breaker.begin(found, "a")
        breaker.fault(found, NOW, mono, "500")
    assert lengths[:4] == pytest.approx([30, 60, 90, 120])
    assert max(lengths) == breaker.EJECTION_MAX
    mono = found.ejected_until + 1
    breaker.begin(found, "a")
    breaker.succeed(found, NOW, mono)
    mono += 20 * breaker.FORGIVE_AFTER
    for _ in range(breaker.OPEN_AFTER):
        breaker.fault(found, NOW, mono, "500")
    assert found.ejected_until - mono == breaker.EJECTION


def test_half_open_lets_exactly_one_through() -> None:
    found, later = opened(), breaker.EJECTION
    assert breaker.state(found, NOW, later) == "half-open"
    assert breaker.refusal(found, NOW, later) is None
    assert breaker.begin(found, "first")
    second = breaker.refusal(found, NOW, later)
    assert second is not None
    assert second.until is not None
    assert not breaker.begin(found, "second")
    breaker.end(found, "second")
    assert breaker.refusal(found, NOW, later) is not None
    breaker.end(found, "first")
    assert breaker.refusal(found, NOW, later) is None


def test_a_success_closes_it_and_a_fault_opens_it_again() -> None:
    found = opened()
    breaker.begin(found, "first")
    breaker.succeed(found, NOW, breaker.EJECTION)
    assert breaker.state(found, NOW, breaker.EJECTION) == "closed"
    again = opened()
    breaker.begin(again, "first")
    breaker.fault(again, NOW, breaker.EJECTION, "503")
    assert breaker.state(again, NOW, breaker.EJECTION) == "open"


def test_a_success_of_an_older_call_does_not_end_a_pause() -> None:
    found = Breaker()
    breaker.pause(found, NOW + 60, NOW, "quota_exhausted", "slow down")
    breaker.succeed(found, NOW + 1, 1)
    assert breaker.refusal(found, NOW + 1, 1) is not None


def test_a_pause_ends_when_said_and_then_one_tries() -> None:
    found = Breaker()
    breaker.pause(found, NOW + 60, NOW, "quota_exhausted", "slow down")
    verdict = breaker.refusal(found, NOW + 59, 0)
    assert verdict is not None
    assert (verdict.code, verdict.until) == ("quota_exhausted", NOW + 60)
    assert breaker.refusal(found, NOW + 60, 0) is None
    breaker.begin(found, "first")
    assert breaker.refusal(found, NOW + 60, 0) is not None


def test_of_two_pauses_the_later_end_counts() -> None:
    found = Breaker()
    breaker.pause(found, NOW + 600, NOW, "quota_exhausted", "spent")
    breaker.pause(found, NOW + 60, NOW, "quota_exhausted", "slow down")
    assert breaker.refusal(found, NOW + 599, 0) is not None


@pytest.mark.parametrize("back", [1.0, 3600.0, 10.0**7])
def test_a_clock_set_back_does_not_lengthen_a_pause(back: float) -> None:
    found = Breaker()
    breaker.pause(found, NOW + 60, NOW, "quota_exhausted", "slow down")
    assert breaker.refusal(found, NOW - back, 0) is not None
    assert breaker.refusal(found, NOW - back + 60, 0) is None


def test_overload_pauses_briefly_and_longer_each_time() -> None:
    found, now, waits = Breaker(), NOW, []
    for _ in range(4):
        breaker.overload(found, now, now - NOW, "503")
        verdict = breaker.refusal(found, now, now - NOW)
        assert verdict is not None
        assert verdict.until is not None
        waits.append(verdict.until - now)
        now = verdict.until
        breaker.begin(found, "a")
    assert waits[0] == breaker.OVERLOAD_FIRST
    assert waits == sorted(waits)


def test_what_waiting_does_not_mend_promises_no_time_and_is_tried_once_a_day() -> None:
    found = Breaker()
    breaker.stand(found, NOW, "invalid key")
    verdict = breaker.refusal(found, NOW + 3600, 0)
    assert verdict is not None
    assert verdict.until is None
    assert "invalid key" in verdict.reason
    assert breaker.refusal(found, NOW + breaker.STANDING, 0) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ok", "fault", "hang", "overload", "pause", "stand", "ask"]),
            st.floats(0, 700),
        ),
        max_size=60,
    )
)
def test_never_two_at_once_and_never_shut_for_ever(plan: list[tuple[str, float]]) -> None:
    found, mono = Breaker(), 0.0
    running: list[str] = []
    for i, (what, wait) in enumerate(plan):
        mono += wait
        now = NOW + mono
        if what == "ask":
            if breaker.refusal(found, now, mono) is None:
                half = breaker.state(found, now, mono) == "half-open"
                assert breaker.begin(found, str(i)) is half
                if half:
                    assert breaker.refusal(found, now, mono) is not None
                    running.append(str(i))
            continue
        if what == "ok":
            breaker.succeed(found, now, mono)
        elif what in ("fault", "hang"):
            breaker.fault(found, now, mono, "500", hang=what == "hang")
        elif what == "overload":
            breaker.overload(found, now, mono, "503")
        elif what == "pause":
            breaker.pause(found, now + wait, now, "quota_exhausted", "slow down")
        else:
            breaker.stand(found, now, "key")
        for attempt in running:
            breaker.end(found, attempt)
        running.clear()
    for attempt in running:
        breaker.end(found, attempt)
    end = mono + breaker.STANDING + 1
    assert breaker.refusal(found, NOW + end, end) is None
