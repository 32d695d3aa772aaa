"""Secrets and keys: what providers' credentials look like, and what is announced as one.

A placeholder (``YOUR_API_KEY``), a reference to where a secret is kept (``os.environ[…]``)
and a word in prose are none. Yields spans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

_KEY_SHAPES = re.compile(
    r"""(?x)(?<![A-Za-z0-9_-])(?:
      (?:sk|pk|rk)-(?:[a-z0-9]{2,12}-)*[A-Za-z0-9_-]{16,200}
    | (?:sk|pk|rk)_(?:live|test|prod)_[A-Za-z0-9]{12,200}
    | (?:gsk|csk|cpk|xai|nvapi|fw|tgp|pplx|whsec|lin_api|PMAK|dop_v1|doo_v1|shpat|shpss|shpca
        |sntrys|figd|dckr_pat|hvs|ntn|secret|re|tk|glsa|pat|rnd|fo1|vercel|atlasv1|EAAA)
        [-_][A-Za-z0-9_.-]{20,300}
    | (?:hf|r8)_[A-Za-z0-9]{20,60}
    | gh[pousr]_[A-Za-z0-9]{30,255} | github_pat_[A-Za-z0-9_]{22,255} | glpat-[A-Za-z0-9_-]{20,60}
    | npm_[A-Za-z0-9]{36} | pypi-[A-Za-z0-9_-]{40,300}
    | AIza[0-9A-Za-z_-]{35} | ya29\.[0-9A-Za-z_-]{20,300} | GOCSPX-[0-9A-Za-z_-]{20,60}
    | (?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}
    | xox[abeprs]-[A-Za-z0-9-]{10,200} | xapp-\d-[A-Za-z0-9-]{20,200}
    | SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}
    | (?:SK|AC)[0-9a-f]{32} | key-[0-9a-f]{32} | dapi[0-9a-f]{32}
    | sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,60}
    | eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{10,1000}
    | \d{8,10}:AA[A-Za-z0-9_-]{33}
    | [MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}
    | AGE-SECRET-KEY-1[0-9A-Z]{58}
    )(?![A-Za-z0-9_])"""
)
#: Shapes that no identifier has, also where an underscore ties them to a word before them.
_TIED = re.compile(
    r"""(?x)(?<=_)(?:
      sk-(?:[a-z0-9]{2,12}-)*[A-Za-z0-9_-]{16,200} | gsk_[A-Za-z0-9]{40,60}
    | gh[pousr]_[A-Za-z0-9]{30,255} | hf_[A-Za-z0-9]{30,60} | AIza[0-9A-Za-z_-]{35}
    | (?:AKIA|ASIA)[0-9A-Z]{16} | xox[abeprs]-[A-Za-z0-9-]{10,200}
    )(?![A-Za-z0-9_])"""
)
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_HOOK = re.compile(
    r"https://(?:hooks\.slack\.com/services/T[A-Z0-9]{6,12}/B[A-Z0-9]{6,12}/[A-Za-z0-9]{16,40}"
    r"|(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/\d{15,22}/[A-Za-z0-9_-]{40,100})"
)
_URL = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s/@:]{0,100}:([^\s/@]{1,200})@[\w.\[-]")
_ANNOUNCED = re.compile(
    r"""(?ix)(?<![a-z])
    (?:[a-z0-9]{1,30}[_-]){0,4}
    (?: api[_\s-]?keys? | apikey | secrets? (?:[_\s-]?(?:access)?[_\s-]?key)? | client[_-]?secret
      | pass(?:word|wd|phrase|code)? | pwd | kennwort | passwort | contraseña | mot\sde\spasse
      | (?:auth|access|bearer|refresh|session|bot|api)[_\s-]?token | token
      | access[_\s-]?key | account[_\s-]?key | private[_\s-]?key | encryption[_\s-]?key
      | credentials? | пароль | 密码 )
    ["'`]? (?: \s{0,3} (?:=>?|:=?|：) \s{0,3} | \s+ (?:is|ist|es|est|lautet|was|to)\s*:? \s+ )
    (["'`]?) ([^\s"'`,;<>(){}\[\]]{6,400}) """
)
_BEARER = re.compile(r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/-]{16,2000}={0,2})")
_HINTS = re.compile(
    r"(?i)key|secret|pass|pwd|token|kennwort|contrase|credential|пароль|密码|bearer|basic"
)
_PLACEHOLDER = re.compile(
    r"(?i)your|example\.|placeholder|changeme|change-me|redacted|dummy|insert|replace|xxxx|\*\*\*"
    r"|\.\.\.|<|sample|\$\{?|%\(|\{\{|process\.env|os\.environ|getenv|environ|config\.|settings\."
    r"|^(?:none|null|true|false|undefined|string|str|self|env|required|optional|public)\b"
    r"|123456789012|abcdefgh|goes-?_?here|key-?_?here|(.)\1{5}"
)
#: Within a key's own shape: only what nobody's key holds.
_FILLED_IN = re.compile(r"(?i)your|placeholder|redacted|x{4}|key-?_?here|goes-?_?here|(.)\1{5}")


_BARE = re.compile(r"(?i)\b(?:password|passwort|passphrase|pwd) ([^\s\"'`,;<>()]{8,100})")


#: Letters alone are a password from so many on: four words in one.
_PHRASE = 20


def secrets(text: str) -> Iterator[Span]:
    for shapes in (_KEY_SHAPES, _TIED):
        for match in shapes.finditer(text):
            if _random(match[0]):
                yield match.span()
    if "-----BEGIN" in text:
        for match in _PEM.finditer(text):
            yield match.span()
    if "://" in text:
        for match in _HOOK.finditer(text):
            yield match.span()
        for match in _URL.finditer(text):
            if not _PLACEHOLDER.search(match[1]) and not _plain_word(match[1]):
                yield match.span()
    if _HINTS.search(text):
        yield from _announced(text)


def _announced(text: str) -> Iterator[Span]:
    for match in _BEARER.finditer(text):
        if _mixed(match[1]) and not _PLACEHOLDER.search(match[1]):
            yield match.span()
    for match in _BARE.finditer(text):
        value = match[1].rstrip(".!?")
        if re.search(r"\d", value) and _mixed(value) and not _PLACEHOLDER.search(value):
            yield match.span()
    for match in _ANNOUNCED.finditer(text):
        value = match[2].rstrip(".!?")
        called = text[match.end() : match.end() + 1] in ("(", "[", "{")
        if len(value) >= 6 and not called and _mixed(value) and not _PLACEHOLDER.search(value):
            yield match.span()


def _mixed(value: str) -> bool:
    """True for what a generator or a careful person makes: not one word, one number, one path."""
    if re.fullmatch(r"[\w]+(?:\.[A-Za-z_]\w*)+", value) and not re.search(r"\d", value):
        return False  # a dotted name
    kinds = sum(
        bool(re.search(shape, value)) for shape in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w\s.-]|_")
    )
    digits = bool(re.search(r"\d", value))
    letters = bool(re.search(r"[A-Za-zА-я]", value))
    if re.fullmatch(r"[A-Za-z_]+", value):
        return len(value) >= _PHRASE and value.islower() and "_" not in value
    return letters and ((digits and kinds >= 2) or kinds >= 3)


def _plain_word(value: str) -> bool:
    return value.lower() in ("password", "pass", "pwd", "secret", "token", "port", "pw")


def _random(key: str) -> bool:
    """A key's body has digits and many different characters; ``sk-learn-something-else`` not."""
    body = re.sub(r"^[A-Za-z0-9]{1,12}[-_.]", "", key)
    if _FILLED_IN.search(body):
        return False
    mixed = bool(re.search(r"\d", body)) or (
        bool(re.search(r"[A-Z]", body[1:])) and bool(re.search(r"[a-z]", body))
    )
    return mixed and len(set(body)) >= 7
