"""What the owner can do, put together: accounts, keys, settings, channels, what was discovered.

The operations are ``manage``'s and ``discovery``'s; here they are given each other and the
daemon's parts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from freeloader.app.discovering import Discovering
from freeloader.app.given import Given
from freeloader.app.views import Decisions
from freeloader.app.world import World
from freeloader.books.books import Books
from freeloader.core.model import Caller
from freeloader.gateway.asking import Asking
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.channels import Channels
from freeloader.manage.config import Config
from freeloader.manage.feedback import Feedback
from freeloader.manage.keys import AppKeys
from freeloader.notify import Notifier, Wishes, by_apprise, told_by
from freeloader.secrets import SecretStore
from freeloader.store import Store

#: A local model may take so long for one part of a page.
_LOCAL_ANSWER_S = 300.0


class Owner:
    """``reload`` takes changed settings over, ``rebudget`` changed limits."""

    def __init__(
        self,
        given: Given,
        store: Store,
        secrets: SecretStore,
        world: World,
        books: Books,
        asking: Asking,
        reload: Callable[[], Awaitable[None]],
        rebudget: Callable[[], Awaitable[None]],
    ) -> None:
        self._in_force, self._asking = given.in_force, asking
        home, ledger, clock = given.home, store.ledger, given.clock
        self.notifier = Notifier(
            self._wishes,
            lambda name: self.channels.address(name),
            ledger,
            clock,
            by_apprise(given.redactor.scrub),
        )
        self.discovering = Discovering(
            home, store, world, clock, given.in_force, self.notifier.tell, self._ask_locally
        )
        self.accounts = Accounts(
            ledger,
            secrets,
            lambda: world.catalog,
            self.discovering.fetch,
            clock,
            world.refresh,
            books.renewed,
        )
        self.discovering.attach(self.accounts)
        self.keys = AppKeys(ledger, clock, changed=rebudget)
        self.config = Config(
            home,
            given.environ,
            ledger,
            clock,
            accounts=self.accounts,
            changed=reload,
            in_force=given.in_force,
            slips=world.slips,
        )
        self.channels = Channels(secrets, ledger, self.config, clock)
        self.feedback = Feedback(
            store.feedback, Decisions(store.journal), ledger, clock, books.heed
        )

    async def _ask_locally(self, question: str) -> str:
        """For discovery: a local model's answer; it never leaves the machine and costs nothing."""
        body = {
            "model": self._in_force().discovery.scraping.model or "auto",
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "freeloader": {"qualityGates": {"localOnly": True}},
        }
        caller = Caller("discovery", "admin")
        return (await self._asking.ask(body, caller, _LOCAL_ANSWER_S)).text

    def _wishes(self) -> Wishes:
        wanted = self._in_force().notifications
        kinds = told_by(wanted.events.model_dump())
        return Wishes(wanted.channels if wanted.enabled else (), kinds)
