"""E-mail addresses, payment cards, IBANs: shape first, then check digits. Yields spans.

The check digits are python-stdnum's, imported when a shape asks for them. Nothing here
looks at the words around a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_EMAIL = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~@-])"
    r"(\w(?:[\w.!#$%&'*+/=?^{|}~-]{0,62}[\w+=~-])?)"
    r"@((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,6}([^\W\d_]{2,24}|xn--[a-z0-9-]{2,58}))(?![\w-]|\.\w|@)"
)
#: ``jane (at) example [dot] org``: written so that programs do not see it.
_VEILED = re.compile(
    r"[\w.+-]{1,64}\s{0,2}[\[({]\s?at\s?[\])}]\s{0,2}[\w-]{1,63}"
    r"(?:\s{0,2}(?:[\[({]\s?dot\s?[\])}]|\.)\s{0,2}[a-z]{2,24}){1,3}",
    re.IGNORECASE,
)
#: The same in plain words, or with room around the @: only with an ending that people have.
_ENDING = r"(?:com|org|net|edu|gov|info|biz|io|eu|de|uk|fr|it|es|nl|ch|at|pl|se|in|ca|au|us|jp)\b"
_SPELT = re.compile(
    r"\b[\w.+-]{2,64} at (?!(?:the|an?|this|that|our|my|your) )"
    rf"(?:[\w-]{{1,63}} dot ){{1,3}}{_ENDING}"
    rf"|\b[\w.+-]{{2,64}} ?@ ?(?:[\w-]{{1,63}}\.){{1,4}}{_ENDING}(?![(\w.\[])",
    re.IGNORECASE,
)
#: Endings that follow an @ in file names, units and code, and are no top-level domains there.
_NO_DOMAIN = frozenset(
    re.findall(
        r"\w+",
        "png jpg jpeg gif svg webp ico bmp tiff pdf doc docx xls xlsx ppt csv "
        "json yaml yml toml xml html css scss less js jsx mjs cjs ts tsx vue "
        "py pyc ipynb rb java jar class kt php cpp hpp swift go lua sql txt "
        "log bak zip gz tar tgz exe dll dylib service socket target timer mount slice device "
        "scope swap path lock whl deb rpm apk iso img mp3 mp4 wav avi mov localdomain "
        "local localhost internal inv transpose reshape shape dot sum mean ",
    )
)


#: The rare forms of RFC 5321: a quoted name, an address in brackets.
_RARE = re.compile(
    r"\"[^\"@\n]{1,64}\"@(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}\b"
    r"|\b[\w.+-]{1,64}@\[(?:\d{1,3}\.){3}\d{1,3}\]",
    re.IGNORECASE,
)


def emails(text: str) -> Iterator[Span]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            local, domain, top = match[1], match[2], match[3].lower()
            remote = local == "git" and text[match.end() : match.end() + 1] in (":", "/")
            numeric = domain.rsplit(".", 1)[0].replace(".", "").isdigit() and domain.count(".") > 1
            if top not in _NO_DOMAIN and not remote and not numeric and ".." not in local:
                # scheme://user:password@host is a secret's business.
                yield match.span()
        for match in _RARE.finditer(text):
            yield match.span()
    if "at" in text or "AT" in text:
        for match in _VEILED.finditer(text):
            yield match.span()
    if " @" in text or "@ " in text or " dot " in text.lower():
        for match in _SPELT.finditer(text):
            yield match.span()


_CARD_MIN = 13
#: Between two digits: nothing, or one mark with a little room. Which, ``_grouped`` looks at.
_GAP = r"(?:[ \t]{0,2}[-._/][ \t]{0,2}|[ \t]{0,2})"
_CARD = re.compile(rf"(?<![\w.+-])(?<!\d[ /])[2-6](?:{_GAP}\d){{12,18}}(?![\w-]|\.\d)")


def cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        if length := _card_length(match[0]):
            yield match.start(), match.start() + length


def _card_length(written: str) -> int:
    """How much of ``written`` is a card's number (its date may follow); 0: nothing."""
    ends = [i + 1 for i, char in enumerate(written) if char.isdigit()]
    for n in range(len(ends), _CARD_MIN - 1, -1):
        part = written[: ends[n - 1]]
        if re.match(r"\.?\d", written[len(part) :]):
            continue
        digits = re.sub(r"\D", "", part)
        if _issuer(digits) and _grouped(part, whole=n == len(ends)) and _luhn(digits):
            return len(part)
    return 0


def _luhn(digits: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(digits))


def _issuer(digits: str) -> bool:
    """True where an issuer gives out numbers of this beginning and length (ISO/IEC 7812)."""
    n, two, three, four = len(digits), int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return n in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return n == 16
    if two in (34, 37):
        return n == 15
    if 300 <= three <= 305 or two in (36, 38, 39):
        return n in (14, 16)
    if 3528 <= four <= 3589 or 2200 <= four <= 2204:
        return n == 16
    # Discover, UnionPay, RuPay, Maestro.
    return two in (50, 56, 57, 58, 60, 62, 63, 64, 65, 67, 68, 69) and n in (16, 18, 19)


def _grouped(written: str, *, whole: bool) -> bool:
    """One run of digits, or groups as on a card: of four, or 4-6-5 and 4-6-4; or single ones."""
    marks = {mark.strip() or " " for mark in re.findall(r"\D+", written)}
    if not marks:
        return len(set(written)) > 1
    parts = re.split(r"\D+", written)
    if len(marks) > 1 or len(set("".join(parts))) == 1:
        return False
    sizes = [len(part) for part in parts]
    if sizes in ([4, 6, 5], [4, 6, 4], [4, 4, 5], [6, 13]):
        return True
    if set(sizes) == {1}:
        return whole
    return all(size == 4 for size in sizes[:-1]) and 1 <= sizes[-1] <= 4


_IBAN = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]{2}\d{2}(?:(?: ?[-./_] ?|[ \t]{0,2}|\n)[A-Z0-9]){11,30}"
    r"|[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30})(?![A-Za-z0-9])"
)
_IBAN_MIN = 15


def ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        length = _iban_length(match[0])
        if length:
            yield match.start(), match.start() + length


def _iban_length(written: str) -> int:
    """How much of ``written`` is an IBAN (words may follow it); 0: nothing."""
    from stdnum import iban

    places = [i for i, char in enumerate(written) if char.isalnum()]
    compact = "".join(written[i] for i in places).upper()
    for n in range(len(compact), _IBAN_MIN - 1, -1):
        after = written[places[n - 1] + 1 :][:1]
        if (not after or not after.isalnum()) and iban.is_valid(compact[:n], check_country=False):
            return places[n - 1] + 1
    return 0
