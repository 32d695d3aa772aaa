"""How large a limit is that a refusal names, where it says so.

``Limit 8000, Used 2591, Requested 5863``, ``limit: 20``, ``a rate limit of 50,000 input tokens
per minute``. Finds only; which limit it is the rules know. Where two numbers stand for one
limit, or one is of something else, nothing is said: a wrong number is worse than none. Pure.
"""

from __future__ import annotations

import re

_NUMBER = r"(?P<n>\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.0+)?(?![\w%]|[.,]\d)"
_LIMIT = re.compile(
    r"(?:\blimit(?:ed)?(?: for this model)?(?:[ =]|: ?)(?:of |is |to )?"
    rf"|\bquotaValue[\"']\s*:\s*[\"']?|\bx-ratelimit-limit[\"']\s*:\s*[\"']?){_NUMBER}"
    r"(?:[ -](?P<unit>(?:[a-z]+[ -])?[a-z]+))?",
    re.IGNORECASE,
)
#: What may follow the number, by what is counted; or the sentence goes on.
_UNITS = {
    "requests": re.compile(r"\b(?:requests?|calls?|quer(?:y|ies)|messages?)$", re.IGNORECASE),
    "tokens": re.compile(r"\btokens?$", re.IGNORECASE),
    "input": re.compile(r"\btokens?$", re.IGNORECASE),
}
_GOES_ON = re.compile(r"^(?:per|every|for|in|reached|exceeded|used)\b", re.IGNORECASE)


def size(text: str, metric: str | None) -> int | None:
    """The size of a limit on ``metric``, in its unit; None: it does not say."""
    unit = _UNITS.get(metric or "")
    if unit is None:
        return None
    sizes = set()
    for found in _LIMIT.finditer(text):
        named = found["unit"]
        if named and not (
            _GOES_ON.match(named) or unit.search(named) or unit.search(named.split()[0])
        ):
            return None
        sizes.add(int(found["n"].replace(",", "")))
    return (sizes.pop() or None) if len(sizes) == 1 else None
