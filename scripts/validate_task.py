"""How good the task weights are on sources and families that they never saw. Trains, ships nothing.

    python scripts/validate_task.py --tasks TRAIN.parquet [DEV.parquet] --pairs PAIRS.parquet

Each trained source group is judged by weights fitted without it, every other source by
weights fitted on all; the project's own prompts that resemble a judged one are left out of
both. Beside each figure stand plain keyword rules (prompt length for pairs) on the same
prompts, and the 95 % interval of the difference by paired bootstrap over prompts. The figure
over all counts every source alike: its size in the files says nothing of how often it is asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import train_task
from benches.quality import apgr, keyword_task, macro_f1
from rapidfuzz import fuzz, process
from training import own

from freeloader.core.task import model
from freeloader.core.task.detect import detect
from freeloader.core.task.text import cut
from freeloader.core.task.turn import Turn

#: Trained sources that stand for one kind of collection are left out together.
GROUPS = ("arena_hard", "bfcl", "ulab_")
#: Above this likeness of words an own prompt counts as a copy of the judged one.
_ALIKE, _ALIKE_SHORT = 62, 60
_REPEATS, _SEED = 1_000, 20_261_125
#: A family left out is judged on at most so many prompts.
_MOST = 1_500


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--tasks", type=Path, nargs="+", required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    given = parser.parse_args()
    pairs = pl.read_parquet(given.pairs)
    tasks = pl.concat([pl.read_parquet(f).select("prompt", "label", "source") for f in given.tasks])
    _without_copies(tasks["prompt"].to_list())
    _report_tasks(given.tasks, tasks, train_task.fit_gains(pairs))
    _report_pairs(pairs, train_task.fit_tasks(given.tasks))
    return 0


def _without_copies(judged: Sequence[str]) -> None:
    """Own prompts that resemble a judged one are not trained on in this process."""
    heads = [prompt.lower()[:400] for prompt in judged]
    kept = []
    for prompt, label in own.written_prompts():
        short = len(prompt) <= _ALIKE_SHORT
        found = process.extractOne(
            prompt.lower()[:400], heads, scorer=fuzz.ratio if short else fuzz.token_set_ratio
        )
        if found is None or found[1] < _ALIKE:
            kept.append((prompt, label))
    train_task.written_prompts = lambda: iter(kept)
    _say(f"own prompts kept: {len(kept)} of {sum(1 for _ in own.written_prompts())}")


def _report_tasks(files: Sequence[Path], table: pl.DataFrame, gain: dict[str, Any]) -> None:
    prompts = table["prompt"].to_list()
    labels, sources = np.array(table["label"].to_list()), np.array(table["source"].to_list())
    ours = np.empty(len(prompts), dtype=object)
    for group in ("", *GROUPS):
        of = np.char.startswith(sources.astype(str), group or "\0")
        if not group:
            of = ~np.any([np.char.startswith(sources.astype(str), g) for g in GROUPS], axis=0)
        weights = model.unpack(train_task.packed(*train_task.fit_tasks(files, group), gain))
        for i in np.flatnonzero(of):
            ours[i] = detect(Turn(prompts[i], len(prompts[i])), weights=weights).name
        _say(f"judged without {group or 'nothing'}: {of.sum()}")
    rules = np.array([keyword_task(prompt) for prompt in prompts])
    by = [np.flatnonzero(sources == name) for name in sorted(set(sources))]
    for of in by:
        right, base = ours[of] == labels[of], rules[of] == labels[of]
        name = str(sources[of[0]])[:44]
        print(f"  {name:44} {len(of):5}  {right.mean():.3f}  rules {base.mean():.3f}")
    right, base = ours == labels, rules == labels

    def over(draw: Callable[[Any], Any]) -> float:
        chosen = [draw(of) for of in by]
        return float(np.mean([right[i].mean() - base[i].mean() for i in chosen]))

    low, high = _interval(lambda chance: over(lambda of: chance.choice(of, len(of))))
    print(
        f"tasks: accuracy {np.mean([right[of].mean() for of in by]):.3f}, every source alike; "
        f"macro F1 over all prompts {macro_f1(labels, ours):.3f}; over keyword rules "
        f"{over(lambda of: of):+.3f} [{low:+.3f}, {high:+.3f}]"
    )


def _report_pairs(table: pl.DataFrame, heads: tuple[Any, Any]) -> None:
    kinds: dict[str, list[str]] = {}
    for name in sorted(set(table["set"])):
        kinds.setdefault(train_task.KIN.get(name, name), []).append(name)
    chance = np.random.default_rng(_SEED)
    for kind, sets in kinds.items():
        out = pl.col("set").is_in(sets)
        judged = table.filter(out)
        if judged.height > _MOST:
            judged = judged.sample(_MOST, seed=_SEED)
        weights = model.unpack(train_task.packed(*heads, train_task.fit_gains(table.filter(~out))))
        prompts = judged["prompt"].to_list()
        noise = chance.random(len(prompts)) * 1e-9
        ours = noise + [weights.read(cut(p), len(p)).complexity for p in prompts]
        length = noise + [float(len(p)) for p in prompts]
        weak, strong = judged["weak_quality"].to_numpy(), judged["strong_quality"].to_numpy()

        def area(score: Any, i: Any, weak: Any = weak, strong: Any = strong) -> float:
            return apgr(score[i], weak[i], strong[i])

        def apart(chance: Any, ours: Any = ours, length: Any = length, area: Any = area) -> float:
            i = chance.integers(0, len(ours), len(ours))
            return float(area(ours, i) - area(length, i))

        low, high = _interval(apart)
        print(
            f"  without {kind:14} {len(prompts):5}  gap {(strong - weak).mean():+.3f}  APGR "
            f"{area(ours, slice(None)):.3f}  length {area(length, slice(None)):.3f}  "
            f"apart [{low:+.3f}, {high:+.3f}]",
            flush=True,
        )


def _interval(statistic: Callable[[Any], float]) -> tuple[float, float]:
    chance = np.random.default_rng(_SEED)
    low, high = np.percentile([statistic(chance) for _ in range(_REPEATS)], (2.5, 97.5))
    return float(low), float(high)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
