"""The bench of quality: its measures are what they say, and its JSON has the promised keys."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "benches"))
quality = importlib.import_module("quality")

WEAK = np.array([0.0, 0.0, 1.0, 1.0])
STRONG = np.array([1.0, 0.0, 1.0, 1.0])


def test_apgr_is_a_half_for_a_router_that_spreads_the_gain_and_more_for_one_that_knows() -> None:
    knows, is_wrong = np.array([4.0, 3, 2, 1]), np.array([1.0, 2, 3, 4])
    assert quality.apgr(knows, WEAK, STRONG) == pytest.approx(0.875)
    assert quality.apgr(is_wrong, WEAK, STRONG) == pytest.approx(0.125)
    rng = np.random.default_rng(1)
    gain = rng.random(4_000)
    blind = [quality.apgr(rng.random(4_000), gain * 0, gain) for _ in range(5)]
    assert abs(np.mean(blind) - 0.5) < 0.02


def test_what_is_saved_is_the_cheapest_share_that_keeps_the_quality() -> None:
    knows = np.array([4.0, 3, 2, 1])
    found = quality.measures(knows, WEAK, STRONG, 10.0)
    # One in four goes to a model at ten times the price: (10 + 3) / 40 of the cost is left.
    assert found["saved_at_99"] == pytest.approx(1 - 13 / 40)


def test_macro_f1_counts_every_label_alike() -> None:
    labels, guessed = np.array(["a", "a", "a", "b"]), np.array(["a", "a", "a", "a"])
    assert quality.macro_f1(labels, guessed) == pytest.approx((6 / 7 + 0) / 2)


def test_it_runs_on_files_and_says_all_that_is_asked_for(tmp_path: Path) -> None:
    tasks, pairs = tmp_path / "tasks.parquet", tmp_path / "pairs.parquet"
    texts = [
        "Write a poem",
        "Write a Python function",
        "Solve x + 1 = 3",
        "Translate to German: hi",
    ]
    pl.DataFrame(
        {"prompt": texts * 3, "label": ["chat", "coding", "reasoning", "translation"] * 3,
         "source": ["one"] * 6 + ["two"] * 6}
    ).write_parquet(tasks)  # fmt: skip
    pl.DataFrame(
        {"set": ["a", "a", "b", "b"] * 3, "prompt": texts * 3,
         "weak_quality": [1.0, 0.5, 0.0, 0.0] * 3, "strong_quality": [1.0, 1.0, 1.0, 0.5] * 3,
         "n": ["x"] * 12}
    ).write_parquet(pairs)  # fmt: skip
    done = subprocess.run(
        [str(ROOT / "scripts" / "bench"), "quality", "--tasks", str(tasks), "--pairs", str(pairs),
         "--quick", "--json"],
        capture_output=True, text=True, timeout=110, check=True,
    )  # fmt: skip
    out = json.loads(done.stdout)
    assert {"accuracy", "macro_f1", "per_source"} <= out["tasks"].keys()
    assert set(out["tasks"]["per_source"]) == {"one", "two"}
    assert {"apgr", "apgr_ci", "saved_at_95", "saved_at_99", "baselines"} <= out["pairs"].keys()
    assert {"random", "length", "task_mean", "oracle"} <= out["pairs"]["baselines"].keys()
    low, high = out["pairs"]["apgr_ci"]
    assert low <= out["pairs"]["apgr"] <= high


def test_a_file_without_the_columns_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pl.DataFrame({"prompt": ["a"]}).write_parquet(file)
    with pytest.raises(SystemExit, match="no column label, source"):
        quality.main(["--tasks", str(file)])
