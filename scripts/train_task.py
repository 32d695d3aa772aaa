"""Trains the weights of ``freeloader/core/task``: task, gain and family heads over hashed words.

    python scripts/train_task.py --tasks TRAIN.parquet --more DEV.parquet --pairs PAIRS.parquet

Columns: ``prompt, label, source`` and ``set, prompt, weak_quality, strong_quality``. Only rows of
licence-clean sources are trained on (``CLEAN``), with the project's own prompts; everything
else in the files is for validation: by ``scripts/validate_task.py``, which leaves sources out, and
by ``scripts/bench quality``, which judges what is shipped.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import LogisticRegression
from training.own import own_prompts, written_prompts

from freeloader.core.task import model
from freeloader.core.task.cues import CUE_NAMES
from freeloader.core.task.plain import plain_task
from freeloader.core.task.text import BUCKETS, asked, cut, marks

#: What a function-calling set calls an action, and everybody else a sum.
_SUMS = re.compile(
    r"(?i)(?:please |can you )?(?:calculate|compute|find the|determine|solve|evaluate|estimate"
    r"|what is the|what's the|how (?:many|much|long|far))\b"
)
ROOT = Path(__file__).resolve().parents[1]
#: Sources under Apache or MIT (see NOTICE.md); the others are never trained on.
CLEAN = ("ulab_", "bfcl", "arena_hard")
TASKS = ("chat", "coding", "reasoning", "agent_step")
#: Words count less than cues: they transfer less from one source to another.
WORD_SHARE = 0.6
#: What pushes an unsure text to chat: chosen on sources left out (see the bench).
CHAT_BIAS, AGENT_BIAS = 1.2, -0.5
_PER_SOURCE, _PER_SET = 120, 300
#: Real, hard, many-languaged prompts are few in the clean sets: each counts more.
_REAL, _ACTIONS = 6.0, 2.0
_WRITTEN = 4.0
#: Shares of the three views of complexity. What is learned counts as far as a text is of a
#: known kind (``known``); for all others length alone tells, which nothing learned beats there.
BLEND = {"gain": 1.2, "family": 0.8, "length": 0.4}
#: Sets that ask the same kind of question: whoever knows one of them knows the kind.
KIN = {
    "RL-gsm8k": "school sums", "ZE-gsm": "school sums", "UL-gsm": "school sums",
    "UL-mgsm": "school sums", "UL-math": "contest math", "ZE-math-l5": "contest math",
}  # fmt: skip
#: A text is known where it is taken for a kind as surely as the surer half of that kind's own
#: texts, fully so from their third quarter on. Chosen on families left out.
_KNOWN = (50, 75)
#: What nobody graded: the project's own prompts stand for it, by this much, as a family that is
#: never known. A text of none of the graded families then has somewhere else to go.
_OTHER, _OTHER_WEIGHT, _NEVER = "other", 1_000.0, [2.0, 3.0]
#: So little that the families' chances stay doubts: a set left out is not taken for another.
_FAMILY_C = 0.03
_STEPS = 40


def matrix(prompts: Sequence[str]) -> Any:
    """Hashed words (weighted down) beside cues, one row per prompt."""
    rows, columns = [], []
    cue_rows, cue_columns = [], []
    for i, prompt in enumerate(prompts):
        buckets, cues = marks(cut(prompt))
        rows += [i] * len(buckets)
        columns += sorted(buckets)
        cue_rows += [i] * len(cues)
        cue_columns += sorted(cues)
    n = len(prompts)
    words = csr_matrix((np.full(len(rows), WORD_SHARE), (rows, columns)), shape=(n, BUCKETS))
    cued = csr_matrix((np.ones(len(cue_rows)), (cue_rows, cue_columns)), shape=(n, len(CUE_NAMES)))
    return hstack([words, cued]).tocsr()


def task_rows(files: Sequence[Path], without: str = "") -> list[tuple[str, str, float]]:
    """(prompt, label, weight) of what may be trained on and no plain rule decides.

    ``without``: sources that begin so are left out (validation).
    """
    found: list[tuple[str, str, str]] = []
    for file in files:
        table = pl.read_parquet(file).select("prompt", "label", "source")
        found += [row for row in table.rows() if row[2].startswith(CLEAN)]
    found = [row for row in found if not without or not row[2].startswith(without)]
    counts = Counter(source for _, _, source in found)
    rows = [
        (p, label, _weight(s, counts[s]))
        for p, label, s in found
        if label != "agent_step" or not _SUMS.match(p)
    ]
    rows += [(p, label, 1.0) for p, label in own_prompts()]
    rows += [(p, label, _WRITTEN) for p, label in written_prompts()]
    return [r for r in rows if r[1] in TASKS and plain_task(asked(cut(r[0])), len(r[0])) is None]


def _weight(source: str, count: int) -> float:
    if source.startswith("arena"):
        return _REAL
    even = min(1.0, _PER_SOURCE / count)
    return even * _ACTIONS if source.startswith("bfcl") else even


def fit_tasks(files: Sequence[Path], without: str = "") -> tuple[Any, Any]:
    """Coefficients and intercepts of the task heads, in the order of ``TASKS``."""
    rows = task_rows(files, without)
    fitted = LogisticRegression(C=0.15, max_iter=400)
    prompts, labels, weights = zip(*rows, strict=True)
    fitted.fit(matrix(prompts), labels, sample_weight=weights)
    order = [list(fitted.classes_).index(name) for name in TASKS]
    biases = fitted.intercept_[order] + [
        {"chat": CHAT_BIAS, "agent_step": AGENT_BIAS}.get(name, 0.0) for name in TASKS
    ]
    return fitted.coef_[order], biases


def fit_gains(table: pl.DataFrame) -> dict[str, Any]:
    """Heads for weak ok, strong ok and the families, with what blends them into one number."""
    prompts, sets = table["prompt"].to_list(), table["set"].to_numpy()
    weak, strong = table["weak_quality"].to_numpy(), table["strong_quality"].to_numpy()
    counts = Counter(sets)
    weight = np.array([min(1.0, _PER_SET / counts[name]) for name in sets])
    x = matrix(prompts)
    heads = [_soft(x, weak, weight), _soft(x, strong, weight)]
    family = _families(x, sets, weight)
    chances = family.predict_proba(x)
    known, share_known = _known(chances, list(family.classes_), sets)
    mean_gain = float(np.average(strong - weak, weights=weight))
    gains = [
        mean_gain if name == _OTHER else float((strong - weak)[sets == name].mean())
        for name in family.classes_
    ]
    views = {
        "gain": heads[1].predict_proba(x)[:, 1] - heads[0].predict_proba(x)[:, 1],
        "family": chances @ np.array(gains),
        "length": np.log1p([min(len(p), model.LONG) for p in prompts]),
    }
    blend, score = {}, np.zeros(len(prompts))
    for name, share in BLEND.items():
        mean = float(np.average(views[name], weights=weight))
        deviation = float(np.sqrt(np.average((views[name] - mean) ** 2, weights=weight)))
        blend[name] = [share, mean, deviation]
        counts_for = 1.0 if name == "length" else share_known
        score += counts_for * share * (views[name] - mean) / deviation
    order = np.argsort(score)
    reached = np.cumsum(weight[order]) / weight.sum()
    steps = np.interp(np.linspace(0, 1, _STEPS + 1), reached, score[order])
    return {
        "coef": np.vstack([heads[0].coef_, heads[1].coef_, family.coef_]),
        "bias": np.concatenate([heads[0].intercept_, heads[1].intercept_, family.intercept_]),
        "gains": gains,
        "families": list(family.classes_),
        "blend": blend,
        "known": known,
        "steps": [round(float(s), 5) for s in steps],
    }


def _families(x: Any, sets: Any, weight: Any) -> LogisticRegression:
    other = [prompt for prompt, _ in (*own_prompts(), *written_prompts())]
    share = np.full(len(other), _OTHER_WEIGHT / len(other))
    return LogisticRegression(C=_FAMILY_C, max_iter=200).fit(
        vstack([x, matrix(other)]).tocsr(),
        np.concatenate([sets.astype(object), np.full(len(other), _OTHER, dtype=object)]),
        sample_weight=np.concatenate([weight, share]),
    )


def _known(chances: Any, families: Sequence[str], sets: Any) -> tuple[dict[str, Any], Any]:
    """Which families are of a kind, how sure one must be of each; and each text's share 0–1."""
    kinds = sorted({KIN.get(name, name) for name in families})
    of = np.array([kinds.index(KIN.get(name, name)) for name in families])
    sure = np.stack([chances[:, of == k].sum(axis=1) for k in range(len(kinds))], axis=1)
    own = np.array([kinds.index(KIN.get(name, name)) for name in sets])
    since = np.array(
        [
            _NEVER if kind == _OTHER else np.percentile(sure[own == k].max(axis=1), _KNOWN)
            for k, kind in enumerate(kinds)
        ]
    ).round(5)
    low, high = since[sure.argmax(axis=1)].T
    share = np.clip((sure.max(axis=1) - low) / (high - low), 0, 1)
    return {"kind": of.tolist(), "since": since.tolist()}, share


def _soft(x: Any, share: Any, weight: Any) -> LogisticRegression:
    """A regression on shares: each text once as right and once as wrong, by weight."""
    y = np.r_[np.ones(len(share)), np.zeros(len(share))]
    both = np.r_[weight * share, weight * (1 - share)] + 1e-9
    return LogisticRegression(C=0.1, max_iter=300).fit(vstack([x, x]), y, sample_weight=both)


def packed(task_coef: Any, task_bias: Any, gain: dict[str, Any]) -> bytes:
    """All heads as small whole numbers; a head's scale is that of its largest word."""
    coef = np.vstack([task_coef, gain["coef"]])
    bias = np.concatenate([task_bias, gain["bias"]])
    words, cues = coef[:, :BUCKETS] * WORD_SHARE, coef[:, BUCKETS:]
    scales = np.maximum(np.abs(words).max(axis=1) / 127, np.abs(cues).max(axis=1) / 32_000)
    small = np.round(words / scales[:, None]).astype(np.int8)
    large = np.round(cues / scales[:, None]).astype(np.int16)
    header = {
        "buckets": BUCKETS,
        "cues": list(CUE_NAMES),
        "tasks": list(TASKS),
        "families": gain["families"],
        "scales": [float(f"{s:.6g}") for s in scales],
        "biases": [round(float(b), 5) for b in bias],
        "gains": [round(g, 5) for g in gain["gains"]],
        "blend": gain["blend"],
        "known": gain["known"],
        "steps": gain["steps"],
    }
    return model.pack(header, small.T.tobytes() + large.T.tobytes())


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="more task files")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--without", nargs="*", default=[], help="sets to leave out (validation)")
    parser.add_argument("--sample", help="K/N: leave out rows whose number mod N is K (validation)")
    parser.add_argument("--out", type=Path, default=ROOT / "freeloader/core/task/weights.bin")
    asked_for = parser.parse_args()
    table = pl.read_parquet(asked_for.pairs).filter(~pl.col("set").is_in(asked_for.without))
    if asked_for.sample:
        k, n = map(int, asked_for.sample.split("/"))
        table = table.with_row_index().filter(pl.col("index") % n != k)
    data = packed(*fit_tasks([asked_for.tasks, *asked_for.more]), fit_gains(table))
    asked_for.out.write_bytes(data)
    print(f"{asked_for.out}: {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
