"""The credentials of accounts, in the secret store: which account has which. What is asked of
providers with them is ``operations``'."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from freeloader.core.model import Account
from freeloader.errors import Conflict, SecretStoreError
from freeloader.manage.ports import SecretKeeper, secret_name


class Vault:
    """By account. What fails in the secret store raises SecretStoreError."""

    def __init__(self, secrets: SecretKeeper) -> None:
        self._secrets = secrets

    async def of(self, account: Account) -> dict[str, str]:
        """The secret fields of an account; empty for a keyless one."""
        if account.secret_backend is None:
            return {}
        name = secret_name(account.provider, account.idx)
        found = await self._secrets.get(name, account.secret_backend)
        if found is None:
            raise SecretStoreError(
                f"The key of {account.name} is gone from the {account.secret_backend}. Remove the "
                "account and add it again."
            )
        return dict(found)

    async def put(self, account: Account, credentials: Mapping[str, str]) -> str:
        """Keeps them; the name of the backend that has them."""
        return await self._secrets.put(secret_name(account.provider, account.idx), credentials)

    async def forget(self, account: Account) -> None:
        if account.secret_backend is not None:
            name = secret_name(account.provider, account.idx)
            await self._secrets.delete(name, account.secret_backend)

    async def check_new(
        self, draft: Account, credentials: Mapping[str, str], there: Iterable[Account]
    ) -> None:
        """Raises Conflict for a credential (or keyless endpoint) that an account has already."""
        for account in there:
            if account.provider != draft.provider:
                continue
            if account.secret_backend is None or not credentials:
                same = not credentials and account.endpoint == draft.endpoint
            else:
                name = secret_name(account.provider, account.idx)
                kept = await self._secrets.get(name, account.secret_backend)
                same = kept is not None and _equal(kept, credentials)
            if same:
                raise Conflict(
                    f"This is the account {account.name}, which is there already. "
                    f"Test it: xswarm account test {account.name}",
                    details={"provider": account.provider, "idx": account.idx},
                )


def _equal(kept: Mapping[str, str], given: Mapping[str, str]) -> bool:
    return kept.keys() == given.keys() and all(
        hmac.compare_digest(kept[name].encode(), given[name].encode()) for name in given
    )
