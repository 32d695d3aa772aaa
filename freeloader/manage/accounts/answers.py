"""What is said of an account: its JSON, what a check found, what to be warned of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from freeloader.core.model import Account, Provider
from freeloader.manage.accounts import forms, limits
from freeloader.manage.models import known_of
from freeloader.manage.ports import Listing

Row = dict[str, Any]

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
#: What terms say of other things, of what is kept and trained on above all, is no part of a
#: warning about accounts.
_OF_ACCOUNTS = re.compile(
    r"account|keys?\b|project|limit|quota|bucket|organi[sz]ation|circumvent|evad", re.IGNORECASE
)
_OF_DATA = re.compile(r"\blog|train|privacy|data control", re.IGNORECASE)


def available(account: Account, known: Sequence[str]) -> tuple[str, ...]:
    """What it lists of the registry's models; all it lists where the registry has none."""
    if account.models is None:
        return tuple(sorted(known))
    return known_of(account.models, known) if known else account.models


def shown(account: Account, known: Sequence[str]) -> Row:
    """An account as lists show it: everything but its credentials."""
    return {
        "provider": account.provider,
        "idx": account.idx,
        "name": account.name,
        "tier": account.tier,
        "priority": account.priority,
        "enabled": account.enabled,
        "endpoint": account.endpoint,
        "verified": account.verified,
        "modelsAvailable": list(available(account, known)),
        "secretBackend": account.secret_backend,
        "sameAccountAs": account.same_account_as,
        "limits": [limits.limit_row(limit) for limit in account.limits],
        "fields": dict(account.params),
    }


def checked(account: Account, known: Sequence[str], listing: Listing) -> Row:
    """What asking the provider for its models came to."""
    models = list(available(account, known))
    answer: Row = {"verified": account.verified, "modelsAvailable": models, "warnings": []}
    if not listing.ok:
        answer["reason"] = listing.reason
        answer["warnings"].append(f"Not verified: {listing.reason}.")
    elif not listing.models:
        answer["warnings"].append("It lists no model: pull or load one there first.")
    elif not models:
        answer["warnings"].append("None of the models it lists is in the registry.")
    return answer


def learnt(account: Account, listing: Listing) -> Row:
    """What an answer to the model list changes. A provider that is away changes nothing."""
    if listing.ok:
        return {"verified": True, "models": listing.models}
    return {"verified": account.verified and not listing.reachable}


def warnings(provider: Provider, account: Account, key: str | None) -> list[str]:
    """What an owner should know before the first request."""
    found = [forms.format_warning(provider, key)]
    if account.tier == "free" and provider.status == "paid_only":
        found.append(f"{provider.display_name} has no free tier: calls will cost money.")
    where = account.endpoint or ""
    if key and where.startswith("http://") and not forms.is_loopback(where):
        found.append("The key travels unencrypted to this endpoint: use https.")
    return [warning for warning in found if warning]


def pooled(provider: Provider, account: Account, there: Iterable[Account]) -> list[str]:
    """The warning for a second account at one provider, with what its terms say."""
    keys = [a for a in there if a.provider == account.provider]
    others = [a.name for a in keys if a.same_account_as is None] or [a.name for a in keys]
    if not others or account.same_account_as is not None or provider.local:
        return []
    head = f"{provider.display_name} has {', '.join(others)} already"
    return [_pooling(provider, head)]


def crowded(accounts: Iterable[Account], providers: Mapping[str, Provider]) -> list[str]:
    """A warning per provider at which there are several accounts that are not said to be one."""
    by_provider: dict[str, list[str]] = {}
    for account in accounts:
        if account.enabled and account.same_account_as is None:
            by_provider.setdefault(account.provider, []).append(account.name)
    found = []
    for name, names in sorted(by_provider.items()):
        provider = providers.get(name)
        if provider is None or len(names) < 2 or provider.kind in ("local", "simulated"):
            continue
        head = f"{provider.display_name} has {len(names)} accounts ({', '.join(names)})"
        found.append(_pooling(provider, head))
    return found


def _pooling(provider: Provider, head: str) -> str:
    """What its terms say of several accounts, with their source."""
    terms = provider.terms
    rule = str(terms.get("pooling") or "unknown")
    notes, source = str(terms.get("notes") or ""), str(terms.get("source") or "")
    about = [
        part
        for part in _SENTENCE.split(notes)
        if _OF_ACCOUNTS.search(part) and not _OF_DATA.search(part)
    ]
    said = {
        "forbidden": "its terms forbid using several accounts to get more free use",
        "ineffective": "its limits are shared, so a second account brings nothing",
        "allowed": "its terms allow that",
    }.get(rule, "whether its terms allow that is not known; read them first")
    parts = [
        f"{head}: {said}.",
        " ".join(about),
        f"Source: {source}." if source else "",
        "Two keys of one account share its limits: say so with --same-account-as IDX.",
    ]
    return " ".join(part for part in parts if part)
