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
    _counts_that_are_none()
    _gemini_without_usage()


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


def _counts_that_are_none() -> None:
    """Token counts that are no whole numbers (``30.5``, ``"many"``) made an error of an answer that
    was there. It passes without counts: the front does not believe such ones (``lanes.usage``)."""
    from litellm.types.utils import Usage

    strict = Usage.__init__

    def __init__(self: Any, *args: Any, **named: Any) -> None:  # noqa: N807
        try:
            strict(self, *args, **named)
        except (TypeError, ValueError):
            strict(self)

    Usage.__init__ = __init__


def _gemini_without_usage() -> None:
    """``gemini/`` turns a whole answer without a usable ``usageMetadata`` into an error."""
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig
    from litellm.types.utils import Usage

    strict = VertexGeminiConfig._calculate_usage

    def _calculate_usage(completion_response: Any) -> Any:
        try:
            return strict(completion_response)
        except (TypeError, ValueError, AttributeError):
            if not completion_response.get("candidates"):
                raise
            return Usage()

    VertexGeminiConfig._calculate_usage = staticmethod(_calculate_usage)
