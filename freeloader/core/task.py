"""Task type of a request, from its structure; later work deepens it.

Structure first: tools or tool results make an ``agent_step``, image parts an
``image``; everything else is ``chat``. Text is not read here.
"""

from __future__ import annotations

from collections.abc import Collection

TASKS = (
    "chat",
    "coding",
    "reasoning",
    "summarization",
    "translation",
    "image",
    "agent_step",
)


def task_of(needs: Collection[str], override: str | None = None) -> str:
    """The task type; ``override`` (``metadata.taskType``) wins where it is a known one."""
    if override in TASKS:
        return override
    if "tools" in needs:
        return "agent_step"
    if "vision" in needs:
        return "image"
    return "chat"
