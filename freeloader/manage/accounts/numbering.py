"""The number that a new account gets (``groq@2``): one that nobody had, or its own of before.

Quotas, pauses and usage are kept by number. So that a stranger's are nobody else's, a number is
never given again, except to the same credential: what that has used, it has used. Kept is a
hash of the credential, never itself; what an account is otherwise is ``operations``'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from freeloader.core.model import Account
from freeloader.manage.ports import AccountLedger

#: Former credentials remembered per provider; the oldest are forgotten first.
_KEPT = 100


async def given(
    ledger: AccountLedger,
    accounts: Iterable[Account],
    account: Account,
    credentials: Mapping[str, str],
) -> int:
    """The number for a new account beside ``accounts``, which are all there are."""
    mine = [one for one in accounts if one.provider == account.provider]
    taken = {n for one in mine for n in (one.idx, one.same_account_as) if n is not None}
    last, former = await _former(ledger, account.provider)
    again = former.get(_print(account, credentials))
    if again is not None and again not in taken:
        return again
    return max(taken | {last}) + 1


async def left(
    ledger: AccountLedger, account: Account, credentials: Mapping[str, str] | None
) -> None:
    """The account goes; its number is kept for its ``credentials`` (None: not known)."""
    last, former = await _former(ledger, account.provider)
    if credentials is not None:
        name = _print(account, credentials)
        former.pop(name, None)
        former[name] = account.idx
    kept = dict(list(former.items())[-_KEPT:])
    text = json.dumps({"last": max(last, account.idx), "credentials": kept})
    await ledger.meta_set(_name(account.provider), text)


async def _former(ledger: AccountLedger, provider: str) -> tuple[int, dict[str, int]]:
    text = await ledger.meta_get(_name(provider))
    found: dict[str, Any] = {} if text is None else json.loads(text)
    return int(found.get("last", 0)), dict(found.get("credentials", {}))


def _name(provider: str) -> str:
    return f"accounts.former.{provider}"


def _print(account: Account, credentials: Mapping[str, str]) -> str:
    """What tells one credential from others; of a keyless account, its address."""
    what = dict(credentials) or {"endpoint": account.endpoint or ""}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
