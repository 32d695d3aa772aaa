"""Rules that can be ruled out at a glance: a pattern, and what must stand wherever it matches.

Looking for a few plain substrings costs a tenth of trying a pattern with many alternatives
at every character; nearly all texts are decided by that. What a rule means is its pattern's
business alone: a hint never makes one match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """``hints``: every match holds at least one of them. None at all: the pattern is cheap."""

    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()

    def matches(self, text: str) -> bool:
        if not self.hints:
            return self.pattern.search(text) is not None
        for hint in self.hints:
            if hint in text:
                return self.pattern.search(text) is not None
        return False


def rule(pattern: str, hints: str = "") -> Rule:
    """``hints`` separated by ``|``, as they stand in lower-case text."""
    return Rule(re.compile(pattern), tuple(hints.split("|")) if hints else ())
