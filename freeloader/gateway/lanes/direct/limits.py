"""How much of a provider's answer is taken at a time, and how much of its head at all."""

from __future__ import annotations

#: One line of an answer's head. Security policies of 8 KB are seen; no line is longer.
LINE_BYTES = 16 * 1024
#: Lines of an answer's head: what stands before providers adds up to some forty.
LINES_MAX = 100
#: An answer's head in all.
HEAD_BYTES = 64 * 1024
#: Interim answers (``1xx``) before the answer itself; one or two are usual.
INTERIM_MAX = 20
#: aiohttp keeps up to twice as much of an answer that nobody reads on: hundreds of them, where
#: clients read slowly. The rest waits in the kernel, and with the provider.
READ_BYTES = 4 * 1024
