"""Proposals under review, in a real database: kept once, decided, applied, taken back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from discovery_kit import FakeClock

from freeloader import catalog as catalogs
from freeloader.discovery.proposals import Proposal
from freeloader.discovery.review import OVERLAY, Automatic, Review
from freeloader.errors import Conflict, InvalidRequest, NotFound
from freeloader.store import Store

MODEL = "openai/gpt-oss-120b"


def dearer(price: float = 9.0, **more: Any) -> Proposal:
    pricing = {"input": price, "output": 9.0}
    fields: dict[str, Any] = {
        "before": {"pricing": {"input": 0.15, "output": 0.6}},
        "after": {"pricing": pricing},
        "source": "registry",
        "evidence": "a test",
        "confidence": "high",
        "patch": {"groq": {"models": {MODEL: {"pricing": pricing}}}},
        **more,
    }
    return Proposal("pricing_change", "groq", MODEL, **fields)


def link() -> Proposal:
    return Proposal("new_provider", "a.example", "", None, {"url": "x"}, "github", "a list")


class House:
    def __init__(self, store: Store, overlays: Path, clock: FakeClock) -> None:
        self.store, self.overlays, self.clock = store, overlays, clock
        self.changes = 0
        self.automatic = Automatic()
        self.review = Review(
            store.proposals, store.ledger, overlays, self.registry, clock, lambda: self.automatic,
            self.changed,
        )  # fmt: skip

    async def registry(self) -> Any:
        return catalogs.layers(self.overlays, OVERLAY)

    async def changed(self) -> None:
        self.changes += 1

    def price(self) -> int | None:
        price = catalogs.load(self.overlays, prices=None).models["groq", MODEL].price
        return None if price is None else price.input


@pytest_asyncio.fixture
async def house(tmp_path: Path, clock: FakeClock) -> AsyncIterator[House]:
    store = Store.open(tmp_path / "f.db", tmp_path / "j.db", clock)
    yield House(store, tmp_path / "registry", clock)
    await store.close()


async def test_approved_it_is_an_overlay_undone_it_is_gone(house: House) -> None:
    before = house.price()
    taken = await house.review.take([dearer()])
    (row,) = taken.waiting
    shown = (await house.review.listing("pending"))[0]
    assert (shown["kind"], shown["before"]["pricing"]["input"]) == ("pricing_change", 0.15)
    assert shown["evidence"] == "a test"
    assert not (house.overlays / OVERLAY).exists()
    house.clock.wall += 60
    done = await house.review.approve(row.id, "me")
    assert (done["state"], done["decidedBy"]) == ("applied", "me")
    assert house.price() == 9_000_000
    document = json.loads((house.overlays / OVERLAY).read_text())
    assert document["provenance"][str(row.id)]["decidedBy"] == "me"
    assert (house.overlays / OVERLAY).stat().st_mode & 0o777 == 0o600
    await house.review.undo(row.id, "me")
    assert house.price() == before
    assert not (house.overlays / OVERLAY).exists()
    assert house.changes == 3
    whats = [line.what for line in await house.store.ledger.audits()]
    assert whats[:2] == ["discovery.undo", "discovery.approve"]


async def test_the_same_is_asked_once_and_not_again_after_a_no(house: House) -> None:
    (row,) = (await house.review.take([dearer(), dearer()])).waiting
    assert (await house.review.take([dearer()])).waiting == ()
    await house.review.reject(row.id, "me")
    assert (await house.review.take([dearer()])).waiting == ()
    assert (await house.review.take([dearer(8.0)])).waiting, "another value is another question"


async def test_a_newer_word_on_the_same_thing_replaces_the_waiting_one(house: House) -> None:
    (old,) = (await house.review.take([dearer(8.0)])).waiting
    (new,) = (await house.review.take([dearer(9.0)])).waiting
    assert (await house.review.show(old.id))["state"] == "superseded"
    assert [row["id"] for row in await house.review.listing("pending")] == [str(new.id)]
    with pytest.raises(Conflict, match="superseded, not pending"):
        await house.review.approve(old.id, "me")
    (back,) = (await house.review.take([dearer(8.0)])).waiting
    assert back.id > new.id, "what was superseded may be true again"


async def test_a_weaker_source_does_not_talk_away_a_surer_one(house: House) -> None:
    page = {"source": "scraping", "confidence": "low"}
    (signed,) = (await house.review.take([dearer(8.0)])).waiting
    assert (await house.review.take([dearer(3.0, **page)])).waiting == ()
    assert [row["id"] for row in await house.review.listing("pending")] == [str(signed.id)]
    assert len(await house.review.cautions()) == 1
    await house.review.reject(signed.id, "me")
    (said,) = (await house.review.take([dearer(3.0, **page)])).waiting
    (surer,) = (await house.review.take([dearer(8.5)])).waiting
    assert (await house.review.show(said.id))["state"] == "superseded"
    assert [row["id"] for row in await house.review.listing("pending")] == [str(surer.id)]


async def test_what_waits_and_is_worse_is_reckoned_with(house: House) -> None:
    assert await house.review.cautions() == []
    (row,) = (await house.review.take([dearer(9.0)])).waiting
    (patch,) = await house.review.cautions()
    catalog = catalogs.load(house.overlays, prices=None, cautions=[patch])
    price = catalog.models["groq", MODEL].price
    assert price is not None
    assert price.input == 9_000_000
    await house.review.reject(row.id, "me")
    assert await house.review.cautions() == []


async def test_only_what_the_owner_allows_is_applied_by_itself(house: House) -> None:
    house.automatic = Automatic(frozenset({"pricing_change"}), "medium")
    proposals = [
        dearer(confidence="high"),
        Proposal("new_model", "groq", "n", None, {}, "api", "e", "high",
                 {"groq": {"models": {"n": {"family": "n"}}}}),
        link(),
    ]  # fmt: skip
    taken = await house.review.take(proposals)
    assert [row.kind for row in taken.applied] == ["pricing_change"]
    assert {row.kind for row in taken.waiting} == {"new_model", "new_provider"}
    assert house.price() == 9_000_000
    assert (await house.review.take([dearer(7.0, confidence="low")])).applied == ()


@pytest.mark.parametrize("source", ["scraping", "github"])
async def test_a_page_or_a_list_never_applies_by_itself(house: House, source: str) -> None:
    house.automatic = Automatic(frozenset({"pricing_change"}), "low")
    taken = await house.review.take([dearer(source=source)])
    assert (len(taken.waiting), taken.applied) == (1, ())


async def test_a_link_is_noted_nothing_is_applied(house: House) -> None:
    (row,) = (await house.review.take([link()])).waiting
    assert (await house.review.approve(row.id, "me"))["state"] == "noted"
    assert not (house.overlays / OVERLAY).exists()


async def test_what_does_not_fit_any_more_is_not_applied(house: House) -> None:
    patch = {"groq": {"models": {MODEL: {"pricing": {"input": "cheap"}}}}}
    (row,) = (await house.review.take([dearer(patch=patch)])).waiting
    with pytest.raises(Conflict, match="does not fit the registry any more"):
        await house.review.approve(row.id, "me")
    assert (await house.review.show(row.id))["state"] == "pending"


async def test_an_approval_is_the_owners_latest_word_automation_is_not(house: House) -> None:
    house.overlays.mkdir(exist_ok=True)
    mine = {"providers": {"groq": {"models": {MODEL: {"pricing": {"input": 4, "output": 4}}}}}}
    (house.overlays / "mine.json").write_text(json.dumps(mine))
    house.automatic = Automatic(frozenset({"pricing_change"}), "low")
    (row,) = (await house.review.take([dearer()])).waiting
    assert house.price() == 4_000_000
    await house.review.approve(row.id, "me")
    assert house.price() == 9_000_000


async def test_what_is_not_there_is_said(house: House) -> None:
    with pytest.raises(NotFound, match="xswarm discover list"):
        await house.review.show(77)
    with pytest.raises(InvalidRequest, match="A state is one of"):
        await house.review.listing("maybe")
    (row,) = (await house.review.take([dearer()])).waiting
    with pytest.raises(Conflict):
        await house.review.undo(row.id, "me")
