"""How the daemon is: two tiny routes for probes, one full view for people.

Reports what the books and the keeper say; it measures nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf

from aiohttp import web

from freeloader.clock import iso
from freeloader.core.model import Deployment, Verdict
from freeloader.gateway.keys import INFO, PUBLIC
from freeloader.gateway.routes.table import CALLER, Route, json_response
from freeloader.gateway.services import Row, Services
from freeloader.money import Meters

_JOB = ("name", "lastRun", "lastResult", "nextDue", "running", "failures")
_ONE = Meters(requests=1, input=1, output=1)
_TROUBLES = {
    "error": "left alone after failures, or without a usable model",
    "quota_exceeded": "quota used up",
}
_QUOTA_CODES = frozenset({"quota_exhausted", "rate_limited", "budget_busy"})


def routes(services: Services) -> list[Route]:
    noun = Health(services)
    return [
        Route("GET", "/health", noun.alive, PUBLIC, "The process answers", "health",
              answer="#Status"),
        Route("GET", "/ready", noun.ready, PUBLIC, "Requests can be answered (503 until then)",
              "health", answer="#Status"),
        Route("GET", "/v1/health", noun.full, INFO, "Providers, child, uptime", "health",
              answer="#Health"),
    ]  # fmt: skip


class Health:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def alive(self, request: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        state = self._services.state()
        return json_response({"status": state}, 200 if state == "ready" else 503)

    async def full(self, request: web.Request) -> web.Response:
        services = self._services
        now = services.clock.now()
        providers, troubles = await self._providers()
        child = services.child.status()
        state = services.state()
        lane = services.lane()
        admin = request[CALLER].role == "admin"
        money = services.books.budget_view(None, now)
        daily = money.get("daily", {})
        status = _overall(state, str(child.get("state")), lane, providers.values())
        no_money = services.books.no_money
        reason = _why(state, str(child.get("state")), lane, providers)
        if no_money is not None:
            reason = f"nothing is paid for: {no_money}"
            # Free models answer all the same.
            status = "degraded" if status == "healthy" else status
        elif status == "healthy":
            reason = None
        body: Row = {
            "status": status,
            "reason": reason,
            "providers": providers,
            "uptime": round(now.mono - services.started.mono, 3),
            "requestsToday": daily.get("requests", 0),
            "child": child if admin else _public_child(child),
            "lane": lane,
            "state": state,
            "load": dict(services.load()),
            "version": services.version,
            "startedAt": services.started.iso(),
            "simulated": services.simulated(),
        }
        if admin:
            body["troubles"] = troubles
            body["turnedAway"] = services.turned.shown()
            body["problems"] = list(services.problems())
            body["alerts"] = [*money.get("alerts", []), *services.books.quota_alerts(now)]
            body["budgetActions"] = money.get("actions", [])
            body["warnings"] = await services.accounts.warnings()
            body["jobs"] = [
                {name: job.get(name) for name in _JOB} for job in services.jobs.list_jobs()
            ]
        return json_response(body)

    async def _providers(self) -> tuple[dict[str, str], Row]:
        """Per provider with an account the best that any of its deployments can say, and why no
        more: what is over soonest."""
        services = self._services
        now = services.clock.now().wall
        said: dict[str, list[str]] = defaultdict(list)
        whys: dict[str, list[tuple[str, Verdict]]] = defaultdict(list)
        for deployment in services.books.deployments.values():
            verdict = services.books.paused(deployment, now)
            verdict = verdict or services.books.quota(deployment, _ONE, now)
            word = _word(deployment, verdict)
            said[deployment.provider.id].append(word)
            if verdict is not None:
                whys[deployment.provider.id].append((word, verdict))
        out = {name: _best(words) for name, words in said.items()}
        for account in await services.accounts.list_accounts():
            enabled = account.get("enabled", True)
            out.setdefault(str(account.get("provider")), "error" if enabled else "disabled")
        troubles = {
            name: _why_not([verdict for said_, verdict in whys[name] if said_ == word])
            for name, word in out.items()
            if word in _TROUBLES
        }
        return dict(sorted(out.items())), troubles


def _why_not(verdicts: Sequence[Verdict]) -> Row:
    if not verdicts:
        return {"reason": "none of its models can be asked", "until": None}
    soonest = min(verdicts, key=lambda one: inf if one.until is None else one.until)
    return {"reason": soonest.reason, "until": soonest.until and iso(soonest.until)}


def _word(deployment: Deployment, verdict: Verdict | None) -> str:
    if not deployment.account.enabled:
        return "disabled"
    if verdict is None:
        return "ok"
    return "quota_exceeded" if verdict.code in _QUOTA_CODES else "error"


def _best(words: Iterable[str]) -> str:
    ranked = ("ok", "quota_exceeded", "error", "disabled")
    return min(words, key=ranked.index)


def _overall(state: str, child: str, lane: Row, providers: Iterable[str]) -> str:
    """A child that nobody needs is not missed; without one that is, what goes directly goes on."""
    words = list(providers)
    usable = any(word == "ok" for word in words)
    missed = lane.get("childNeeded", True) and child != "ready"
    alone = missed and child == "fatal" and not lane.get("direct")
    if state == "stopping" or alone or (words and not usable):
        return "down"
    if state != "ready" or missed or not words or any(word == "error" for word in words):
        return "degraded"
    return "healthy"


def _why(state: str, child: str, lane: Row, providers: Mapping[str, str]) -> str | None:
    """What is not as it should be, for people."""
    if state != "ready":
        return f"the daemon is {state}"
    parts = []
    if lane.get("childNeeded", True) and child != "ready":
        parts.append(f"the LiteLLM child is {child}")
    for word, told in _TROUBLES.items():
        names = [name for name, said in providers.items() if said == word]
        if names:
            parts.append(f"{told}: {', '.join(names)}")
    return "; ".join(parts) or "no account yet"


def _public_child(child: Row) -> Row:
    """Without log lines, which only the owner should read."""
    names = ("state", "pid", "rssBytes", "restarts", "lastExit", "since")
    return {name: child.get(name) for name in names}
