"""What is told of a run: headers, ``routing``, usage and money, and the journal's row.

Everything is read off what is known so far; nothing here changes it.
"""

from __future__ import annotations

from typing import Any

from freeloader.core import explain
from freeloader.core.model import Deployment
from freeloader.errors import FreeloaderError
from freeloader.gateway import guarding
from freeloader.gateway.running.so_far import SoFar
from freeloader.gateway.tools import Tools
from freeloader.money import Meters, known_usd, usd_from_pico
from freeloader.store.rows import DecisionRow


class Telling:
    """Of a run with one answer; a multi-cast tells of its members besides."""

    def __init__(self, so_far: SoFar, tools: Tools) -> None:
        self._so_far, self._tools = so_far, tools
        #: The sentence that was made last, and what it was made of.
        self._reasoned: tuple[tuple[Any, ...], str] | None = None
        #: The same of ``routing`` and ``savings``: the journal and the answer tell them alike.
        self._routed: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._saved: tuple[tuple[Any, ...], dict[str, Any] | None] | None = None

    def headers(self) -> dict[str, str]:
        """``X-Freeloader-*`` as far as known; cost only where nothing more can come."""
        so_far, plan = self._so_far, self._so_far.plan
        out = {"X-Freeloader-Decision-Id": so_far.decision_id}
        if plan.in_force:
            strongest = plan.in_force[0]
            said = f"{strongest.action}: {strongest.reason}"
            out["X-Freeloader-Budget-Action"] = _header_safe(said)
        if so_far.chosen is None:
            return out
        deployment = so_far.chosen.deployment
        out["X-Freeloader-Provider"] = deployment.provider.id
        out["X-Freeloader-Model"] = deployment.public_model
        out["X-Freeloader-Strategy"] = plan.policy.strategy
        out["X-Freeloader-Reason"] = _header_safe(self.reason())
        out["X-Freeloader-Attempts"] = str(len(so_far.attempts) or 1)
        if (lowered := self.lowered()) is not None:
            out["X-Freeloader-Max-Tokens"] = str(lowered)
        if so_far.settled is not None and not plan.unpriced:
            out["X-Freeloader-Cost-Usd"] = f"{usd_from_pico(plan.spent_pico):.12f}"
        if so_far.watch is not None and so_far.watch.left_out:
            out["X-Freeloader-Dropped"] = ", ".join(so_far.watch.left_out)
        if (private := guarding.header(plan.profile)) is not None:
            out["X-Freeloader-Privacy"] = _header_safe(private)
        if plan.resolution.substituted:
            out["X-Freeloader-Substituted"] = _header_safe(plan.resolution.requested)
        return out

    def routing(self) -> dict[str, Any]:
        """The ``routing`` object of the answer; not to be changed."""
        so_far, plan = self._so_far, self._so_far.plan
        watch = so_far.watch
        about = (
            *(so_far.chosen, so_far.settled, so_far.alternatives, watch, plan.policy),
            *(plan.in_force, plan.spent_pico, len(so_far.attempts), so_far.waited_s),
            watch.flaw if watch is not None else None,
        )
        if self._routed is None or self._routed[0] != about:
            self._routed = about, self._routing()
        return self._routed[1]

    def _routing(self) -> dict[str, Any]:
        so_far, plan = self._so_far, self._so_far.plan
        if so_far.chosen is None:
            out = {"requested": plan.resolution.requested, "attempts": len(so_far.attempts)}
            if plan.in_force:
                out["budgetActions"] = [one.shown() for one in plan.in_force]
            private = plan.profile.private
            return out | ({"privacy": private.as_dict()} if private and private.counts else {})
        shown = explain.routing(
            so_far.chosen,
            plan.policy,
            plan.resolution,
            plan.profile,
            len(so_far.attempts) or 1,
            so_far.alternatives,
            self.reason(),
        )
        if so_far.waited_s >= 0.001:
            shown["waitedMs"] = round(so_far.waited_s * 1000)
        if plan.in_force:
            shown["budgetActions"] = [one.shown() for one in plan.in_force]
        if (lowered := self.lowered()) is not None:
            shown["maxTokens"] = lowered
        saved = self.savings()
        if so_far.watch is not None and so_far.watch.flaw is not None:
            shown["flaw"] = so_far.watch.flaw
        return shown if saved is None else {**shown, "savings": saved}

    def accounting(self) -> dict[str, Any]:
        """Tokens, cost and time of the finished answer; what quota it used."""
        settled = self._so_far.settled
        used = settled.used if settled is not None else Meters()
        elapsed = self._tools.clock.now().mono - self._so_far.started.mono
        return {
            "tokensIn": used.input + used.cache_read + used.cache_write,
            "tokensOut": used.output,
            "costUsd": known_usd(self._so_far.plan.spent_pico, self._so_far.plan.unpriced),
            "latencyMs": round(elapsed * 1000),
            "quotaUsed": self.quota_used().as_dict(),
            "estimated": settled is None or settled.basis != "reported",
            "savings": self.savings(),
        }

    def budget(self) -> dict[str, Any]:
        """The seed's three numbers, in dollars."""
        now = self._tools.clock.now()
        whole = self._tools.books.budget_view(None, now)
        out = {
            "dailySpent": whole["daily"]["spent"],
            "dailyRemaining": whole["daily"]["remaining"],
            "projectSpent": None,
        }
        if self._so_far.plan.project is not None:
            mine = self._tools.books.budget_view(self._so_far.plan.project, now)
            out["projectSpent"] = mine["daily"]["spent"]
        return out

    def reason(self) -> str:
        """Why this one, in one sentence. Only once somebody was chosen."""
        so_far, plan = self._so_far, self._so_far.plan
        assert so_far.chosen is not None
        about = (so_far.chosen, plan.policy, plan.resolution, len(so_far.attempts) or 1)
        if self._reasoned is None or self._reasoned[0] != about:
            self._reasoned = about, explain.reason(*about)
        return self._reasoned[1]

    def lowered(self) -> int | None:
        """The bound on the answer that was sent in place of the client's."""
        if self._so_far.watch is None:
            return None
        sent = self._so_far.watch.attempt.profile
        asked = self._so_far.plan.profile
        same = sent is asked or sent.upper is asked.upper or sent.upper == asked.upper
        return None if same else sent.upper.output // sent.choices

    def savings(self) -> dict[str, Any] | None:
        """Against the premium model, once it is known what was used."""
        premium, settled = self._tools.rules.premium(), self._so_far.settled
        if premium is None or settled is None or settled.premium is None:
            return None
        if self._so_far.plan.unpriced:
            return None
        spent = self._so_far.plan.spent_pico
        about = (premium, settled, spent)
        if self._saved is None or self._saved[0] != about:
            self._saved = about, explain.savings(premium.name, settled.premium, spent)
        return self._saved[1]

    def free(self) -> bool:
        """True where nothing that was asked can be billed."""
        return self._so_far.chosen is not None and not self._so_far.chosen.deployment.billable

    def quota_used(self) -> Meters:
        """What counts in a quota, of all attempts as the cost is."""
        return self._so_far.from_quotas

    def row(self, status: str, error: FreeloaderError | None) -> DecisionRow:
        """The decision as the journal keeps it."""
        plan, now = self._so_far.plan, self._tools.clock.now()
        chosen = self._so_far.chosen.deployment if self._so_far.chosen is not None else None
        return DecisionRow(
            id=self._so_far.decision_id,
            request_id=self._so_far.request_id,
            at=self._so_far.started.wall,
            project=plan.project,
            key_id=plan.caller.key_id,
            operation=plan.profile.operation,
            requested=plan.resolution.requested,
            strategy=plan.policy.strategy,
            task=plan.profile.task,
            provider=chosen.provider.id if chosen else "",
            model=chosen.public_model if chosen else "",
            outcome=status if error is None else error.code,
            reason=self.reason() if chosen else (error.message if error else ""),
            attempts=len(self._so_far.attempts),
            cost_pico=plan.spent_pico,
            unpriced=plan.unpriced,
            latency_ms=(now.mono - self._so_far.started.mono) * 1000,
            detail={
                "routing": self.routing(),
                "policy": self._tools.policies.shown(plan.policy),
                "rule": plan.resolution.rule,
                "refusals": self._so_far.refusals,
                "fallback": plan.notes,
                "versions": {
                    "catalog": self._tools.rules.catalog_version(),
                    "policy": self._tools.rules.policy_version(),
                },
                "error": error.message if error is not None else None,
                "catalog": self._tools.rules.catalog_version(),
            },
        )


def counts_in_a_quota(deployment: Deployment) -> bool:
    """What is free has one, known or not; what is billed where a limit or a gift is known."""
    return not deployment.billable or bool(deployment.limits)


def _header_safe(text: str) -> str:
    """One line of Latin-1 for a header, at most 300 characters."""
    if text.isascii() and text.isprintable() and "  " not in text and len(text) <= 300:
        return text.strip()
    line = " ".join(text.split())
    return line.encode("latin-1", "replace").decode("latin-1")[:300]
