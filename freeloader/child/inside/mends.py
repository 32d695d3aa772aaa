"""Small repairs to the pinned LiteLLM, each with its reason; none changes what is sent.

Every mend looks for what it repairs and leaves a LiteLLM alone that no longer
has it. The child's tests against a real process show that each is still needed.
"""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Apply all mends. Call after LiteLLM is imported, before it serves."""
    _groq_without_service_tier()
    _names_in_other_scripts()


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


def _names_in_other_scripts() -> None:
    """The model's name goes into headers, which hold Latin letters only: of one in another
    script the answer, already paid for, became a 500."""
    from litellm.proxy.common_request_processing import ProxyBaseLLMRequestProcessing as Processing

    plain = Processing.get_custom_headers

    def get_custom_headers(**named: Any) -> dict[str, str]:
        found: dict[str, str] = plain(**named)
        return {name: value.encode("ascii", "replace").decode() for name, value in found.items()}

    Processing.get_custom_headers = staticmethod(get_custom_headers)
