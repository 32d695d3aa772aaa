"""What all parts of the document share: strict keys, and the words and numbers in it."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

METRICS = (
    *("requests", "tokens", "input", "output", "cacheRead", "cacheWrite"),
    *("images", "seconds", "units", "usd", "concurrency"),
)
Confidence = Literal["high", "medium", "low"]
Window = Annotated[str, Field(pattern=r"^([1-9][0-9]*[smhd]|month|once)$")]
Score = Annotated[float, Field(ge=1, le=10)]
Count = Annotated[int, Field(ge=0)]
Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Doc(BaseModel):
    """Strict about keys, camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


def one_of(value: str, known: Any, what: str) -> str:
    """``value``; raises ValueError with the nearest known one where it is none of them."""
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; one of {', '.join(known)}"
        raise ValueError(f"unknown {what} {value!r}{hint}")
    return value
