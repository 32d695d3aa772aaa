"""Prompts written for this project: templates filled in, and single ones; the same every time.

They cover what the licence-clean sets lack: everyday chat, questions of all trades, other
languages, summaries, translations. Nobody else's text is in them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

_HERE = Path(__file__).parent
_EACH = 6
_SLOT = re.compile(r"\{(\w+)\}")
_BETWEEN = "\n%%\n"


def own_prompts(seed: int = 3) -> list[tuple[str, str]]:
    """(prompt, label), each template filled in a few times."""
    found = json.loads((_HERE / "own_prompts.json").read_text(encoding="utf-8"))
    chance = random.Random(seed)
    out: dict[tuple[str, str], None] = {}
    for label, templates in found["prompts"].items():
        for template in templates:
            for _ in range(_EACH if "{" in template else 1):
                out[_filled(template, found["slots"], chance), label] = None
    return list(out)


def written_prompts() -> Iterator[tuple[str, str]]:
    """(prompt, label) of ``written/LABEL.txt``: one by one by hand, apart by lines of ``%%``."""
    for file in sorted((_HERE / "written").glob("*.txt")):
        for prompt in file.read_text(encoding="utf-8").removesuffix("\n").split(_BETWEEN):
            yield prompt, file.stem


def _filled(template: str, slots: dict[str, list[str]], chance: random.Random) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name == "number":
            return str(chance.randint(2, 400))
        if name == "digit":
            return str(chance.randint(2, 9))
        if name == "article":
            return " ".join(chance.choices(slots["sentence"], k=chance.choice((1, 3, 5, 9))))
        if name == "passage":
            return chance.choice(slots[chance.choice(("sentence", "phrase"))])
        return chance.choice(slots[name]) if name in slots else match[0]

    return _SLOT.sub(one, template)
