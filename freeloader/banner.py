"""What a starting daemon has to tell its owner. Data only; the command line formats it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Banner:
    """``found`` are sentences ("groq: key taken over from GROQ_API_KEY").

    ``simulated`` is True where nothing was found and the built-in simulator
    answers; ``client_key`` is for the owner's terminal only, never for a log or a file.
    """

    address: str
    client_key: str = field(repr=False)
    client_key_file: str
    home: str = ""
    found: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    simulated: bool = False
    deployments: int = 0
