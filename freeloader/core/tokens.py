"""Token estimates from sizes alone: an upper one for holds, an expected one for ranking.

No tokenizer runs here: they cost 80 MiB and half a millisecond, differ by
provider, and an upper bound is what money and quota need. Both functions are
monotone in their arguments.
"""

from __future__ import annotations

#: Bytes of UTF-8 per token. English prose measures 4–4.6, code about 3, CJK and
#: emoji about 2–3 on current vocabularies; 2 bytes a token over-counts all of them.
_UPPER_BYTES = 2
_EXPECTED_BYTES = 4
#: Chat templates add a handful of tokens per message; charged per kilobyte here
#: because messages are counted by the caller as bytes, plus a fixed part.
_OVERHEAD = 64
#: A high-detail image is 765–1,105 tokens at OpenAI, 258 per tile at Gemini,
#: up to about 1,600 at Anthropic.
_UPPER_IMAGE = 2048
_EXPECTED_IMAGE = 1024
#: What a model writes when nobody says how much: the median chat answer.
EXPECTED_OUTPUT = 400


def upper_tokens(text_bytes: int, images: int = 0) -> int:
    """A count that the input will hardly exceed, for ``text_bytes`` of UTF-8 and some images."""
    return _OVERHEAD + -(-text_bytes // _UPPER_BYTES) + images * _UPPER_IMAGE


def expected_tokens(text_bytes: int, images: int = 0) -> int:
    """The likely count, for ``text_bytes`` of UTF-8 and some images."""
    return 8 + -(-text_bytes // _EXPECTED_BYTES) + images * _EXPECTED_IMAGE
