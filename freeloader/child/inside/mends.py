"""Small repairs to the pinned LiteLLM, each with its reason; none changes what is sent.

Every mend looks for what it repairs and leaves a LiteLLM alone that no longer
has it. The child's tests against a real process show that each is still needed.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Apply all mends. Call after LiteLLM is imported, before it serves."""
    _groq_without_service_tier()


def _groq_without_service_tier() -> None:
    """``groq/`` turns an answer without ``service_tier`` into a 400; not every host sends one."""
    from litellm.llms.groq.chat.transformation import GroqChatConfig

    strict = GroqChatConfig.transform_response

    def transform_response(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return strict(self, *args, **named)
        except AttributeError as error:
            if "service_tier" not in str(error):
                raise
            return super(GroqChatConfig, self).transform_response(*args, **named)

    GroqChatConfig.transform_response = transform_response
