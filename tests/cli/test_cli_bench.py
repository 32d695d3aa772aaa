"""bench: a dry run says whom it would ask, else why nobody, and what to do about that."""

from __future__ import annotations

import pytest


def left(reason: str) -> dict:
    return {"requests": 0, "models": [], "leftOut": [{"deployment": "groq@1/m", "reason": reason}]}


ASKS = {"requests": 9, "models": [{"deployment": "ollama@1/tiny", "requests": 9}], "leftOut": []}
NOBODY = {"requests": 0, "models": [], "leftOut": []}


@pytest.mark.parametrize(
    ("answer", "out", "err"),
    [
        (ASKS, ["would ask 9 times:", "ollama@1/tiny"], []),
        (NOBODY, ["would ask nobody: there is no model of yours", "xswarm account add groq"], []),
        (
            left("measured by real traffic: benchmarking.quota_share is not set"),
            ["would ask nobody:", "groq@1/m", "quota_share is not set"],
            ["xswarm config set benchmarking.quota_share 0.02"],
        ),
        (
            left("it costs money: benchmarking.budget.monthly is not set, or used"),
            ["would ask nobody:"],
            ["xswarm config set benchmarking.budget.monthly 1"],
        ),
        (left("rated in this round already"), ["would ask nobody:"], ["xswarm bench show"]),
        ({**ASKS, "leftOut": left("not off peak")["leftOut"]}, ["9 times", "not off peak"], []),
    ],
)
def test_a_dry_run_says_whom_or_why_nobody(xswarm, daemon, answer, out, err):
    daemon.on("POST", "/v1/benchmarks/run", answer)
    ran = xswarm("bench", "run", "--dry-run")
    assert ran.code == 0
    assert all(text in ran.out for text in out)
    assert all(text in ran.err for text in err)
    assert bool(ran.err) == bool(err)
    assert xswarm("bench", "run", "--dry-run", "--json").json == answer
