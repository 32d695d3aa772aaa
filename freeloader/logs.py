"""Logs: one file, one format, no secrets and no forged lines.

Sets up handlers, masks what must not be written and binds the request id to
what is logged on its behalf. It decides nothing and reads no settings file.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any
from urllib.parse import quote

from freeloader.clock import iso

MASK = "[hidden]"
FILE_NAME = "freeloader.log"
_VALUES_MAX = 2048
_SHORTEST = 6  # shorter values would mask ordinary words
_LINE_MAX = 32_768

# Keys of known makes, and anything that is announced as a secret.
_KEY_SHAPES = re.compile(
    r"""
      \b(?:sk|pk|rk)[-_][A-Za-z0-9][A-Za-z0-9_-]{8,}
    | \b(?:gsk|csk|cpk|xai|nvapi|hf|fw|r8|xs|pplx|tgp)[-_][A-Za-z0-9_-]{10,}
    | \b(?:ghp|gho|ghs|github_pat|glpat)[-_][A-Za-z0-9_-]{10,}
    | \bAIza[0-9A-Za-z_-]{20,}
    | \b(?:AKIA|ASIA)[0-9A-Z]{12,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?
    """,
    re.VERBOSE,
)
_ANNOUNCED = re.compile(
    r"""(?ix)
    ( \b(?:bearer|basic)\s+
    | ["']? (?: [a-z0-9_-]* (?: api[_-]?key | apikey | secret | password | passwd | auth[_-]?token
              | access[_-]?token | access[_-]?key ) [a-z0-9_-]* | authorization )
      ["']? \s* [:=] \s* ["']? (?: (?:bearer|basic)\s+ )?
    | [?&] (?: key | token | sig ) =
    )
    ( [^\s"'&,;<>\]})]{4,} )
    """
)
_CREDENTIAL_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:]+:[^\s/@]+@")

# Control characters, line separators and bidirectional overrides: they could forge or hide lines.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_NOTHING: Mapping[str, str] = MappingProxyType({})
_bound: ContextVar[Mapping[str, str]] = ContextVar("freeloader_log_fields", default=_NOTHING)


class bind:  # noqa: N801 - it reads as the verb that it is
    """Add ``fields`` (``request_id=…``) to every line logged inside, also by tasks begun there."""

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _bound.set({**_bound.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


def bound() -> Mapping[str, str]:
    """The fields bound right now."""
    return _bound.get()


class Redactor:
    """Masks the secrets it was told of, and whatever looks like one. Bounded: the oldest go."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()
        self._known: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._values)} values>"

    def add(self, value: str) -> None:
        """Mask ``value`` from now on, also as it looks in JSON, in a URL and in ``repr``."""
        value = value.strip()
        if len(value) < _SHORTEST or value in self._values:
            return
        self._values[value] = None
        while len(self._values) > _VALUES_MAX:
            self._values.popitem(last=False)
        self._known = None

    def scrub(self, text: str) -> str:
        """``text`` with every secret replaced by ``[hidden]``."""
        if self._known is None and self._values:
            forms = {
                f for v in tuple(self._values) for f in (v, json.dumps(v)[1:-1], quote(v, safe=""))
            }
            ordered = sorted(forms, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, ordered)))
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _KEY_SHAPES.sub(MASK, text)
        text = _ANNOUNCED.sub(lambda m: m[1] + MASK, text)
        return _CREDENTIAL_URL.sub(lambda m: f"{m[1]}{MASK}@", text)


class RedactingFilter(logging.Filter):
    """Masks a record's message, arguments and traceback before any handler formats them."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            # A wrong format string is our bug, and must not print the arguments to stderr.
            message = f"{record.msg} (its arguments do not fit)"
        record.msg, record.args = self._redactor.scrub(message), None
        if record.exc_info and record.exc_info[0] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info))
            record.exc_text = self._redactor.scrub(trace)
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = self._redactor.scrub(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.scrub(record.stack_info)
        return True


def escape(text: str) -> str:
    """One safe line: control characters, ANSI and direction overrides spelt out."""
    return _UNSAFE.sub(lambda m: _ESCAPES.get(m[0]) or f"\\u{ord(m[0]):04x}", text)[:_LINE_MAX]


class LineFormatter(logging.Formatter):
    """``time LEVEL logger field=… message``; traceback lines are marked: none can be forged."""

    def __init__(self, redactor: Redactor, *, as_json: bool = False) -> None:
        super().__init__()
        self._redactor = redactor
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields = self._fields(record)
        trace = "\n".join(part for part in (record.exc_text, record.stack_info) if part)
        if self._as_json:
            line = {
                "time": iso(record.created),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage()[:_LINE_MAX],
                **fields,
                **({"traceback": trace[:_LINE_MAX]} if trace else {}),
            }
            return json.dumps(line, ensure_ascii=True)
        said = " ".join(f"{key}={escape(value)}" for key, value in fields.items())
        head = f"{iso(record.created)} {record.levelname:<7} {record.name}"
        text = f"{head} {said + ' ' if said else ''}{escape(record.getMessage())}"
        # Split at line feeds only: the other separators of splitlines() are escaped.
        marked = [f"    | {escape(line)}" for line in trace[:_LINE_MAX].split("\n") if line]
        return "\n".join([text, *marked])

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        """The bound fields, and those that came with ``extra={"fields": {…}}``."""
        extra = getattr(record, "fields", None)
        given = {**bound(), **(extra if isinstance(extra, Mapping) else {})}
        return {str(k): self._redactor.scrub(str(v)) for k, v in given.items()}


class PrivateRotatingFile(RotatingFileHandler):
    """A rotating file that is 0600 from its first byte, under any umask; where somebody took it
    away (to make room, or to rotate it himself) the next line begins a new one."""

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's own name
        if self.stream is not None and self._taken_away(self.stream.fileno()):
            self.stream.close()
            self.stream = None  # it is opened anew with this line
        return bool(super().shouldRollover(record))

    def _taken_away(self, descriptor: int) -> bool:
        try:
            there = os.stat(self.baseFilename)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self.baseFilename), mode=0o700, exist_ok=True)
            return True
        return there.st_ino != os.fstat(descriptor).st_ino

    def _open(self) -> IO[Any]:  # type: ignore[override]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(self.baseFilename, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


@dataclass(slots=True)
class Logs:
    """The handlers that are installed, so that they can be changed and taken away again."""

    handlers: tuple[logging.Handler, ...]
    redactor: Redactor

    def set_level(self, level: str) -> None:
        logging.getLogger().setLevel(level.upper())

    def set_json(self, as_json: bool) -> None:
        """From the next line on: JSON, or text."""
        for handler in self.handlers:
            handler.setFormatter(LineFormatter(self.redactor, as_json=as_json))

    def close(self) -> None:
        root = logging.getLogger()
        for handler in self.handlers:
            root.removeHandler(handler)
            handler.close()


def setup(
    directory: Path,
    redactor: Redactor,
    *,
    level: str = "info",
    as_json: bool = False,
    foreground: bool = False,
    file_bytes: int = 10_485_760,
    files: int = 5,
    stream: IO[str] | None = None,
) -> Logs:
    """Log to ``directory/freeloader.log`` (and to standard error in the foreground).

    ``directory`` must exist. Raises OSError where the file cannot be opened.
    """
    handlers: list[logging.Handler] = [
        PrivateRotatingFile(directory / FILE_NAME, maxBytes=file_bytes, backupCount=files)
    ]
    if foreground:
        handlers.append(logging.StreamHandler(stream or sys.stderr))
    root = logging.getLogger()
    for handler in handlers:
        handler.addFilter(RedactingFilter(redactor))
        handler.setFormatter(LineFormatter(redactor, as_json=as_json))
        root.addHandler(handler)
    root.setLevel(level.upper())
    # Their chatter (one line per request, per watcher) is ours to say, with our fields.
    for chatty in ("aiohttp.access", "asyncio", "keyring"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return Logs(tuple(handlers), redactor)
