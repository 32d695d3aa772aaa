"""The owner's rules, put to one request: which holds, and what it does to the models meant.

Raises for a rule that rejects. Policy is put together elsewhere (``pipeline``): a rule
is one level of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from freeloader.core.model import Caller, Deployment, Profile, Resolution
from freeloader.core.policy.rules import Facts, Rule, first_match
from freeloader.errors import Forbidden, NoModelPassesGates

#: Rules with models whose deployments are remembered until the set changes.
_REMEMBERED = 256


class OwnersRules:
    """Remembers which deployments a rule's models stand for, per set of deployments."""

    def __init__(self) -> None:
        self._version = -1
        self._meant: dict[tuple[str, ...], frozenset[str]] = {}

    def match(
        self,
        rules: Sequence[Rule],
        profile: Profile,
        caller: Caller,
        project: str | None,
        now: float,
    ) -> Rule | None:
        """The rule that decides, or None. Raises Forbidden where it rejects."""
        if not rules:
            return None
        rule = first_match(rules, facts_of(profile, caller, project, now))
        if rule is not None and rule.reject is not None:
            raise Forbidden(
                f"{rule.reject} (rule '{rule.name}' of [[routing.rules]])",
                details={"rule": rule.name},
            )
        return rule

    def narrowed(
        self,
        rule: Rule,
        resolution: Resolution,
        deployments: Mapping[str, Deployment],
        version: int,
    ) -> Resolution:
        """The models meant, within the rule's.

        A rule about the wanted model (``when.model``) sends a named one elsewhere; any
        other rule only narrows. Raises NoModelPassesGates where nothing is left.
        """
        if not rule.models:
            return replace(resolution, rule=rule.name)
        meant = self._of(rule, deployments, version)
        named = resolution.kind == "named"
        both = meant & resolution.deployments if named else meant
        if both:
            return replace(resolution, deployments=both, rule=rule.name)
        if meant and rule.when.model is not None:
            wanted = resolution.requested
            return Resolution("auto", wanted, meant, rule=rule.name, redirected=True)
        raise _nobody(rule, resolution)

    def _of(
        self, rule: Rule, deployments: Mapping[str, Deployment], version: int
    ) -> frozenset[str]:
        if version != self._version or len(self._meant) > _REMEMBERED:
            self._version = version
            self._meant.clear()
        found = self._meant.get(rule.models)
        if found is None:
            found = self._meant[rule.models] = rule.meant(deployments)
        return found


def facts_of(profile: Profile, caller: Caller, project: str | None, now: float) -> Facts:
    """What rules may look at, of one request."""
    return Facts(
        now=now,
        project=project,
        key=tuple(filter(None, (caller.key_id, caller.name))),
        task=profile.task,
        complexity=profile.complexity,
        model=profile.model,
        tools="tools" in profile.needs,
        images="vision" in profile.needs,
        tokens=profile.expected.input,
        headers=profile.headers,
    )


def _nobody(rule: Rule, resolution: Resolution) -> NoModelPassesGates:
    listed = ", ".join(rule.models)
    return NoModelPassesGates(
        f"The rule '{rule.name}' allows only {listed}, and none of these serves "
        f"{resolution.requested}. Change routing.rules, or ask for one of them.",
        details={"rule": rule.name, "models": list(rule.models), "gates": []},
    )
