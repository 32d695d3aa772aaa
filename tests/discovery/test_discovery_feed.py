"""The registry feed: signed, newer, checked; and what is refused says why and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from discovery_kit import Facts, Said, Site, drip, huge

from freeloader.discovery import signing
from freeloader.discovery.feed import MEMORY, Feed, FeedRules, newer, signature_url
from freeloader.discovery.fetching import Web
from freeloader.discovery.publish import main as publish
from freeloader.errors import UpstreamFailed

PRIVATE = signing.new_private()
PUBLIC = signing.public_of(PRIVATE)
CURRENT: dict[str, Any] = {
    "p": {
        "displayName": "P",
        "kind": "cloud",
        "status": "active",
        "litellm": {"prefix": "openai"},
        "models": {"m": {"family": "m", "pricing": {"input": 1.0, "output": 2.0}}},
    }
}


def document(version: str = "2026.12.01", price: float = 3.0) -> dict[str, Any]:
    models = {"m": {"pricing": {"input": price, "output": 2.0}}, "n": {"family": "n"}}
    return {"version": version, "providers": {"p": {"models": models}}}


def put(site: Site, content: Any, key: str = PRIVATE) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    site.pages["/feed.json"] = raw
    site.pages["/feed.json.sig"] = signing.sign(raw, key)


def feed(site: Site, facts: Facts, keys: tuple[str, ...] = (PUBLIC,), **web: Any) -> Feed:
    async def registry() -> tuple[str, dict[str, Any]]:
        return "2026.11.20+overlay", CURRENT

    rules = FeedRules(f"{site.base}/feed.json", keys)
    return Feed(Web(**web), facts, registry, lambda: rules)


async def test_a_good_feed_yields_proposals_and_is_read_once(site, facts, said) -> None:
    put(site, document())
    source = feed(site, facts)
    found = await source.look(said)
    assert {(p.kind, p.subject) for p in found.proposals} == {
        ("pricing_change", "m"),
        ("new_model", "n"),
    }
    assert found.notes == ("version 2026.12.01",)
    assert facts.kept == {}, "remembered when the proposals are kept, not before"
    facts.kept |= found.remember
    assert (await source.look(said)).notes == ("unchanged",)
    assert site.asked.count("/feed.json.sig") == 1
    other = feed(site, facts, (PUBLIC, signing.public_of(signing.new_private())))
    assert (await other.look(said)).proposals, "another trust is another feed"


async def refused(site: Site, facts: Facts, said: Said, words: str, **options: Any) -> None:
    with pytest.raises(UpstreamFailed, match=words):
        await feed(site, facts, **options).look(said)
    assert facts.kept.get(MEMORY) is None


async def test_what_is_not_signed_by_a_trusted_key_is_refused(site, facts, said) -> None:
    put(site, document(), signing.new_private())
    await refused(site, facts, said, "not by a key in")
    put(site, document())
    site.pages["/feed.json"] = json.dumps(document(price=0.0)).encode()
    await refused(site, facts, said, "does not fit its content")
    site.pages["/feed.json.sig"] = b"\xff\x00 nothing\ned25519 x y\n"
    await refused(site, facts, said, "not by a key in")
    site.pages["/feed.json.sig"] = b""
    await refused(site, facts, said, "is not signed")
    del site.pages["/feed.json.sig"]
    await refused(site, facts, said, "answers 404")


async def test_an_older_version_is_refused_the_same_is_not(site, facts, said) -> None:
    put(site, document("2026.11.19"))
    await refused(site, facts, said, "older than 2026.11.20")
    put(site, document("2026.11.20"))
    assert (await feed(site, facts).look(said)).proposals
    facts.kept[MEMORY] = json.dumps(
        {"url": f"{site.base}/feed.json", "keys": PUBLIC, "version": "2026.12.05"}
    )
    put(site, document("2026.12.04"))
    with pytest.raises(UpstreamFailed, match=r"older than 2026\.12\.05"):
        await feed(site, facts).look(said)


@pytest.mark.parametrize("content", [b"not json", b"[]", b'{"providers": []}', b"\xff\xfe"])
async def test_what_is_no_document_is_refused_though_signed(site, facts, said, content) -> None:
    put(site, content)
    await refused(site, facts, said, "The feed is")


@pytest.mark.parametrize("version", [None, 5, "tomorrow", "1.2.3.4.5.6.7", "-1", "1..2"])
def test_a_version_is_numbers(version: Any) -> None:
    with pytest.raises(UpstreamFailed, match="no version"):
        newer({"version": version})


async def test_a_bad_entry_is_refused_alone_and_said(site, facts, said) -> None:
    content = document()
    content["providers"]["p"]["models"]["bad"] = {"family": "f", "context": -1}
    content["providers"]["q"] = {"kind": "planet"}
    put(site, content)
    found = await feed(site, facts).look(said)
    assert len(found.proposals) == 2
    assert "p/bad: context" in found.notes[1]
    assert "q.kind" in " ".join(found.notes)


async def test_a_huge_or_dripping_feed_is_dropped(site, facts, said) -> None:
    site.pages["/feed.json"] = huge
    await refused(site, facts, said, "larger than", most_bytes=1 << 20)
    site.pages["/feed.json"] = drip
    await refused(site, facts, said, "was not read in", seconds=0.2)


async def test_without_address_or_key_nothing_is_read(site, facts, said) -> None:
    put(site, document())
    found = await feed(site, facts, ()).look(said)
    assert found.notes == ("not read: discovery.registry.keys is not set",)
    assert site.asked == []


def test_where_a_signature_is() -> None:
    assert signature_url("https://a.example/r.json?x=1") == "https://a.example/r.json.sig?x=1"


def test_anyone_can_build_and_sign_a_feed(tmp_path, capsys) -> None:
    key, out = tmp_path / "key", tmp_path / "r.json"
    assert publish(["key", str(key)]) == 0
    public = capsys.readouterr().out.strip()
    assert key.stat().st_mode & 0o777 == 0o600
    assert publish(["build", str(key), str(out), "--version", "2027.01.01"]) == 0
    raw = out.read_bytes()
    assert signing.verified(raw, (tmp_path / "r.json.sig").read_bytes(), [public]) == public
    assert json.loads(raw)["version"] == "2027.01.01"
    assert publish(["key", str(key)]) == 1, "a key is not overwritten"
    assert "name a new file" in capsys.readouterr().err
    assert publish(["build", str(tmp_path / "no"), str(out)]) == 1
    assert "`scripts/registry key FILE` makes a key" in capsys.readouterr().err
