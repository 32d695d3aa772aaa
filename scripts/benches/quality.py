"""How good task detection and complexity are, on labelled prompts and on graded pairs of answers.

    ./scripts/bench quality --tasks FILE.parquet --pairs FILE.parquet [--json] [--quick]

``--tasks``: columns ``prompt, label, source``. ``--pairs``: ``set, prompt, weak_quality,
strong_quality`` (0–1). A score sends the prompts it puts highest to the strong model. APGR is
the area under "share of the gap closed" over "share sent to the strong model" (random: 0.5).
Saved is the share of always-strong's cost, with the strong model at ``--price-ratio`` times
the weak one's price, at the cheapest share that keeps 95 % (99 %) of always-strong's quality.
Intervals are 95 % bootstrap ones; differences are paired (the same resampled prompts).
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from freeloader.core.task import TASKS
from freeloader.core.task.detect import detect
from freeloader.core.task.turn import Turn

REPEATS = 1_000
_SEED = 20_261_125


def main(argv: list[str]) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("bench quality", description=__doc__, formatter_class=raw)
    parser.add_argument("--tasks", type=Path, help="labelled prompts (Parquet)")
    parser.add_argument("--pairs", type=Path, help="graded pairs of answers (Parquet)")
    parser.add_argument("--price-ratio", type=float, default=10.0)
    parser.add_argument("--quick", action="store_true", help="100 resamples instead of 1,000")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    if given.tasks is None and given.pairs is None:
        parser.error("give --tasks, --pairs or both")
    repeats = 100 if given.quick else REPEATS
    out: dict[str, Any] = {}
    if given.tasks is not None:
        out["tasks"] = task_report(_table(given.tasks, ("prompt", "label", "source")), repeats)
    if given.pairs is not None:
        columns = ("set", "prompt", "weak_quality", "strong_quality")
        out["pairs"] = pair_report(_table(given.pairs, columns), repeats, given.price_ratio)
    print(json.dumps(out) if given.json else _shown(out))
    return 0


def _table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    if not path.is_file():
        raise SystemExit(f"bench quality: {path} is no file")
    table = pl.read_parquet(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise SystemExit(f"bench quality: {path} has no column {', '.join(missing)}")
    if table.height == 0:
        raise SystemExit(f"bench quality: {path} has no rows")
    return table.select(columns)


# ── tasks ────────────────────────────────────────────────────────────────────


def task_report(table: pl.DataFrame, repeats: int) -> dict[str, Any]:
    """Accuracy and macro F1 over all, per source, beside plain keyword rules; and the time."""
    prompts, labels = table["prompt"].to_list(), np.array(table["label"].to_list())
    detect(Turn("warm"))
    found, spent = [], []
    for prompt in prompts:
        started = time.thread_time()
        found.append(detect(Turn(prompt, len(prompt))).name)
        spent.append((time.thread_time() - started) * 1_000)
    guessed = np.array(found)
    rules = np.array([keyword_task(prompt) for prompt in prompts])
    right, by_rules = guessed == labels, rules == labels
    sources = np.array(table["source"].to_list())
    return {
        "n": len(prompts),
        "accuracy": _rounded(right.mean()),
        "accuracy_ci": _interval(lambda i: right[i].mean(), len(right), repeats),
        "macro_f1": _rounded(macro_f1(labels, guessed)),
        "per_source": {
            str(source): {
                "n": int((sources == source).sum()),
                "accuracy": _rounded(right[sources == source].mean()),
                "macro_f1": _rounded(
                    macro_f1(labels[sources == source], guessed[sources == source])
                ),
            }
            for source in sorted(set(sources))
        },
        "per_task": {
            str(label): _rounded(right[labels == label].mean()) for label in sorted(set(labels))
        },
        "baselines": {
            "keyword_rules": {
                "accuracy": _rounded(by_rules.mean()),
                "macro_f1": _rounded(macro_f1(labels, rules)),
            },
            "always_chat": {"accuracy": _rounded((labels == "chat").mean())},
        },
        "over_keyword_rules_ci": _interval(
            lambda i: right[i].mean() - by_rules[i].mean(), len(right), repeats
        ),
        "milliseconds": {
            "p50": _rounded(np.percentile(spent, 50)),
            "p99": _rounded(np.percentile(spent, 99)),
        },
    }


def macro_f1(labels: Any, guessed: Any) -> float:
    """The mean F1 over the labels that occur."""
    scores = []
    for label in set(labels):
        hit = ((guessed == label) & (labels == label)).sum()
        said, are = (guessed == label).sum(), (labels == label).sum()
        scores.append(2 * hit / (said + are))
    return float(np.mean(scores))


_KEYWORDS: tuple[tuple[str, str], ...] = (
    ("translation", r"\btranslat"),
    ("summarization", r"\bsummar|\btl;?dr\b"),
    ("image", r"\b(?:draw|paint|picture of|image of|photo of|generate an image)\b"),
    ("coding", r"```|\b(?:python|javascript|java|c\+\+|sql|html|function|code|program|script)\b"),
    ("reasoning", r"\b(?:solve|calculate|prove|equation|probability|how many|how much|integral)\b"),
)


def keyword_task(prompt: str) -> str:
    """What a first reading by keywords would say: the baseline, not ours."""
    low = prompt.lower()
    return next((name for name, words in _KEYWORDS if re.search(words, low)), TASKS[0])


# ── pairs ────────────────────────────────────────────────────────────────────


def pair_report(table: pl.DataFrame, repeats: int, ratio: float) -> dict[str, Any]:
    """The router's own complexity, and the baselines, each with interval and difference."""
    prompts, sets = table["prompt"].to_list(), np.array(table["set"].to_list())
    weak, strong = table["weak_quality"].to_numpy(), table["strong_quality"].to_numpy()
    chance = np.random.default_rng(_SEED)
    noise = chance.random(len(prompts)) * 1e-9
    ours = np.array([detect(Turn(prompt, len(prompt))).complexity for prompt in prompts])
    scores = {
        "ours": ours + noise,
        "random": chance.random(len(prompts)),
        "length": np.array([len(prompt) for prompt in prompts]) + noise,
        "task_mean": _task_means(sets, strong - weak) + noise,
        "oracle": strong - weak + noise,
    }
    results = {name: measures(s, weak, strong, ratio) for name, s in scores.items()}
    draws = [chance.integers(0, len(prompts), len(prompts)) for _ in range(repeats)]
    areas = {
        name: np.array([apgr(score[i], weak[i], strong[i]) for i in draws])
        for name, score in scores.items()
    }
    for name, area in areas.items():
        results[name]["apgr_ci"] = _quantiles(area)
        if name != "ours":
            results[name]["ours_minus_this_ci"] = _quantiles(areas["ours"] - area)
    return {
        "n": len(prompts),
        "weak": _rounded(weak.mean()),
        "strong": _rounded(strong.mean()),
        "price_ratio": ratio,
        **results.pop("ours"),
        "per_set": {
            str(name): _of_set(sets == name, ours, scores["length"], weak, strong)
            for name in sorted(set(sets))
        },
        "baselines": results,
    }


def _of_set(of: Any, ours: Any, length: Any, weak: Any, strong: Any) -> dict[str, float]:
    """One set alone: who of its own prompts is sent first."""
    return {
        "n": int(of.sum()),
        "gap": _rounded((strong - weak)[of].mean()),
        "apgr": _rounded(apgr(ours[of], weak[of], strong[of])),
        "length": _rounded(apgr(length[of], weak[of], strong[of])),
    }


def curve(score: Any, weak: Any, strong: Any) -> tuple[Any, Any]:
    """(share sent to the strong model, mean quality), from none to all, hardest first."""
    order = np.argsort(-score, kind="stable")
    gains = np.concatenate([[0.0], np.cumsum((strong - weak)[order])])
    n = len(score)
    return np.arange(n + 1) / n, weak.mean() + gains / n


def apgr(score: Any, weak: Any, strong: Any) -> float:
    """Average share of the gap that is closed; 0 where there is no gap to close."""
    share, quality = curve(score, weak, strong)
    gap = strong.mean() - weak.mean()
    if abs(gap) < 1e-9:
        return 0.0
    closed = (quality - weak.mean()) / gap
    return float(np.sum((closed[1:] + closed[:-1]) / 2 * np.diff(share)))


def measures(score: Any, weak: Any, strong: Any, ratio: float) -> dict[str, Any]:
    share, quality = curve(score, weak, strong)
    out: dict[str, Any] = {"apgr": _rounded(apgr(score, weak, strong))}
    for percent in (95, 99):
        enough = share[quality >= strong.mean() * percent / 100 - 1e-12]
        cost = (enough.min() * ratio + 1 - enough.min()) / ratio if len(enough) else 1.0
        out[f"saved_at_{percent}"] = _rounded(max(0.0, 1 - cost))
    return out


def _task_means(sets: Any, gain: Any) -> Any:
    """Each prompt's set's mean gain, without the prompt itself: the family known, nothing else."""
    out = np.zeros(len(sets))
    for name in set(sets):
        of = sets == name
        count = of.sum()
        out[of] = (gain[of].sum() - gain[of]) / max(1, count - 1)
        out[of] = np.mean(out[of])
    return out


def _interval(statistic: Callable[[Any], float], n: int, repeats: int) -> list[float]:
    chance = np.random.default_rng(_SEED)
    return _quantiles([statistic(chance.integers(0, n, n)) for _ in range(repeats)])


def _quantiles(values: Any) -> list[float]:
    return [_rounded(v) for v in np.percentile(values, (2.5, 97.5))]


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def _shown(out: dict[str, Any]) -> str:
    lines = []
    if tasks := out.get("tasks"):
        lines.append(
            f"tasks   {tasks['n']} prompts: accuracy {tasks['accuracy']:.3f} "
            f"{tasks['accuracy_ci']}, macro F1 {tasks['macro_f1']:.3f}; "
            f"over keyword rules {tasks['over_keyword_rules_ci']}; "
            f"p99 {tasks['milliseconds']['p99']} ms"
        )
        for name, row in tasks["per_source"].items():
            lines.append(f"  {name:44} {row['n']:6} {row['accuracy']:.3f}")
    if pairs := out.get("pairs"):
        lines.append(f"pairs   {pairs['n']} prompts, {pairs['weak']:.3f} to {pairs['strong']:.3f}")
        for name, row in {"ours": pairs, **pairs["baselines"]}.items():
            lines.append(
                f"  {name:12} APGR {row['apgr']:.3f} {row['apgr_ci']}  saved at 95 % "
                f"{row['saved_at_95']:.1%}, at 99 % {row['saved_at_99']:.1%}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    import sys

    raise SystemExit(main(sys.argv[1:]))
