"""Telephone numbers: candidates by shape, judged by ``phonenumbers``' numbering plans.

International numbers stand alone; national ones need a telephone's way of writing, or
words around them that speak of calling. Dates, addresses of machines, versions and
amounts are none. Yields spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_CANDIDATE = re.compile(
    r"(?<![\w.,/#$€£¥%=+-])(?<!\w\()(?<!\d:)(?:\+|\(\+?)?\d(?:[\d ()./\u2011\u2013\u00a0-]{5,22})\d"
    r"(?![\w%°]|[.,:/-]\d|-\w)"
)
_PREFILTER = re.compile(r"\d[\d ()./\u2011\u2013\u00a0-]{5,}\d")
_NOT_PHONES = re.compile(
    r"(?x) (?:19|20)\d\d ([-/.]) (?:0?[1-9]|1[0-2]) \1 \d{1,2} (?:\s.*)?"  # a date
    r" | \d{1,2} ([-/.]) \d{1,2} \2 (?:19|20)?\d\d (?:\s.*)?"
    r" | (?:19|20)\d\d \s? [-–\s] \s? (?:19|20)?\d\d"  # years
    r" | \d{1,3} (?: \. \d{1,3}){3} | \d+ \. \d+ (?:\.\d+)*"
    r" | \d{3} [-\s] \d{2} [-\s] \d{4}"  # a social security number, or none
    r" | 97[89] [-\s]? \d [-\s\d]{9,14}"  # an ISBN
    r" | (?:\d{4}[ -]){3}\d{4} | [1-9]\d?\s+(?:\d{1,2}\s+){2,}\d{1,2}"
)
_AMOUNT = re.compile(r"\d{1,3}(?:[.\s]\d{3})+")
_SPEAKS = re.compile(
    r"(?i)\b(?:tele|cell)?phone|\btel\b|\btel[.:]|telef|téléphone|\bmobile?\b(?! \w+ \w+ )|\bcell"
    r"|\bcall|\bring\b|\bsms\b|text (?:me|him|her|us|them)"
    r"|whatsapp|signal\b|viber|\bfax|\bdial|reach|contact|hotline"
    r"|\b(?:my|his|her|our|their|home|work|office|emergency) (?:number|no\b|nr\b|#)"
    r"|handy|rufnummer|anrufen|ruf\b|móvil|celular|cellulare|portable|numéro|numero"
    r"|номер|телефон|звон|电话|手机|電話|携帯|전화|voicemail|\bext\b|landline"
)
_DENIES = re.compile(
    r"(?i)order|invoice|ticket|isbn|issn|\bpart\b|serial|version|track|\bsku\b|model|\bref\b"
    r"|reference|case (?:no|number|id)|account|barcode|\bean\b|\bupc\b|patent|timestamp|\bepoch"
    r"|batch|coordinates|latitude|longitude|\blot\b|build|error code|bestell|rechnung|\bdoi\b"
    r"|population|invoice|score|range|\bid\b|imei|request|parcel|shipment|commit|port|article"
)
_NANP = re.compile(r"(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([-. /]))\d{3}[-. ]\d{4}")
#: Plans tried for a number in national form, by the size of the countries that use it.
_REGIONS = (
    "US", "GB", "DE", "FR", "IT", "ES", "IN", "BR", "AU", "NL", "BE", "CH", "AT", "PL", "SE",
    "JP", "CN", "KR", "MX", "ZA", "IE", "PT", "DK", "NO", "FI", "CZ", "TR", "RU",
)  # fmt: skip
_CANDIDATES_MAX = 2_000
_BEFORE, _AFTER = 40, 12


def phones(text: str) -> Iterator[Span]:
    if not _PREFILTER.search(text):
        return
    for seen, match in enumerate(_CANDIDATE.finditer(text)):
        if seen >= _CANDIDATES_MAX:
            return
        written = match[0].strip()
        around = text[max(0, match.start() - _BEFORE) : match.end() + _AFTER]
        if 7 <= sum(c.isdigit() for c in written) <= 16 and _is_phone(written, around):
            yield match.span()


def _is_phone(written: str, around: str) -> bool:
    speaks, denies = bool(_SPEAKS.search(around)), bool(_DENIES.search(around))
    if _NANP.fullmatch(written):
        # 555 is no real exchange, but people write it where they mean a telephone.
        return (speaks or not denies) and (_valid(written, "US") or "555" in written or speaks)
    if _NOT_PHONES.fullmatch(written) or (not speaks and _AMOUNT.fullmatch(written)):
        return False
    if written.lstrip("(").startswith("+"):
        return _valid(written, None, possible=speaks or not denies)
    if written.startswith("00"):
        return (speaks or not denies) and _valid("+" + written[2:], None)
    if speaks:
        return any(_valid(written, region) for region in _REGIONS)
    marks = len(re.findall(r"[ ()./\u2011\u2013\u00a0-]+", written))
    leads = written.startswith(("0", "(0")) and not denies
    return leads and 1 <= marks <= 5 and any(_valid(written, region) for region in _REGIONS[1:])


def _valid(written: str, region: str | None, *, possible: bool = False) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(number):
        return True
    return possible and phonenumbers.is_possible_number(number)
