"""The number that a new account gets (``groq@2``): one that nobody had, or its own of before.

Quotas, pauses and usage are kept by number. So that a stranger's are nobody else's, a number is
never given again, except to the same credential: what that has used, it has used. Kept is a
salted, slow hash of the credential, never itself; what an account is otherwise is ``operations``'.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from freeloader.core.model import Account
from freeloader.manage.ports import AccountLedger

#: Former credentials remembered per provider; the oldest are forgotten first.
_KEPT = 100
#: 16 MB and some 50 ms for one: a credential may be a short password (RFC 7914 has the names).
_scrypt = partial(hashlib.scrypt, n=2**14, r=8, p=1)


class _Former(NamedTuple):
    """The highest number that was left, and which one each credential had, by its hash."""

    last: int
    salt: str
    numbers: dict[str, int]


async def given(
    ledger: AccountLedger,
    accounts: Iterable[Account],
    account: Account,
    credentials: Mapping[str, str],
) -> int:
    """The number for a new account beside ``accounts``, which are all there are."""
    mine = [one for one in accounts if one.provider == account.provider]
    taken = {n for one in mine for n in (one.idx, one.same_account_as) if n is not None}
    former = await _former(ledger, account.provider)
    if former.numbers:
        again = former.numbers.get(await _print(account, credentials, former.salt))
        if again is not None and again not in taken:
            return again
    return max(taken | {former.last}) + 1


async def left(
    ledger: AccountLedger, account: Account, credentials: Mapping[str, str] | None
) -> None:
    """The account goes; its number is kept for its ``credentials`` (None: not known)."""
    last, salt, numbers = await _former(ledger, account.provider)
    if credentials is not None:
        name = await _print(account, credentials, salt)
        numbers.pop(name, None)
        numbers[name] = account.idx
    kept = dict(list(numbers.items())[-_KEPT:])
    found = {"last": max(last, account.idx), "salt": salt, "credentials": kept}
    await ledger.meta_set(_name(account.provider), json.dumps(found))


async def _former(ledger: AccountLedger, provider: str) -> _Former:
    text = await ledger.meta_get(_name(provider))
    if text is None:
        return _Former(0, secrets.token_hex(16), {})
    found = json.loads(text)
    return _Former(int(found["last"]), str(found["salt"]), dict(found["credentials"]))


def _name(provider: str) -> str:
    return f"accounts.former.{provider}"


async def _print(account: Account, credentials: Mapping[str, str], salt: str) -> str:
    """What tells one credential from others; of a keyless account, its address."""
    what = dict(credentials) or {"endpoint": account.endpoint or ""}
    text = json.dumps(what, sort_keys=True).encode()
    return (await asyncio.to_thread(_scrypt, text, salt=bytes.fromhex(salt))).hex()
