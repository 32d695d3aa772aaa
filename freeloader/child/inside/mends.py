"""Small repairs to the pinned LiteLLM, each with its reason; none changes what is sent.

Every mend looks for what it repairs and leaves a LiteLLM alone that no longer
has it. The child's tests against a real process show that each is still needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freeloader.child.inside import cohere
from freeloader.child.inside.usages import amazons


def install() -> None:
    """Apply all mends. Call after LiteLLM is imported, before it serves."""
    _groq_without_service_tier()
    _names_in_other_scripts()
    _counts_that_are_none()
    _gemini_without_usage()
    _streams_without_usage()
    cohere.install()


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


def _streams_without_usage() -> None:
    """A chunk whose usage is no object ended a stream of Gemini's, Anthropic's and Bedrock's; of
    counts of Ollama's that are none, and of Bedrock's where nothing else came with them, LiteLLM
    made its own guess, which looked like theirs."""
    from litellm.llms.anthropic.chat.handler import ModelResponseIterator as Anthropic
    from litellm.llms.bedrock.chat.invoke_handler import AWSEventStreamDecoder as Bedrock
    from litellm.llms.ollama.chat.transformation import OllamaChatCompletionResponseIterator
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import (
        ModelResponseIterator as Gemini,
    )

    handled, of_gemini = Anthropic._handle_usage, Gemini.chunk_parser
    of_ollama = OllamaChatCompletionResponseIterator.chunk_parser
    of_bedrock = Bedrock._chunk_parser

    def _handle_usage(self: Any, anthropic_usage_chunk: Any) -> Any:
        told = anthropic_usage_chunk if isinstance(anthropic_usage_chunk, Mapping) else {}
        return handled(self, told)

    def gemini(self: Any, chunk: dict[str, Any]) -> Any:
        if not isinstance(chunk.get("usageMetadata", {}), dict):
            chunk["usageMetadata"] = {}
        return of_gemini(self, chunk)

    def ollama(self: Any, chunk: dict[str, Any]) -> Any:
        for name in ("prompt_eval_count", "eval_count"):
            if type(chunk.get(name, 0)) is not int:
                chunk[name] = 0
        return of_ollama(self, chunk)

    def bedrock(self: Any, chunk_data: dict[str, Any]) -> Any:
        return of_bedrock(self, amazons(chunk_data))

    Anthropic._handle_usage, Gemini.chunk_parser = _handle_usage, gemini
    Bedrock._chunk_parser = bedrock
    OllamaChatCompletionResponseIterator.chunk_parser = ollama
