"""What refusals say in other tongues than English: patterns, and the wait that one states.

German, French, Spanish, Portuguese, Italian, Russian, Chinese, Japanese, Korean: those that
error messages come in. Data for ``refusals`` and ``messages``; judges nothing.
"""

from __future__ import annotations

import re

SECOND = (
    r"\bpro sekunde\b|\bpar seconde\b|\bpor segundo\b|\bal secondo\b|в секунду|每秒|毎秒"
    r"|1秒(?:あたり|間)|초당"
)
#: A minute that is named: before the day, of which an upsell may speak.
MINUTE = (
    r"\bpro minute\b|\bpar minute\b|\bpor minuto\b|\bal minuto\b|в минуту|每分钟|毎分"
    r"|1分(?:あたり|間)|분당"
)
HOUR = (
    r"\bpro stunde\b|\bpar heure\b|\bpor hora\b|\ball['’ ]?ora\b|в час\b|每(?:个)?小时|毎時"
    r"|1時間(?:あたり|に)|시간당"
)
DAY = (
    r"\btages(?:kontingent|limit|quote|grenze)|täglich\w* (?:\w+ )?(?:kontingent|limit|quote)"
    r"|\b(?:quota|cuota|cota|l[ií]mite?|límites?)\b[^.]{0,30}\b(?:journali[eè]re?|quotidien(?:ne)?"
    r"|diari[ao]|diári[ao]|giornalier[ao])\b"
    r"|\bpro tag\b|\bpar jour\b|\bpor d[ií]a\b|\bal giorno\b|в (?:день|сутки)"
    r"|(?:дневн|суточн)\w+ (?:\w+ )?(?:лимит|квот)|当日|今日|每日|每天|1日あたり|一日の|日次|일일 ?"
    r"|明天|明日|내일|\b(?:morgen|demain|mañana|amanhã|domani)\b|завтра"
)
MONTH = (
    r"\bmonats(?:kontingent|limit)|\b(?:quota|cuota|cota|l[ií]mite?)\b[^.]{0,30}\b(?:mensuel(?:le)?"
    r"|mensual|mensal|mensile)\b|\bpro monat\b|\bpar mois\b|\bpor m[eê]s\b|\bal mese\b|в месяц"
    r"|месячн\w+ (?:\w+ )?(?:лимит|квот)|本月|当月|每月|月間|월간"
)
CREDITS = (
    r"余额不足|欠费|额度不足(?!.{0,30}[今明][天日])|(?:令牌|账户|账号|用户)的?(?:额度|余额)已?(?:用尽|用完|耗尽)"
    r"|(?<!本月)(?<!今日)(?<!当日)(?<!每日)(?<!每月)免费额度已?(?:用尽|用完|耗尽)(?!.{0,20}明[天日])"
    r"|(?<![今当每本][日天月周])(?<!免费)额度已?(?:用尽|用完|耗尽)(?!.{0,20}明[天日])"
    r"|(?:cr[ée]dits?|solde) (?:est |sont )?(?:insuffisants?|épuisés?)"
    r"|guthaben (?:ist )?(?:aufgebraucht|erschöpft|nicht ausreichend|zu niedrig)"
    r"|(?:kein|nicht genügend|nicht genug) guthaben"
    r"|(?:saldo|cr[ée]ditos?) insuficientes?|credito (?:insufficiente|esaurito)"
    r"|недостаточно средств|残高(?:が)?不足|잔액(?:이)? ?부족"
)
OVERLOAD = (
    r"负载(?:已饱和|过高)|访问量过大|(?:系统|服务器?)(?:当前)?繁忙|过载|überlastet|surcharg[ée]"
)
#: The account itself is shut.
SHUT = (
    r"[账帐][号户][^。]{0,10}(?:封禁|封停|停用|冻结|禁用)"
    r"|(?:konto|compte) [^.]{0,20}(?:gesperrt|suspendu)"
)
KEY = r"clés? d['’ ]?api|schlüssel|clave|chave|chiave|密钥|秘钥|令牌|ключ|キー"
REGION = r"votre pays|ihrem land|(?:su|seu) país|(?:地区|国家|地域)[^。]{0,8}(?:不|以外)"

_UNIT = (
    r"(?:(?P<s{0}>secondes?|sekunden?|segundos?|secondi|секунд\w*)|(?P<m{0}>minutes?|minuten?"
    r"|minutos?|minuti|минут\w*)|(?P<h{0}>heures?|stunden?|horas?|ore|час\w*))\b"
)
_NUMBER = r"(?P<n{0}>\d{{1,6}}(?:[.,]\d{{1,3}})?)\s*"
#: A verb of coming back is needed: a limit ("30 Anfragen in 5 Minuten") is no wait.
_AGAIN = (
    r"\b(?:r[ée]essay|essay|patient|attend|versuch|wart|int[eé]nt|vuelv|esper|tent|aguard|riprov"
    r"|повтор|попроб|подожд)\w*[^.\d]{0,40}?"
)
_WAIT = re.compile(
    _AGAIN + _NUMBER.format(1) + _UNIT.format(1)
    + "|" + _NUMBER.format(2) + _UNIT.format(2) + r"\s+(?:erneut|wieder|nochmal)"
    + "|" + _NUMBER.format(3) + r"(?:(?P<s3>秒|초)|(?P<m3>分|분)|(?P<h3>小时|小時|時間|시간))"
    r"(?:钟|鐘|間)?\s*(?:之|以)?(?:后|後|뒤|후)",
    re.IGNORECASE,
)  # fmt: skip
_LENGTH = {"s": 1.0, "m": 60.0, "h": 3600.0}


def wait(text: str) -> float | None:
    """Seconds until which one is asked to come back; None where nothing is said of it."""
    found = _WAIT.search(text)
    if found is None:
        return None
    parts = {name[0]: value for name, value in found.groupdict().items() if value}
    unit = next(name for name in parts if name in _LENGTH)
    return float(parts["n"].replace(",", ".")) * _LENGTH[unit]
