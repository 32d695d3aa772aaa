"""The kinds of values that settings hold, as pydantic types, and the base of all sections.

No section and no default is here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from freeloader.settings import read


class Section(BaseModel):
    """One table of ``config.toml``. Unknown keys are refused; values never change.

    ``short`` maps accepted short forms to where they belong (dotted); ``canon``
    gives, for keys with several accepted forms, the function that makes the one
    form everything else sees.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    short: ClassVar[Mapping[str, str]] = {}
    canon: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}


def _counts(value: Any) -> Any:
    # pydantic would take true for 1.
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _switch(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        return value
    raise ValueError("must be true or false")


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _money(value: Any) -> Decimal:
    return read.money(value)


@lru_cache(maxsize=64)
def _zone_exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _zone(name: str) -> str:
    if not _zone_exists(name):
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin")
    return name


@lru_cache(maxsize=64)
def _cron_is_good(line: str) -> bool:
    from croniter import croniter  # heavy, and only needed where a cron line was changed

    return bool(croniter.is_valid(line))


_SIMPLE_CRON = re.compile(r"[1-5]?\d (1?\d|2[0-3]) \* \* [*0-6]")


def _cron(line: str) -> str:
    if _SIMPLE_CRON.fullmatch(line):  # all of the defaults
        return line
    if len(line) > 200 or not _cron_is_good(line):
        raise ValueError(f"{line[:60]!r} is not a cron line, such as 0 2 * * *")
    return line


_ORIGIN = re.compile(r"https?://[^/\s@?#*]+")


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be an origin, such as http://localhost:5173 (no path, no *)")
    return value


def list_of(value: Any) -> Any:
    """A list; from the environment also JSON, or names separated by commas."""
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError:
                raise ValueError("must be a JSON list") from None
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s@]+(/\S*)?", value):
        raise ValueError("must be an http(s) address without a user name")
    return value


_CLOCK = r"([01]?\d|2[0-3]):[0-5]\d"


def hours_of_day(value: str) -> str:
    """``22:00-07:00``. Raises ValueError."""
    if not re.fullmatch(f"{_CLOCK}-{_CLOCK}", value):
        raise ValueError("must look like 22:00-07:00")
    return value


Whole = Annotated[int, BeforeValidator(_counts)]
Number = Annotated[float, BeforeValidator(_counts), Field(allow_inf_nan=False)]
Positive = Annotated[float, BeforeValidator(_counts), Field(gt=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_counts), Field(ge=0, le=1, allow_inf_nan=False)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Dollars = Annotated[
    Decimal, BeforeValidator(_money), PlainSerializer(float, return_type=float, when_used="json")
]
Zone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Origin = Annotated[str, AfterValidator(_origin)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Names = Annotated[tuple[str, ...], BeforeValidator(list_of)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(list_of)]
Lower = BeforeValidator(_lower)
