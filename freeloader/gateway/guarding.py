"""What private data in a request leads to: a constraint, a refusal, a line in the audit.

Kinds and counts only; the text itself is known to nobody here.
"""

from __future__ import annotations

from freeloader.core import privacy
from freeloader.core.model import Caller, Gates, Level, Profile
from freeloader.errors import InvalidRequest
from freeloader.gateway.tools import Tools
from freeloader.store.rows import AuditRow, DecisionRow

_LOCAL = Level("privacy", gates=Gates(local_only=True))


def levels(profile: Profile) -> tuple[Level, ...]:
    """The constraint that what was found sets, if any. It holds under every strategy."""
    found = profile.private
    if found is None or not found.counts or found.wish not in ("local-only", "block"):
        return ()
    return (_LOCAL,)


def blocked(profile: Profile) -> bool:
    """True where the owner wishes that such a request is not answered at all."""
    found = profile.private
    return found is not None and bool(found.counts) and found.wish == "block"


def header(profile: Profile) -> str | None:
    """What ``X-Freeloader-Privacy`` says: the wish, and kinds with counts."""
    found = profile.private
    if found is None or not found.counts:
        return None
    return f"{found.wish}; {privacy.told(found.counts)}"


def note(
    profile: Profile, project: str | None, caller: Caller, decision_id: str, tools: Tools
) -> None:
    """One line of the audit, in a tracked task: the request does not wait for the disk."""
    found = profile.private
    if found is None or not found.counts or tools.audit is None:
        return
    detail = {**found.as_dict(), "project": project}
    row = AuditRow(tools.clock.now().wall, caller.key_id, "privacy.found", decision_id, detail)
    tools.tasks.start(tools.audit(row), f"audit {decision_id}")


def refuse(
    profile: Profile,
    project: str | None,
    caller: Caller,
    request_id: str,
    decision_id: str,
    tools: Tools,
) -> None:
    """Raises InvalidRequest (``private_data``) where the owner wishes it, and journals that."""
    found = profile.private
    if found is None or not blocked(profile):
        return
    message = (
        f"This request holds private data ({privacy.told(found.counts)}), which [privacy] pii = "
        '"block" refuses. Take it out and send again, or change the setting.'
    )
    tools.journal.decision(
        DecisionRow(
            id=decision_id,
            request_id=request_id,
            at=tools.clock.now().wall,
            project=project,
            key_id=caller.key_id,
            operation=profile.operation,
            requested=profile.model,
            strategy=profile.level.strategy or "",
            task=profile.task,
            provider="",
            model="",
            outcome="private_data",
            reason=message,
            attempts=0,
            cost_pico=0,
            latency_ms=0.0,
            detail={"privacy": found.as_dict(), "routing": {"privacy": found.as_dict()}},
        )
    )
    raise InvalidRequest(
        message,
        code="private_data",
        param="messages",
        details={"decisionId": decision_id, "privacy": found.as_dict()},
    )
