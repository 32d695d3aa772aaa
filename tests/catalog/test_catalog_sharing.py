"""Two keys of one account share the limits that its owner gave it, in whatever order they come."""

from __future__ import annotations

from itertools import permutations

from freeloader.catalog import load
from freeloader.catalog.deployments import sharing
from freeloader.core.model import Account, Limit

OWN = Limit("requests", 20, "1d", "calendar", scope="account")
ELSE = Limit("tokens", 1_000, "1d", "calendar", scope="account")


def test_a_second_key_is_bound_by_the_owners_limits_and_not_by_the_registrys() -> None:
    accounts = (
        Account("groq", 1, limits=(OWN, ELSE)),
        Account("groq", 2, same_account_as=1),
        Account("groq", 3),
        Account("mistral", 2),
    )
    for some in permutations(accounts):
        found = {account.name: account.limits for account in sharing(some)}
        assert found["groq@1"] == found["groq@2"] == (OWN, ELSE)
        assert found["groq@3"] == found["mistral@2"] == ()


def test_the_roots_word_goes_first_then_that_of_the_first_key_that_has_one() -> None:
    keys = [Account("groq", 2, same_account_as=1, limits=(ELSE,)),
            Account("groq", 3, same_account_as=1)]  # fmt: skip
    spoken = sharing([*keys, Account("groq", 1, limits=(OWN,))])
    assert [account.limits for account in spoken] == [(ELSE,), (OWN,), (OWN,)]
    silent = sharing([*keys, Account("groq", 1)])
    assert [account.limits for account in silent] == [(ELSE,)] * 3


def test_a_disabled_account_still_speaks_for_its_second_key() -> None:
    catalog = load(prices=None)
    off = Account("groq", 1, enabled=False, limits=(OWN,))
    made = catalog.deployments([off, Account("groq", 2, same_account_as=1)])
    assert made
    assert {one.account.idx for one in made} == {2}
    assert {one.limits for one in made} == {(OWN,)}
