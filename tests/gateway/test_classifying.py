"""A model classifies: once per text, under the request's constraints, and rules stand behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from freeloader.clock import Instant, SystemClock
from freeloader.core.model import Caller, Gates, Level, Profile
from freeloader.core.privacy import Found, Watching
from freeloader.core.ranking.need import Curve
from freeloader.errors import BudgetExceeded, NoModelPassesGates, UpstreamFailed
from freeloader.gateway.asking import Asking
from freeloader.gateway.classifying import PAUSE_S, REMEMBERED_MAX, Classifier, Wish, read_answer
from freeloader.gateway.reading import Reader
from freeloader.money import Meters

CALLER = Caller("k", "client")
GOOD = 'Sure: {"task": "coding", "complexity": 0.9}'


@dataclass
class Clock:
    mono: float = 0.0

    def now(self) -> Instant:
        return Instant(self.mono, self.mono)


@dataclass
class House:
    says: str | Exception = GOOD
    wish: Wish = field(default_factory=lambda: Wish(True, "a/small"))
    asked: list[tuple[Mapping[str, Any], Profile]] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.classifier = Classifier(self.ask, lambda: self.wish, Curve, self.clock)

    async def ask(
        self, body: Mapping[str, Any], caller: Caller, seconds: float, like: Profile
    ) -> str:
        self.asked.append((body, like))
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    async def about(self, text: str, *, ask: bool = True, **more: Any) -> Profile:
        payload = {"messages": [{"role": "user", "content": text}]}
        blank = Profile("chat", "auto", frozenset(), Meters(), Meters(), task="", payload=payload)
        read = Reader(lambda _: Watching()).read_now(blank, None)
        if not self.classifier.wanted(read):
            return read
        return await self.classifier.refine(read, read, CALLER, ask=ask)


async def test_its_word_is_taken_and_remembered() -> None:
    house = House()
    for _ in range(3):
        found = await house.about("how are you?")
        assert (found.task, found.complexity, found.task_by) == ("coding", 0.9, "model")
        assert found.need == Curve().need("coding", 0.9)
    assert len(house.asked) == 1
    body, _ = house.asked[0]
    assert body["model"] == "a/small"
    assert body["metadata"] == {"taskType": "chat"}


async def test_without_asking_only_the_remembered_counts() -> None:
    house = House()
    assert (await house.about("how are you?", ask=False)).task_by == "weights"
    assert not house.asked
    await house.about("how are you?")
    assert (await house.about("how are you?", ask=False)).task_by == "model"


@pytest.mark.parametrize(
    "says",
    ["", "coding", '{"task": "cooking", "complexity": 0.5}', '{"task": "chat"}',
     '{"task": "chat", "complexity": 7}', '{"task": "chat", "complexity": true}', "{",
     UpstreamFailed("down")],
)  # fmt: skip
async def test_rules_stand_behind_it_and_a_broken_one_is_left_alone(says: Any) -> None:
    house = House(says)
    assert (await house.about("how are you?")).task == "chat"
    await house.about("and you?")
    assert len(house.asked) == 1
    house.clock.mono += PAUSE_S
    house.says = GOOD
    assert (await house.about("and you?")).task_by == "model"


@pytest.mark.parametrize("refusal", [NoModelPassesGates("local only"), BudgetExceeded("its own")])
async def test_one_requests_own_limits_silence_it_for_nobody_else(refusal: Exception) -> None:
    house = House(refusal)
    assert (await house.about("how are you?")).task_by == "weights"
    house.says = GOOD
    assert (await house.about("and you?")).task_by == "model"


async def test_nobody_is_asked_where_it_is_off() -> None:
    house = House(wish=Wish())
    assert (await house.about("how are you?")).task_by == "weights"
    assert not house.asked


async def test_what_is_remembered_is_bounded() -> None:
    house = House()
    for i in range(REMEMBERED_MAX + 50):
        house.classifier._known[str(i).encode()] = ("chat", 0.0)
    await house.about("how are you?")
    assert len(house.classifier._known) == REMEMBERED_MAX


def test_an_object_among_words_is_read() -> None:
    assert read_answer('```json\n{"task": "image", "complexity": 1}\n```') == ("image", 1.0)


async def test_the_question_is_put_under_the_requests_constraints() -> None:
    seen: list[Profile] = []

    class Pipe:
        async def prepare(self, profile: Profile, caller: Caller, *, spend: bool = True) -> Profile:
            seen.append(profile)
            raise UpstreamFailed("enough")

    gates = Gates(blocked_providers=frozenset({"groq"}), no_training=True)
    like = Profile(
        "chat", "auto", frozenset(), Meters(), Meters(), project="p",
        level=Level("request", gates=gates, max_cost=7), private=Found("local-only", {"card": 1}),
    )  # fmt: skip
    asking = Asking(Pipe(), lambda: "req", SystemClock())  # type: ignore[arg-type]
    body = {"messages": [{"role": "user", "content": "x"}], "metadata": {"taskType": "chat"}}
    with pytest.raises(UpstreamFailed):
        await asking.words(body, CALLER, 1.0, like)
    (asked,) = seen
    assert asked.level.gates.local_only
    assert asked.level.gates.no_training
    assert asked.level.gates.blocked_providers == {"groq"}
    assert (asked.level.max_cost, asked.project, asked.task) == (7, "p", "chat")
