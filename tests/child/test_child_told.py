"""R6: usage told several times: what grows is believed, of all else the largest is kept."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from freeloader.child.inside.door import meta
from freeloader.child.inside.wire import Wire
from freeloader.child.told import Told

counts = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=8)


def usage(prompt: int, output: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": output}


def told(pairs: list[tuple[int, int]], text: bool = True) -> Told:
    found = Told(usage(*pairs[0]))
    for pair in pairs[1:]:
        found.again(usage(*pair), text)
    return found


@given(counts)
def test_r6_what_grows_is_the_last_one(pairs: list[tuple[int, int]]) -> None:
    prompts, outputs = (sorted(side) for side in zip(*pairs, strict=True))
    growing = list(zip(prompts, outputs, strict=True))
    found = told(growing, text=False)
    assert (found.best, found.contrary) == (usage(*growing[-1]), False)


@given(counts, st.booleans())
def test_r6_never_less_than_the_largest(pairs: list[tuple[int, int]], text: bool) -> None:
    found = told(pairs, text)
    assert sum(found.best.values()) == max(map(sum, pairs))
    if any(b[0] < a[0] or b[1] < a[1] for a, b in itertools.pairwise(pairs)):
        assert found.contrary


def test_r6_a_count_that_stands_still_while_text_comes_is_of_one_chunk_only() -> None:
    assert not told([(3, 1)] * 3).contrary
    assert told([(3, 1)] * 4).contrary
    assert not told([(3, 1)] * 4, text=False).contrary
    assert not told([*[(3, 1)] * 4, (3, 9)]).contrary, "and then it grew"


def test_r6_nothing_and_nonsense_do_not_replace_what_was_told() -> None:
    found = Told({"prompt_tokens": 3, "completion_tokens": float("nan")})
    for one in ({}, usage(3, 5), {"prompt_tokens": 0}, usage(-1, 9), {"completion_tokens": "9"}):
        found.again(one, True)
    assert (found.best, found.contrary) == (usage(3, 5), False)


def test_r6_the_child_does_not_believe_what_contradicts_itself() -> None:
    for outputs, best, believed in (((40, 2), 40, False), ((2, 40), 40, True), ((40, 0), 40, True)):
        wire = Wire()
        for output in outputs:
            prompt = 3 if output else 0
            wire.feed(b'data: {"usage": {"prompt_tokens": %d, "completion_tokens": %d}}\n\n'
                      % (prompt, output))  # fmt: skip
        found = meta(wire)
        assert (found["rawUsage"]["completion_tokens"], found["usage"]) == (best, believed)
