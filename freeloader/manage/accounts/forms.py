"""What a person gives for an account → checked values. Pure; asks nobody and stores nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from freeloader.core.model import Account, Provider
from freeloader.errors import InvalidRequest, NotFound
from freeloader.manage.ports import Catalog
from freeloader.settings import read
from freeloader.settings.read import Wrong
from freeloader.settings.spelling import snake

_TIER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_SAME_TIER = {"pay-as-go": "paid", "pay-as-you-go": "paid", "payg": "paid", "pay_as_go": "paid"}
# Fields of a credential that are no secret: they go into the account and may be shown.
_PUBLIC_FIELDS = frozenset(
    {
        *("account_id", "api_version", "aws_region_name", "region", "endpoint", "resource"),
        *("project", "location", "vertex_project", "vertex_location", "organization"),
    }
)
_NAME_SHOWN = 20
_LOOPBACK = ("localhost", "0.0.0.0", "host.docker.internal")  # noqa: S104


def find_provider(catalog: Catalog, words: str) -> Provider:
    """A provider by id, name or LiteLLM prefix; ``local ollama`` is ``ollama``.

    Raises InvalidRequest naming the nearest ones.
    """
    name = words.strip()
    for start in ("local ", "local/", "local:"):
        name = name.removeprefix(start).strip()
    folded = _folded(name)
    for provider in catalog.providers.values():
        if folded and folded in (_folded(provider.id), _folded(provider.display_name)):
            return provider
    found = catalog.provider_from_prefix(name.rstrip("/")) if name else None
    if found is not None:
        return found
    known = {_folded(p): p for p in catalog.providers}
    close = [known[n] for n in difflib.get_close_matches(folded, list(known), n=3, cutoff=0.5)]
    hint = f"did you mean {', '.join(close)}?" if close else "see: xswarm models --providers"
    # Longer words are not repeated: a key may have been given in the provider's place.
    shown = repr(name) if len(name) <= _NAME_SHOWN else "that"
    raise InvalidRequest(
        f"No provider is called {shown}; {hint}",
        code="unknown_provider",
        param="provider",
        details={"nearest": close},
    )


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def read_key(value: Any) -> str:
    """A key as it came; what it says on being wrong never quotes it."""
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {read.kind(value)}")
    return value


def read_parts(value: Any) -> dict[str, str]:
    """The other parts of a credential: names and plain values."""
    found: dict[str, str] = {}
    for name, part in read.mapping(value).items():
        if part is None:
            continue
        if isinstance(part, bool) or not isinstance(part, (str, int)):
            raise Wrong(f"must be text, not {read.kind(part)}", name)
        found[name] = str(part)
    return found


def check_key(key: str | None) -> str | None:
    """The key without stray white space; None if there is none. Raises InvalidRequest."""
    if key is None:
        return None
    key = key.strip()
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > 8192:
        raise InvalidRequest(
            "The key has characters that no provider's key has. Paste it again, whole and alone.",
            param="key",
        )
    return key


def format_warning(provider: Provider, key: str | None) -> str | None:
    """What is odd about a key's form; never a reason to refuse it."""
    if key is None or not provider.auth_format or re.fullmatch(provider.auth_format, key):
        return None
    return (
        f"{provider.display_name}'s keys usually look like {provider.auth_format}; this one does "
        "not. It was kept all the same."
    )


def check_tier(provider: Provider, tier: str | None) -> str:
    """The tier's name; by default ``paid`` where nothing is free. Raises InvalidRequest."""
    if tier is None:
        nothing_free = provider.status == "paid_only" or provider.free_type == "none"
        return "paid" if nothing_free and provider.kind in ("cloud", "aggregator") else "free"
    word = tier.strip().lower()
    word = _SAME_TIER.get(word, word)
    if not _TIER.fullmatch(word):
        raise InvalidRequest("A tier is a short word, such as free or paid.", param="tier")
    return word


def check_endpoint(provider: Provider, endpoint: str | None) -> str | None:
    """An http(s) base address, as the provider's wire wants it. Raises InvalidRequest."""
    if endpoint is None or not endpoint.strip():
        return None
    text = endpoint.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable():
        raise InvalidRequest(
            "The endpoint must be an http(s) address, such as http://127.0.0.1:11434.",
            param="endpoint",
        )
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise InvalidRequest(
            "The endpoint must be a plain address: no user name, password, query or fragment "
            "(a key is given as the key).",
            param="endpoint",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (to call it, not to bind it)
    path = _path(provider, parts.path.rstrip("/"))
    place = host if port is None else f"{host}:{port}"
    return urlunsplit((parts.scheme, place, path, "", ""))


def _path(provider: Provider, path: str) -> str:
    """A local server's ``/v1`` is put or left out as its wire wants it; other paths stay."""
    if provider.kind != "local" or path not in ("", "/v1"):
        return path
    own = urlsplit(provider.base_url or "").path.rstrip("/")
    return own if own in ("", "/v1") else path


def is_loopback(url: str) -> bool:
    """True where an address stays on this machine."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host in _LOOPBACK or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name: `127.example.com` is anybody's


def split_fields(
    provider: Provider, key: str | None, params: Mapping[str, Any] | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Credentials (secret) and parameters (shown) of an account. Raises InvalidRequest."""
    given = {snake(str(k)): str(v).strip() for k, v in (params or {}).items() if v is not None}
    for name, value in given.items():
        if not value or not value.isprintable() or len(value) > 8192 or len(name) > 64:
            raise InvalidRequest(f"The value of {name!r} cannot be used.", param=f"params.{name}")
    first = key_field(provider)
    secret = {name: value for name, value in given.items() if name not in _PUBLIC_FIELDS}
    if key is not None:
        secret[first] = key
    public = {name: value for name, value in given.items() if name in _PUBLIC_FIELDS}
    public.pop("endpoint", None)
    needed = [] if provider.keyless and key is None else list(provider.auth_fields)
    # The api version has a usable default; an endpoint is checked by its own name.
    needed = [f for f in needed if f not in ("endpoint", "api_version")]
    missing = [f for f in needed if f not in secret and f not in public]
    if missing == [first]:
        raise InvalidRequest(
            f"{provider.display_name} needs a key. Get one at {provider.signup_url or 'its site'}.",
            param="key",
        )
    if missing:
        raise InvalidRequest(
            f"{provider.display_name} also needs {', '.join(missing)}. "
            f"Give it as: --param {missing[0]}=VALUE",
            param=f"params.{missing[0]}",
        )
    return secret, public


def is_public(field: str) -> bool:
    """True for the parts of a credential that are no secret."""
    return field in _PUBLIC_FIELDS


def key_field(provider: Provider) -> str:
    """Which field of its credentials a plain key is."""
    return next((f for f in provider.auth_fields if f not in _PUBLIC_FIELDS), "api_key")


def root_of(accounts: Iterable[Account], account: Account, other: int) -> int:
    """Whose limits ``account`` shares where it is said to be the same as ``other``.

    Raises NotFound, and InvalidRequest for itself: sharing goes one way, one step.
    """
    known = list(accounts)
    found = existing(known, account.provider, other)
    root = found.idx if found.same_account_as is None else found.same_account_as
    if root == account.idx:
        raise InvalidRequest("It is that account itself.", param="sameAccountAs")
    if any(a.provider == account.provider and a.same_account_as == account.idx for a in known):
        raise InvalidRequest(
            f"Other keys share the limits of {account.name}; change those first.",
            param="sameAccountAs",
        )
    return root


def existing(accounts: Iterable[Account], provider: str, idx: int) -> Account:
    """Raises NotFound naming what there is."""
    found = list(accounts)
    for account in found:
        if account.provider == provider and account.idx == idx:
            return account
    names = ", ".join(a.name for a in found[:20]) or "none yet"
    raise NotFound(f"There is no account {provider}@{idx}. Accounts: {names}.", param="provider")
