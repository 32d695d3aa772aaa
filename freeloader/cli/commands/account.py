"""`xswarm account`: the credentials of providers, and local servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from freeloader.cli.backend import Backend, Row, open_backend
from freeloader.cli.own_limits import limit_of, limit_option
from freeloader.cli.shell import Failure, emit, home_path, json_option, note, secret_from
from freeloader.cli.tables import table

if TYPE_CHECKING:
    from freeloader.core.model import Provider

same_account_option = click.option(
    "--same-account-as",
    type=click.IntRange(0),
    metavar="IDX",
    help="A second key of that account: they share its limits.",
)


@click.group()
def account() -> None:
    """Accounts at providers, and local servers; works with the daemon stopped too."""


@account.command("add")
@click.argument("words", nargs=-1, required=True, metavar="[local] PROVIDER [KEY]")
@click.option("--tier", metavar="NAME", help="free, paid, pro …: whose limits and prices hold.")
@click.option("--endpoint", metavar="URL", help="Where it answers: local servers, Azure.")
@click.option("--priority", type=int, metavar="N", help="Smaller goes first.")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another part of the credential, e.g. api_version=…; VALUE - asks for it.",
)
@limit_option
@same_account_option
@json_option
def add(
    words: tuple[str, ...],
    tier: str | None,
    endpoint: str | None,
    priority: int | None,
    params: tuple[str, ...],
    limits: tuple[str, ...],
    same_account_as: int | None,
    as_json: bool,
) -> None:
    """Add an account and check it: KEY `-` reads standard input, none asks without echo.

    `account add local ollama --endpoint URL` is the same as `account add ollama --endpoint URL`.
    """
    provider, key = _provider_and_key(words)
    with open_backend() as backend:
        body: dict[str, Any] = {
            "provider": provider,
            "key": _key(provider, key, endpoint),
            "tier": tier,
            "endpoint": endpoint,
            "priority": priority,
            "params": _params(params) or None,
            "limits": [limit_of(text) for text in limits] or None,
            "sameAccountAs": same_account_as,
        }
        added = backend.add_account({k: v for k, v in body.items() if v is not None})
    if as_json:
        emit(added)
        return
    click.echo(f"added {added.get('provider', provider)}@{added.get('idx', '?')}")
    _show_check(added)


@account.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """Show the accounts: tier, state, where the key is kept; never the keys."""
    with open_backend() as backend:
        rows = backend.accounts()
    if as_json:
        emit({"accounts": rows})
        return
    table(
        (
            (
                f"{row.get('provider')}@{row.get('idx')}",
                row.get("tier"),
                "on" if row.get("enabled", True) else "off",
                "yes" if row.get("verified") else "no",
                _count(row.get("models", row.get("modelsAvailable"))),
                row.get("secretBackend") or "none",
                row.get("endpoint"),
            )
            for row in rows
        ),
        ("ACCOUNT", "TIER", "ENABLED", "VERIFIED", "MODELS", "KEY IN", "ENDPOINT"),
        empty="no accounts; add one: xswarm account add groq",
    )


@account.command("test")
@click.argument("name", metavar="PROVIDER[@IDX]")
@json_option
def test(name: str, as_json: bool) -> None:
    """Ask the provider for its models with the stored key."""
    with open_backend() as backend:
        answer = backend.test_account(*_which(backend, name))
    if as_json:
        emit(answer)
    else:
        _show_check(answer)
    if answer.get("verified") is False:
        raise Failure(f"{name} could not be verified: {answer.get('reason') or 'see above'}.")


@account.command("enable")
@click.argument("name", metavar="PROVIDER[@IDX]")
@json_option
def enable(name: str, as_json: bool) -> None:
    """Let requests go to an account again."""
    _change(name, {"enabled": True}, "on", as_json)


@account.command("disable")
@click.argument("name", metavar="PROVIDER[@IDX]")
@json_option
def disable(name: str, as_json: bool) -> None:
    """Send nothing to an account; its key and counts stay."""
    _change(name, {"enabled": False}, "off", as_json)


@account.command("set")
@click.argument("name", metavar="PROVIDER[@IDX]")
@click.option("--tier", metavar="NAME", help="free, paid, pro …: whose limits and prices hold.")
@click.option("--priority", type=int, metavar="N", help="Smaller goes first.")
@limit_option
@click.option("--no-limits", is_flag=True, help="Take its own limits away: the registry's hold.")
@same_account_option
@click.option("--own-account", is_flag=True, help="It is an account of its own again.")
@json_option
def change(
    name: str,
    tier: str | None,
    priority: int | None,
    limits: tuple[str, ...],
    no_limits: bool,
    same_account_as: int | None,
    own_account: bool,
    as_json: bool,
) -> None:
    """Change an account's tier, priority, own limits, or whose limits it shares."""
    if (limits and no_limits) or (same_account_as is not None and own_account):
        raise click.UsageError("the two say opposite things; give one of them.")
    changes: dict[str, Any] = {
        "tier": tier,
        "priority": priority,
        "limits": [limit_of(text) for text in limits] or None,
        "sameAccountAs": same_account_as,
    }
    changes = {key: value for key, value in changes.items() if value is not None}
    changes |= {"limits": None} if no_limits else {}
    changes |= {"sameAccountAs": None} if own_account else {}
    if not changes:
        raise click.UsageError(
            "nothing to change: give --tier, --priority, --limit or --same-account-as."
        )
    _change(name, changes, "changed", as_json)


@account.command("remove")
@click.argument("name", metavar="PROVIDER[@IDX]")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove an account, and its key from the secret store."""
    with open_backend() as backend:
        provider, idx = _which(backend, name)
        answer = backend.remove_account(provider, idx)
    if as_json:
        emit(answer)
    else:
        click.echo(f"removed {provider}@{idx}")


def _change(name: str, changes: Mapping[str, Any], word: str, as_json: bool) -> None:
    with open_backend() as backend:
        provider, idx = _which(backend, name)
        answer = backend.change_account(provider, idx, changes)
    if as_json:
        emit(answer)
    else:
        click.echo(f"{provider}@{idx} is {word}")


def _provider_and_key(words: tuple[str, ...]) -> tuple[str, str | None]:
    names = words[1:] if words[0] == "local" else words
    if not names or len(names) > 2:
        raise click.UsageError("expected PROVIDER [KEY], e.g. `account add groq -`.")
    return names[0], names[1] if len(names) == 2 else None


def _key(provider: str, given: str | None, endpoint: str | None) -> str | None:
    """The key as given or asked for; None where the provider needs none."""
    if given is None:
        known = _provider(provider)
        if known.keyless or (endpoint and known.local):
            return None
        if known.signup_url:
            note(f"{known.display_name} gives keys at {known.signup_url}")
    return secret_from(given, f"{provider} key")


def _provider(name: str) -> Provider:
    """What the registry says of a provider, whether the daemon runs or not."""
    from freeloader.catalog import load
    from freeloader.manage.accounts.forms import find_provider

    return find_provider(load(home_path() / "registry"), name)


def _params(given: tuple[str, ...]) -> dict[str, str]:
    out: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param {name}… is not NAME=VALUE.")
        out[name] = secret_from(None, name) if value == "-" else value
    return out


def _which(backend: Backend, name: str) -> tuple[str, int]:
    """``provider@idx``, or ``provider`` where it has exactly one account."""
    provider, at, idx = name.partition("@")
    if at:
        if not idx.isdecimal():
            raise click.UsageError(f"{name} is not PROVIDER@IDX, e.g. groq@1.")
        return provider, int(idx)
    own: list[Row] = [row for row in backend.accounts() if row.get("provider") == provider]
    if not own:
        raise Failure(f"there is no account at {provider}; `xswarm account list` shows all.")
    if len(own) > 1:
        names = ", ".join(f"{provider}@{row['idx']}" for row in own)
        raise Failure(f"{provider} has several accounts; name one of {names}.")
    return provider, int(own[0]["idx"])


def _show_check(answer: Mapping[str, Any]) -> None:
    """What the provider said of a key, and what can be used with it."""
    for warning in answer.get("warnings") or ():
        if str(warning).startswith("Not verified"):
            continue  # said below, with the next step
        note(f"note: {warning}")
    found = answer.get("modelsAvailable") or answer.get("models") or ()
    if answer.get("verified"):
        names = ", ".join(str(name) for name in list(found)[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        click.echo(f"verified: {len(found)} models{': ' + names + more if found else ''}")
    else:
        why = answer.get("reason") or "the provider was not asked"
        note(f"not verified: {why}. `xswarm account test` asks again.")


def _count(models: Any) -> Any:
    return len(models) if isinstance(models, list | tuple) else "?"
