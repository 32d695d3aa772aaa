"""How much of a provider's answer is taken at a time."""

from __future__ import annotations

#: One line of an answer's head.
LINE_BYTES = 32 * 1024
#: aiohttp keeps up to twice as much of an answer that nobody reads on: hundreds of them, where
#: clients read slowly. The rest waits in the kernel, and with the provider.
READ_BYTES = 4 * 1024
