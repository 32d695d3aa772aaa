"""What LiteLLM does on each call for books of its own, which nobody here reads: left out.

A third of the child's time went into pricing, logging and authorizing calls that the front
has already priced, logged and authorized. None of this changes what is sent or what is
answered; failures are told as before. Each part looks for what it leaves out, and leaves a
LiteLLM alone that no longer has it; the first call of a kind always goes the long way.
"""

from __future__ import annotations

import hmac
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request

#: Deployments (an entry with one account's key) whose price is known to be registered.
_REGISTERED_MAX = 10_000


def install(app: Any) -> None:
    """Leave all of it out. Call after LiteLLM is imported, before it serves."""
    _no_books_of_successes()
    _no_prices()
    _no_questions()
    _registered_once()
    _admitted_once(app)


def _no_books_of_successes() -> None:
    """Callbacks for successes: a payload of sixty fields is made, in a thread too, for nobody.

    What our own callback needs are failures, which have handlers of their own.
    """
    from litellm.litellm_core_utils.litellm_logging import Logging

    async def nothing_async(self: Any, *args: Any, **named: Any) -> None: ...

    def nothing(self: Any, *args: Any, **named: Any) -> None: ...

    for name, empty in (
        ("async_success_handler", nothing_async),
        ("success_handler", nothing),
        ("handle_sync_success_callbacks_for_async_calls", nothing),
    ):
        if hasattr(Logging, name):
            setattr(Logging, name, empty)


def _no_prices() -> None:
    """The cost of an answer, and why it is zero where it is: the front has its own prices."""
    from litellm.litellm_core_utils.litellm_logging import Logging

    def unpriced(self: Any, *args: Any, **named: Any) -> float:
        return 0.0

    for name in ("response_cost_calculator", "_response_cost_calculator"):
        if hasattr(Logging, name):
            setattr(Logging, name, unpriced)


def _no_questions() -> None:
    """How much a model of Hugging Face's takes was asked of its web site, for each of them and at
    each start, whether anybody has an account there or not. The registry knows it."""
    from litellm import utils

    def unknown(model_name: str) -> None:
        return None

    if hasattr(utils, "_get_max_position_embeddings"):
        utils._get_max_position_embeddings = unknown


def _registered_once() -> None:
    """An account's key with the request makes a deployment of it: its price is looked up once."""
    from litellm import Router

    every_time = getattr(Router, "_register_deployment_pricing", None)
    if every_time is None:
        return
    known: set[str] = set()

    def once(deployment: Any) -> None:
        name = str(deployment.model_info.id)
        if name in known:
            return
        if len(known) >= _REGISTERED_MAX:
            known.clear()
        known.add(name)
        every_time(deployment=deployment)

    Router._register_deployment_pricing = staticmethod(once)


def _admitted_once(app: Any) -> None:
    """There is one key, the front's: once LiteLLM took it, it is compared and nothing more."""
    from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

    overrides = getattr(app, "dependency_overrides", None)
    if overrides is not None:
        overrides[user_api_key_auth] = Admission(user_api_key_auth)


class Admission:
    """Stands in for LiteLLM's own check of a key, which it asks about each key and route once."""

    def __init__(self, check: Callable[..., Awaitable[Any]]) -> None:
        self._check = check
        # Other places for a key, which the front does not use; left out they are not empty.
        others = inspect.signature(check).parameters.keys() - {"request", "api_key"}
        self._others = dict.fromkeys(others)
        self._key = b""
        self._taken: dict[str, tuple[Any, Any]] = {}

    async def __call__(self, request: Request) -> Any:
        """The caller as LiteLLM knows it. Raises what its own check does."""
        given = request.headers.get("authorization", "")
        route = request.url.path
        known = self._taken.get(route)
        if known is None or not hmac.compare_digest(given.encode(), self._key):
            return await self._asked(request, given, route)
        caller, principal = known
        if principal is not None:
            request.state.principal = principal
        return _own(caller)

    async def _asked(self, request: Request, given: str, route: str) -> Any:
        caller = await self._check(request=request, api_key=given, **self._others)
        if given.encode() != self._key:
            self._key, self._taken = given.encode(), {}
        principal = getattr(request.state, "principal", None)
        self._taken[route] = (caller, principal)
        return _own(caller)


def _own(caller: Any) -> Any:
    """A copy for one request, which may write on it."""
    return caller.model_copy(update={"metadata": dict(caller.metadata or {})})
