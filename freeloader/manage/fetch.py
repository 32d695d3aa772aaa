"""Ask a provider for its own model list, or what is left, with the account's key, once.

The key goes to the provider's own host and nowhere else: no redirect is
followed, no proxy from the environment is used. It stores nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from freeloader import trust
from freeloader.core.model import Account, Provider
from freeloader.manage.models import NotAList, model_ids
from freeloader.manage.ports import Listing

BODY_MAX = 8 * 1024 * 1024
TOTAL_SECONDS = 10.0


async def fetch_models(
    provider: Provider,
    account: Account,
    credentials: Mapping[str, str],
    *,
    seconds: float = TOTAL_SECONDS,
) -> Listing:
    """The provider's model list as this account sees it. Never raises for what a provider does.

    Where the provider has a quota endpoint that is asked too: some lists are
    public and would call any key good.
    """
    url = models_url(provider, account)
    if url is None:
        return Listing(False, reason="this provider has no model list to ask")
    limit = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, 5.0))
    headers = auth_headers(provider, url, credentials)
    check = quota_url(provider, account)
    async with await _client(limit, url, check) as web:
        listing = await _ask(web, url, headers)
        if not listing.ok or check is None or not credentials:
            return listing
        status, _, _ = await _get(web, check, auth_headers(provider, check, credentials))
    if status in (401, 403):
        return Listing(False, reason=f"the key is refused ({status})", refused=True, reachable=True)
    return listing


async def fetch_quota(
    provider: Provider,
    account: Account,
    credentials: Mapping[str, str],
    *,
    seconds: float = TOTAL_SECONDS,
) -> Any:
    """What the provider's quota endpoint says, as JSON; it costs no quota. None: nothing usable."""
    url = quota_url(provider, account)
    if url is None:
        return None
    limit = aiohttp.ClientTimeout(total=seconds, connect=min(seconds, 5.0))
    async with await _client(limit, url) as web:
        status, body, wrong = await _get(web, url, auth_headers(provider, url, credentials))
    if status != 200 or wrong:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _client(limit: aiohttp.ClientTimeout, *urls: str | None) -> aiohttp.ClientSession:
    """For calls to these addresses."""
    connector = aiohttp.TCPConnector(ssl=await trust.for_calls(*urls))
    return aiohttp.ClientSession(
        connector=connector, timeout=limit, trust_env=False, auto_decompress=True
    )


def models_url(provider: Provider, account: Account) -> str | None:
    """Where the list is: at the account's endpoint if it has one, else the registry's address."""
    return _url(provider, account, provider.models_path)


def quota_url(provider: Provider, account: Account) -> str | None:
    """Where the quota is told, if anywhere. An own endpoint is not asked for it."""
    return None if account.endpoint else _url(provider, account, provider.quota_path)


def _url(provider: Provider, account: Account, path: str | None) -> str | None:
    if path is None and provider.models_path is None and account.endpoint is not None:
        path = "/models" if provider.wire == "openai" else None
    if path is None:
        return None
    base = account.endpoint or provider.base_url
    if path.startswith(("http://", "https://")):
        if account.endpoint is None:
            return _filled(path, account)
        # The key is for the endpoint's host: of the registry's address only the end is used.
        own = (provider.base_url or "").rstrip("/")
        path = path.removeprefix(own) if own and path.startswith(own) else "/models"
    if base is None or "<" in base:
        return None
    return _filled(base.rstrip("/") + "/" + path.lstrip("/"), account)


def _filled(url: str, account: Account) -> str | None:
    for name, value in account.params.items():
        url = url.replace("{" + name + "}", quote(value, safe=""))
    return None if "{" in url else url


def auth_headers(provider: Provider, url: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """The one header that carries the key, as the provider's wire wants it."""
    headers = {"Accept": "application/json", "User-Agent": "xswarm-freeloader"}
    key = credentials.get("api_key")
    if not key:
        return headers
    if provider.wire == "anthropic":
        headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
    elif provider.wire == "gemini" and "/openai" not in urlsplit(url).path:
        headers["x-goog-api-key"] = key
    elif provider.wire == "azure":
        headers["api-key"] = key
    else:
        headers["Authorization"] = f"Bearer {key}"
    return headers


def shown(url: str) -> str:
    """An address without its query, for messages."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


async def _ask(web: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> Listing:
    status, body, reason = await _get(web, url, headers)
    if status is None:
        return Listing(False, reason=f"{shown(url)} {reason}")
    if status in (401, 403):
        return Listing(False, reason=f"the key is refused ({status})", refused=True, reachable=True)
    if 300 <= status < 400:
        return Listing(False, reason=f"{shown(url)} redirects elsewhere; not followed")
    if status != 200:
        return Listing(False, reason=f"{shown(url)} answers {status}", reachable=True)
    if reason:
        return Listing(False, reason=f"{shown(url)} {reason}", reachable=True)
    try:
        document = json.loads(body)
        return Listing(True, model_ids(document), reachable=True, document=document)
    except (NotAList, ValueError, RecursionError):
        return Listing(False, reason=f"{shown(url)} gives no model list", reachable=True)


async def _get(
    web: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> tuple[int | None, bytes, str]:
    """Status, body and what was wrong with it; status None where there was no answer."""
    try:
        async with web.get(url, headers=headers, allow_redirects=False) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                body += chunk
                if len(body) > BODY_MAX:
                    return answer.status, b"", f"sends more than {BODY_MAX >> 20} MB"
            return answer.status, bytes(body), ""
    except TimeoutError:
        return None, b"", "does not answer in time"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # The kind alone: messages of the client may quote addresses with what is in them.
        return None, b"", f"cannot be asked ({type(error).__name__})"
