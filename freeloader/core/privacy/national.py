"""National identity, social security and personal tax numbers, with their check digits.

The arithmetic is python-stdnum's. A number whose written form is its own (letters, fixed
separators) stands alone; bare digits count only where their check is strong, or where the
words around them say what they are. Yields spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Number:
    """``module`` of stdnum (None: the shape alone), and whether words around must name it."""

    module: str | None
    shape: re.Pattern[str]
    named: re.Pattern[str] | None = None


def _number(module: str | None, shape: str, named: str | None = None) -> _Number:
    whole = re.compile(rf"(?<![\w.+-])(?:{shape})(?![\w]|[.-]\w)")
    return _Number(module, whole, re.compile(named, re.IGNORECASE) if named else None)


_ID = (
    r"\bid(?:entity|entification)?\b|national|social|citizen|passport|insurance|\btax\b|resident"
    r"|\bssn\b|\bsin\b|\bpin\b|\bident|ausweis|steuer|sozial|personal|\bnif\b|\bnie\b|\bdni\b"
)
_NUMBERS = (
    _number("us.ssn", r"\d{3}-\d{2}-\d{4}"),
    _number("us.ssn", r"\d{3}[ ./]?\d{2}[ ./]?\d{4}", r"\bssn\b|social.security"),
    _number("us.itin", r"9\d{2}-\d{2}-\d{4}"),
    _number(
        None,
        r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]",
    ),
    _number(None, r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", r"\bni\b|\bnino\b|national insurance"),
    _number("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"\bnhs\b"),
    _number("gb.utr", r"\d{10}K?", r"\butr\b|unique taxpayer"),
    _number("de.idnr", r"\d{2} \d{3} \d{3} \d{3}"),
    _number("de.idnr", r"[1-9]\d{10}", r"steuer|\bidnr|tax|identifikation|\btin\b|\bid\b"),
    _number("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}"),
    _number("es.dni", r"\d{8}[- ]?[A-HJ-NP-TV-Z]"),
    _number("es.nie", r"[XYZ][- ]?\d{7}[- ]?[A-HJ-NP-TV-Z]"),
    _number(
        "it.codicefiscale",
        r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]"
        r"|[A-Z]{3} [A-Z]{3} \d{2}[A-EHLMPRST]\d{2} [A-Z]\d{3}[A-Z]",
    ),
    _number("nl.bsn", r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}", r"\bbsn\b|burgerservice|sofi"),
    _number("be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"),
    _number("be.nn", r"\d{11}", r"rijksregister|registre national|national"),
    _number("pl.pesel", r"\d{11}", r"pesel|" + _ID),
    _number("se.personnummer", r"(?:19|20)?\d{6}[-+]\d{4}"),
    _number("se.personnummer", r"(?:19|20)\d{10}", r"personnummer|" + _ID),
    _number("dk.cpr", r"\d{6}-\d{4}", r"\bcpr\b|personnummer|" + _ID),
    _number("dk.cpr", r"\d{10}", r"\bcpr\b|personnummer"),
    _number("no.fodselsnummer", r"\d{6} ?\d{5}", r"f[øo]dselsnummer|personnummer|" + _ID),
    _number("fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]"),
    _number("ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}"),
    _number("at.vnr", r"\d{4} ?\d{6}", r"versicherung|\bsvnr|" + _ID),
    _number("ie.pps", r"\d{7}[A-W][AHWTX]?", r"\bpps|" + _ID),
    _number("pt.cc", r"\d{8} ?\d ?[A-Z0-9]{2}\d"),
    _number("pt.nif", r"\d{3} ?\d{3} ?\d{3}", r"\bnif\b|contribuinte"),
    _number("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _number("br.cpf", r"\d{11}", r"\bcpf\b"),
    _number("in_.aadhaar", r"[2-9]\d{3}[ -]\d{4}[ -]\d{4}"),
    _number("in_.aadhaar", r"[2-9]\d{11}", r"aadh?aar|uidai|" + _ID),
    _number("in_.pan", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"),
    _number(None, r"[A-Z]{5}\d{4}[A-Z]", r"\bpan\b|income tax"),
    _number(None, r"[STFGM]\d{7}[A-Z]", r"\bnric\b|\bfin\b|singapore"),
    _number("cn.ric", r"\d{17}[\dXx]"),
    _number("kr.rrn", r"\d{6}-\d{7}"),
    _number("jp.in_", r"\d{4}[ -]?\d{4}[ -]?\d{4}", r"my.?number|マイナンバー|個人番号"),
    _number("za.idnr", r"\d{13}|\d{6} \d{4} \d{3}", r"\brsa\b|south.africa|" + _ID),
    _number("ca.sin", r"\d{3}[- ]\d{3}[- ]\d{3}", r"\bsin\b|social.insurance|\bnas\b"),
    _number("luhn", r"\d{3}[- ]?\d{3}[- ]?\d{3}", r"\bsin\b|social.insurance"),
    _number("ca.sin", r"\d{9}", r"\bsin\b|social.insurance|\bnas\b"),
    _number("au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", r"\btfn\b|tax file"),
    _number("mx.curp", r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"),
    _number("tr.tckimlik", r"[1-9]\d{10}", r"kimlik|\btckn\b|t\.?c\.? |" + _ID),
    _number("il.idnr", r"\d{9}", r"teudat|israel.{0,12}\bid\b"),
    _number("cz.rc", r"\d{6}/\d{3,4}"),
    _number("ro.cnp", r"[1-8]\d{12}", r"\bcnp\b|cod numeric|" + _ID),
    _number("bg.egn", r"\d{10}", r"\begn\b|егн"),
    _number("hr.oib", r"\d{11}", r"\boib\b"),
    _number("ee.ik", r"[1-6]\d{10}", r"isikukood|" + _ID),
    _number("lt.asmens", r"[1-6]\d{10}", r"asmens|" + _ID),
    _number("gr.amka", r"\d{11}", r"amka|αμκα"),
    _number("cl.rut", r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]"),
    _number("cl.rut", r"\d{7,8}-[\dkK]", r"\bru[tn]\b"),
    _number("pk.cnic", r"\d{5}-\d{7}-\d"),
    _number("th.pin", r"\d-\d{4}-\d{5}-\d{2}-\d"),
    _number("my.nric", r"\d{6}-\d{2}-\d{4}"),
    _number("do.cedula", r"\d{3}-\d{7}-\d"),
    _number("co.nit", r"\d{9}-\d", r"\bnit\b"),
    _number("id.nik", r"\d{16}", r"\bnik\b|\bktp\b"),
    _number(None, r"[A-Z]{1,2}\d{6,9}", r"passport|reisepass|passeport|pasaporte"),
    _number(None, r"[CFGHJKLMNPRTVWXYZ0-9]{9,10}", r"passport|reisepass|personalausweis"),
)
_PREFILTER = re.compile(r"\d\D?\d")
_BEFORE, _AFTER = 48, 16


def numbers(text: str) -> Iterator[Span]:
    if not _PREFILTER.search(text):
        return
    for number in _NUMBERS:
        # Looking for a name once is cheaper than for a number in all of the text.
        if number.named is not None and not number.named.search(text):
            continue
        for match in number.shape.finditer(text):
            if number.named is not None:
                around = text[max(0, match.start() - _BEFORE) : match.end() + _AFTER]
                if not number.named.search(around):
                    continue
            if _checks(number.module, match[0]):
                yield match.span()


def _checks(module: str | None, written: str) -> bool:
    if module is None:
        return sum(c.isdigit() for c in written) >= 4
    digits = re.sub(r"\D", "", written)
    if len(set(digits)) == 1:
        return False
    parted = r"[ ./]" if module == "us.ssn" else " "
    return bool(_module(module).is_valid(re.sub(parted, "", written)))


@lru_cache(maxsize=64)
def _module(name: str):  # type: ignore[no-untyped-def]
    return import_module(f"stdnum.{name}")
