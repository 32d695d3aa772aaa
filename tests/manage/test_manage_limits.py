"""Own limits, keys that share one account's limits, and several accounts at one provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from manage_fakes import FakeLedger, cloud, local

from freeloader.core.model import Account, Limit
from freeloader.errors import InvalidRequest
from freeloader.manage.accounts import answers, limits
from freeloader.manage.accounts.operations import Accounts

PACIFIC = Limit("requests", 20, "1d", "calendar", "model", timezone="America/Los_Angeles",
                charged_on="sent")  # fmt: skip


def test_an_own_limit_resets_as_the_published_one_of_its_kind() -> None:
    own = limits.parse_limits([{"metric": "requests", "amount": 5, "window": "1d"}])
    found = limits.like_published(own, (PACIFIC,))[0]
    assert (found.amount, found.reset, found.timezone, found.scope, found.charged_on) == (
        5, "calendar", "America/Los_Angeles", "model", "sent",
    )  # fmt: skip
    said = limits.parse_limits(
        [{"metric": "requests", "amount": 5, "window": "1d", "reset": "rolling"}]
    )
    assert limits.like_published(said, (PACIFIC,)) == said


@pytest.mark.parametrize(
    ("entry", "param"),
    [
        ({"metric": "requests", "amount": 1, "window": "1d", "timezone": "Mars"}, "timezone"),
        ({"metric": "requests", "amount": -1, "window": "1d"}, "amount"),
        ({"metric": "apples", "amount": 1, "window": "1d"}, "metric"),
        ({"metric": "requests", "amount": 1, "window": "1 day"}, "window"),
        ({"metric": "requests", "amount": 1, "window": "1d", "zone": "UTC"}, "zone"),
        ({"metric": "tokens", "amount": 1, "window": "1d", "excludes": ["cached"]}, "excludes"),
        ({"metric": "tokens", "amount": 1, "window": "1d", "expiresDays": 3}, "expiresDays"),
        ({"metric": "tokens", "amount": 0, "window": "1d", "allowance": True}, "allowance"),
        ({"metric": "concurrency", "amount": 1, "allowance": True}, "allowance"),
        ({"metric": "concurrency", "amount": 1, "perRequestCeiling": True}, "perRequestCeiling"),
        (
            {
                "metric": "requests",
                "amount": 1,
                "window": "1d",
                "reset": "rolling",
                "timezone": "UTC",
            },
            "timezone",
        ),
        ({"metric": "requests", "amount": 1, "window": "once", "reset": "calendar"}, "reset"),
        (
            {"metric": "requests", "amount": 1, "window": "1d", "excludes": ["cacheRead"]},
            "excludes",
        ),
        ({"metric": "requests", "amount": 1, "window": "2w"}, "window"),
    ],
)
def test_a_wrong_limit_is_refused_by_name(entry: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as problem:
        limits.parse_limits([entry])
    assert problem.value.param == f"limits.0.{param}"


def test_two_limits_of_one_bucket_are_a_slip() -> None:
    both = [{"metric": "requests", "amount": n, "window": "1d"} for n in (5, 7)]
    with pytest.raises(InvalidRequest, match=r"limits\.1 counts the same as limits\.0"):
        limits.parse_limits(both)
    apart = [{**both[0], "scope": "model"}, {**both[1], "allowance": True}, both[1]]
    assert len(limits.parse_limits(apart)) == 3


def test_a_limit_with_a_zone_follows_the_calendar() -> None:
    entry = {"metric": "requests", "amount": 1, "window": "1d", "timezone": "Asia/Kolkata"}
    assert limits.parse_limits([entry])[0].reset == "calendar"


def test_what_runs_at_once_has_no_period() -> None:
    (found,) = limits.parse_limits([{"metric": "concurrency", "amount": 2}])
    assert (found.metric, found.amount, found.window) == ("concurrency", 2, "once")


def test_every_word_of_a_limit_is_shown_again() -> None:
    entry = {"metric": "tokens", "amount": 7, "window": "1d", "reset": "refill", "scope": "model",
             "appliesTo": ["a*", "b"], "excludes": ["cacheRead"], "chargedOn": "sent",
             "perRequestCeiling": True, "allowance": True}  # fmt: skip
    found = limits.parse_limits([entry])
    assert limits.parse_limits([limits.limit_row(found[0])]) == found
    assert {k: v for k, v in limits.limit_row(found[0]).items() if k in entry} == entry


@pytest.mark.parametrize("field", ["amount", "expires_days"])
def test_a_limit_is_shown_as_it_is_read(field: str) -> None:
    entry = {"metric": "tokens", "amount": 7, "window": "once", "expires_days": 30}
    found = limits.parse_limits([entry])
    assert limits.parse_limits([limits.limit_row(found[0])]) == found
    assert getattr(found[0], field)


async def three(accounts: Accounts) -> None:
    for n in range(3):
        await accounts.add_account({"provider": "groq", "key": f"gsk_{n}"}, "owner")


async def test_sharing_goes_one_way_and_one_step(accounts: Accounts, ledger: FakeLedger) -> None:
    await three(accounts)
    await accounts.change_account("groq", 2, {"sameAccountAs": 1}, "owner")
    await accounts.change_account("groq", 3, {"sameAccountAs": 2}, "owner")
    assert ledger.kept["groq", 3].same_account_as == 1
    with pytest.raises(InvalidRequest, match="itself"):
        await accounts.change_account("groq", 1, {"sameAccountAs": 2}, "owner")
    await accounts.change_account("groq", 3, {"sameAccountAs": None}, "owner")
    assert ledger.kept["groq", 3].same_account_as is None
    with pytest.raises(InvalidRequest, match="Other keys"):
        await accounts.change_account("groq", 1, {"sameAccountAs": 3}, "owner")


async def test_a_number_whose_limits_are_shared_is_not_given_again(
    accounts: Accounts, ledger: FakeLedger
) -> None:
    await three(accounts)
    await accounts.change_account("groq", 2, {"sameAccountAs": 1}, "owner")
    await accounts.remove_account("groq", 1, "owner")
    added = await accounts.add_account({"provider": "groq", "key": "gsk_new"}, "owner")
    assert added["idx"] == 4


async def test_several_accounts_are_warned_of_with_the_source_of_the_terms(
    accounts: Accounts,
) -> None:
    await three(accounts)
    warnings = await accounts.warnings()
    assert len(warnings) == 1
    assert "3 accounts" in warnings[0]
    assert "its terms forbid" in warnings[0]
    assert "Source: ToS 3.2." in warnings[0]
    for idx in (2, 3):
        await accounts.change_account("groq", idx, {"sameAccountAs": 1}, "owner")
    assert await accounts.warnings() == []


def test_disabled_and_local_accounts_are_no_crowd() -> None:
    provider = cloud("groq")
    known = {"groq": provider, "ollama": local("ollama", "http://127.0.0.1:1")}
    two = [Account("groq", 1), Account("groq", 2, enabled=False)]
    assert answers.crowded(two, known) == []
    assert answers.crowded([Account("ollama", 1), Account("ollama", 2)], known) == []
    unknown = answers.crowded([Account("groq", 1), Account("groq", 2)], known)
    assert "read them first" in unknown[0]


def test_the_warning_says_of_the_terms_what_is_about_accounts() -> None:
    notes = "Limits are per project. One account only. Prompts of free accounts are trained on."
    known = replace(cloud("groq"), terms={"pooling": "ineffective", "notes": notes, "source": "x"})
    (said,) = answers.pooled(known, Account("groq", 2), [Account("groq", 1)])
    assert "Limits are per project. One account only. Source: x." in said
    assert "trained" not in said


def test_a_second_key_of_an_account_is_no_account_at_its_provider() -> None:
    there = [Account("groq", 1), Account("groq", 2, same_account_as=1)]
    (said,) = answers.pooled(cloud("groq"), Account("groq", 3), there)
    assert said.startswith("Groq has groq@1 already:")


def test_a_metric_is_shown_by_its_public_name_and_read_by_either() -> None:
    for name in ("cacheRead", "cache_read"):
        (limit,) = limits.parse_limits([{"metric": name, "amount": 5, "window": "1d"}])
        assert limits.limit_row(limit)["metric"] == "cacheRead"
