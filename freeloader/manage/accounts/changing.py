"""An account with what its owner wants changed of it. Nothing is written down here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from freeloader.core.model import Account, Provider
from freeloader.errors import InvalidRequest
from freeloader.manage.accounts import forms
from freeloader.manage.accounts import limits as own_limits
from freeloader.manage.accounts.vault import Vault

Row = dict[str, Any]


class Asked(NamedTuple):
    """What is wanted: values by name, checked in form; names of own values to be taken away."""

    found: Row
    cleared: Collection[str]


async def changed(
    account: Account, asked: Asked, provider: Provider, there: Iterable[Account], vault: Vault
) -> tuple[Account, dict[str, str] | None]:
    """The account as asked, and its new credentials if they change. Raises InvalidRequest."""
    found, cleared = asked
    changes: Row = {
        name: found[name] for name in ("enabled", "priority", "limits") if name in found
    }
    if "tier" in found:
        changes["tier"] = forms.check_tier(provider, found["tier"])
    if "endpoint" in found:
        changes["endpoint"] = forms.check_endpoint(provider, found["endpoint"])
        # What was learnt of the old place says nothing of the new one.
        changes |= {"verified": False, "models": None}
    if "endpoint" in cleared and "endpoint" not in provider.auth_fields:
        changes["endpoint"] = None
    if "limits" in changes:
        changes["limits"] = own_limits.like_published(changes["limits"], provider.limits)
    if "limits" in cleared:
        changes["limits"] = ()
    if "same_account_as" in found:
        changes["same_account_as"] = forms.root_of(there, account, found["same_account_as"])
    if {"sameAccountAs", "same_account_as"} & set(cleared):
        changes["same_account_as"] = None
    key = forms.check_key(one_of(found, "key", "api_key"))
    params = one_of(found, "fields", "params")
    if key is None and params is None:
        return replace(account, **changes), None
    merged = {**await vault.of(account), **account.params, **(params or {})}
    old = merged.pop(forms.key_field(provider), None)
    secret, public = forms.split_fields(provider, key or old, merged)
    changes |= {"params": public, "verified": False}
    return replace(account, **changes), secret or None


def one_of(found: Row, first: str, second: str) -> Any:
    """The value of two names for one thing, taken out of ``found``."""
    values = [found.pop(name) for name in (first, second) if name in found]
    if len(values) > 1:
        raise InvalidRequest(f"{first} and {second} are the same; give one.", param=first)
    return values[0] if values else None
