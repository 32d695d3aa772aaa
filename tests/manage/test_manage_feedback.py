"""Votes: about an answer that was given, once per decision, kept over a restart, forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freeloader.clock import SystemClock
from freeloader.core.feedback import Opinion
from freeloader.core.model import Caller
from freeloader.errors import InvalidRequest, NotFound
from freeloader.manage.feedback import Feedback
from freeloader.store import DecisionRow, Store
from freeloader.store import feedback as table

OWNER, GUEST = Caller("k-admin", "admin"), Caller("k-guest", "client", project="beta")


class House:
    """A real store, and books that note what they are told."""

    def __init__(self, folder: Path) -> None:
        clock = SystemClock()
        self.store = Store.open(folder / "l.db", folder / "j.db", clock)
        self.heard: dict[tuple[str, str], Opinion] = {}
        self.feedback = Feedback(self.store.feedback, self, self.store.ledger, clock, self._heed)

    def _heed(self, opinions: Any) -> None:
        self.heard = dict(opinions)

    async def get_decision(self, decision_id: str) -> dict[str, Any] | None:
        return await self.store.journal.get(decision_id)

    def decided(self, name: str, model: str = "a/m", task: str = "coding", **more: Any) -> str:
        row = DecisionRow(name, "r", 1.0, model=model, task=task, outcome="answered", **more)
        self.store.journal.decision(row)
        return name


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    one = House(tmp_path)
    yield one
    await one.store.close()


async def test_a_vote_is_kept_summed_and_told_to_the_books(house: House, tmp_path: Path) -> None:
    for name, score in (("d1", 1), ("d2", 0.5)):
        answer = await house.feedback.give(
            {"decisionId": house.decided(name), "score": score, "comment": "fine"}, OWNER
        )
    assert answer["votes"] == 2
    assert answer["shift"] > 0
    assert house.heard == {("a/m", "coding"): Opinion(2, 1.5)}
    await house.store.close()
    again = House(tmp_path)
    await again.feedback.load()
    assert again.heard == {("a/m", "coding"): Opinion(2, 1.5)}
    house.store = again.store


async def test_the_latest_word_on_a_decision_stands(house: House) -> None:
    house.decided("d1")
    for score in (0, 0, 1):
        await house.feedback.give({"decision_id": "d1", "score": score}, OWNER)
    assert house.heard == {("a/m", "coding"): Opinion(1, 1.0)}


@pytest.mark.parametrize(
    "body",
    [{}, {"decisionId": "d1"}, {"score": 1}, {"decisionId": "d1", "score": 5},
     {"decisionId": "d1", "score": -1}, {"decisionId": "d1", "score": "good"},
     {"decisionId": "d1", "score": 1, "stars": 5}, {"decisionId": "d1", "score": True},
     {"decisionId": "d1", "score": 1, "comment": "x" * 2001}],
)  # fmt: skip
async def test_a_bad_vote_is_refused_and_nothing_is_kept(house: House, body: Any) -> None:
    house.decided("d1")
    with pytest.raises(InvalidRequest):
        await house.feedback.give(body, OWNER)
    assert not house.heard


async def test_no_vote_on_what_nobody_answered_or_somebody_elses(house: House) -> None:
    house.decided("none", model="")
    house.decided("theirs", project="alpha")
    with pytest.raises(InvalidRequest):
        await house.feedback.give({"decisionId": "none", "score": 1}, OWNER)
    with pytest.raises(NotFound):
        await house.feedback.give({"decisionId": "theirs", "score": 1}, GUEST)


async def test_scores_are_forgotten_by_model_by_task_or_all(house: House) -> None:
    for i, (model, task) in enumerate([("a/m", "coding"), ("a/m", "chat"), ("b/n", "chat")]):
        house.decided(f"d{i}", model, task)
        await house.feedback.give({"decisionId": f"d{i}", "score": 1}, OWNER)
    assert [row["model"] for row in house.feedback.listing()] == ["a/m", "a/m", "b/n"]
    assert await house.feedback.reset("a/m", "chat", "k") == {"forgotten": 1}
    assert set(house.heard) == {("a/m", "coding"), ("b/n", "chat")}
    assert await house.feedback.reset(None, None, "k") == {"forgotten": 2}
    assert house.heard == {}
    assert [row.what for row in await house.store.ledger.audits()][:2] == ["feedback.reset"] * 2


async def test_the_oldest_votes_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "VOTES_MAX", 3)
    for i in range(6):
        house.decided(f"d{i}")
        await house.feedback.give({"decisionId": f"d{i}", "score": 1}, OWNER)
    ((_, opinion),) = house.heard.items()
    assert opinion.votes == 3
