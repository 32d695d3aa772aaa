"""Awesome lists: links to API providers that the registry does not know, for a person only.

A list is Markdown, read with a Markdown parser. A link counts where its row speaks
of an API; what it leads to is not fetched. Such a proposal has no patch: nobody can
route to a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from freeloader.core.model import Provider
from freeloader.discovery.fetching import Web
from freeloader.discovery.proposals import Proposal
from freeloader.discovery.source import Found, Says
from freeloader.errors import FreeloaderError

#: New links proposed per list and run; a list that has more is shown in portions.
LINKS_MAX = 50
_TEXT_MAX = 300
_WORDS = re.compile(
    r"\b(api|apis|inference|endpoint|openai[- ]compatible|tokens?|rpm|rpd|free tier|credits?)\b",
    re.IGNORECASE,
)
#: Where lists link to without meaning a provider.
_ELSEWHERE = frozenset(
    (
        *("github.com", "githubusercontent.com", "shields.io", "huggingface.co", "google.com"),
        *("twitter.com", "x.com", "discord.gg", "discord.com", "youtube.com", "reddit.com"),
        *("medium.com", "linkedin.com", "wikipedia.org", "arxiv.org"),
    )
)
_SECOND_LEVEL = frozenset(("co", "com", "org", "net", "ac", "gov", "edu"))


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a list: its text, where it leads, and the row it stands in."""

    text: str
    url: str
    row: str


class Awesome:
    """A ``Source`` over the addresses in the settings."""

    name = "github"

    def __init__(
        self,
        web: Web,
        providers: Callable[[], Mapping[str, Provider]],
        urls: Callable[[], Iterable[str]],
    ) -> None:
        self._web, self._providers, self._urls = web, providers, urls

    async def look(self, progress: Says) -> Found:
        urls = list(self._urls())
        if not urls:
            return Found(notes=("no list is set: discovery.github.urls",))
        known = known_sites(self._providers().values())
        found: dict[str, Proposal] = {}
        notes: list[str] = []
        for url in urls:
            progress.say(f"reading {url}")
            try:
                page = await self._web.get(url, given=True)
            except FreeloaderError as problem:
                notes.append(problem.message)
                continue
            fresh = unknown(links(page.body.decode("utf-8", "replace")), known)
            for link in list(fresh)[:LINKS_MAX]:
                found.setdefault(site(link.url), _proposal(link, url))
        if notes and len(notes) == len(urls):
            raise FreeloaderError(f"No list could be read: {notes[0]}")
        return Found(tuple(found.values()), (f"{len(urls)} lists read", *notes))


def links(markdown: str) -> Iterator[Link]:
    """The external links of a Markdown text, each with the text of its row or paragraph."""
    from markdown_it import MarkdownIt

    for token in MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown):
        if token.type == "inline" and token.children:
            yield from _links_in(token.children, token.content)


def _links_in(children: list[Any], row: str) -> Iterator[Link]:
    target, words = "", ""
    for child in children:
        if child.type == "link_open":
            target, words = str(child.attrGet("href") or ""), ""
        elif child.type == "link_close":
            if urlsplit(target).scheme in ("http", "https"):
                yield Link(_plain(words), target[:2000], _plain(row))
            target = ""
        elif target and child.content:
            words += child.content


def unknown(found: Iterable[Link], known: frozenset[str]) -> Iterator[Link]:
    """Links whose row speaks of an API and whose site no provider of ours has, each site once."""
    seen: set[str] = set()
    for link in found:
        where = site(link.url)
        if not where or where in known or where in _ELSEWHERE or where in seen:
            continue
        if _WORDS.search(link.row) or _WORDS.search(urlsplit(link.url).path.replace("/", " ")):
            seen.add(where)
            yield link


def known_sites(providers: Iterable[Provider]) -> frozenset[str]:
    """The sites of all providers: of their addresses, sign-up pages and price pages."""
    urls = (
        url
        for provider in providers
        for url in (provider.base_url, provider.signup_url, provider.prices_page)
        if url
    )
    return frozenset(filter(None, map(site, urls)))


def site(url: str) -> str:
    """The registrable name, nearly: ``api.groq.com`` is ``groq.com``; empty for an address."""
    try:
        host = (urlsplit(url).hostname or "").casefold().rstrip(".")
    except ValueError:
        return ""
    parts = host.split(".")
    if len(parts) < 2 or parts[-1].isdigit() or ":" in host:
        return ""
    two_level = len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL
    return ".".join(parts[-3:] if two_level else parts[-2:])


def _proposal(link: Link, source: str) -> Proposal:
    after = {"name": link.text, "url": link.url, "says": link.row}
    where = site(link.url)
    return Proposal(
        "new_provider", where, "", None, after, "github", f"linked in {source}", "low", {}
    )


def _plain(text: str) -> str:
    """One line of printable text."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(kept.split())[:_TEXT_MAX]
