"""Cues: words, phrases and shapes that tell what a text asks for, in several languages.

A cue only has a name here; what it is worth for which task is in the trained weights.
``name@`` is the same word near the beginning or the end, where people say what they want.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from freeloader.core.task.phrases import PHRASES

_LISTS: dict[str, str] = {
    "code.language": """python javascript typescript java golang rust kotlin swift php ruby scala
        haskell perl lua matlab fortran cobol solidity bash powershell sql mysql postgresql
        postgres sqlite mongodb html css vba dart elixir clojure verilog vhdl assembly cuda""",
    "code.tool": """react angular vue django flask fastapi numpy pandas pytorch tensorflow keras
        docker kubernetes git github regex json yaml xml linux ubuntu node npm pip webpack nginx
        selenium spring laravel unity unreal arduino terraform ansible aws azure redis kafka graphql
        jquery bootstrap tailwind nextjs excel dataframe opencv blender godot flutter android ios
        apache wordpress jenkins postman vscode jupyter dax powerbi sklearn api sdk cli svelte k8s
        torch prisma fastify vite electron ffmpeg cmake gcc openssl ssh systemd vim puppeteer
        playwright celery rabbitmq elasticsearch grafana prometheus helm gitlab gpu gpus cvxpy
        matplotlib scipy xaml wpf dotnet net winforms qt roblox vue3 nuxt laravel symfony heredoc
        namespace middleware localhost webhook yara sentinel splunk esp32 raspberry stm32""",
    "code.noun": """function code program script algorithm compiler bug debug exception array string
        loop variable database query endpoint backend frontend class method parameter boolean
        integer pointer recursion refactor syntax runtime thread async callback module library
        framework repository server client url http stack heap queue regexp stdin stdout int str
        def return import const void null none self printf println select where join código
        programa función скрипт код функция программа функцию кода программу 代码 函数 程序 编写
        массив массива коде ошибка сервер сервера таблицу 数组 算法 线程 报错 变量 脚本 接口 报错
        コード プログラム 関数 코드 함수 segfault overflow compile stderr
        fonction programme funktion programm código função""",
    "code.act": """implement debug refactor compile deploy program optimize coding codes напиши
        реализовать 实现 실행 programmiere implémente implementa""",
    "math.noun": """equation integral derivative probability polynomial triangle theorem matrix
        vector angle radius circumference hypotenuse fraction divisor prime modulo factorial
        logarithm sine cosine eigenvalue permutation combination variance standard deviation
        perimeter digits remainder sequence median parabola axis coordinates inequality
        integers velocity acceleration mass force joules newton voltage resistor molar enthalpy
        equilibrium wavelength moles interest compounded annuity apr 方程 概率 三角形 函数
        求 证明 计算 数学 矩阵 向量 导数 积分 期望 多少 最小 最大 平均 сумма сумму прогрессии
        чисел числа корни неравенство интеграл производную ecuación gradient matrices epimorphism
        homomorphism convex euclidean cumulative asymptotic complexity
        probabilidad équation gleichung уравнение вероятность 数列 積分""",
    "math.act": """solve calculate compute evaluate prove simplify factor differentiate integrate
        find determine show estimate derive resuelve calcula calcule berechne решите вычислите
        найдите докажите résoudre calculer démontrer 解 求 计算 证明 計算""",
    "logic": """puzzle riddle logic deduce reasoning premise conclusion true false statement
        liar knight knave syllogism paradox infer therefore suppose assume given step
        logique lógica логика 推理 逻辑 謎 rätsel""",
    "sum.act": """summarize summarise summarizing summary summaries tldr condense recap digest
        abstract gist synopsis zusammenfassen zusammenfassung fasse résume résumé résumer resume
        resumen resumir riassumi riassunto резюме суммируй кратко 总结 摘要 概括 要約 요약""",
    "trans.act": """translate translation translated translating übersetze übersetzung traduire
        traduis traduce traducir traduzca traduci traduza traduzir переведи перевод переведите
        翻译 译 翻訳 번역 vertaal çevir tłumacz översätt""",
    "lang.name": """english french german spanish italian portuguese russian chinese mandarin
        japanese korean arabic hindi dutch polish turkish ukrainian czech swedish danish norwegian
        finnish greek hebrew latin vietnamese thai indonesian malay hungarian romanian bulgarian
        croatian serbian persian farsi urdu bengali tamil telugu malayalam swahili cantonese
        gujarati lithuanian latvian estonian icelandic kazakh catalan basque esperanto
        deutsch deutsche englisch französisch spanisch inglés francés español anglais français
        английский русский немецкий 英文 中文 英语 法语 日语""",
    "image.act": """draw paint sketch illustrate render dessine zeichne dibuja нарисуй 画 描いて""",
    "image.noun": """image picture photo photograph illustration painting drawing logo portrait
        sketch wallpaper icon artwork poster render cartoon bild foto imagen изображение картинку
        图片 画像""",
    "chat.act": """write explain describe tell suggest recommend give list compare discuss who
        why create generate compose brainstorm rewrite edit improve advise help escribe schreibe
        écris напиши 写 書いて explique explica erkläre""",
    "chat.noun": """story poem essay letter email blog post song lyrics recipe tips ideas advice
        speech dialogue character scene novel chapter paragraph article slogan title joke tweet
        caption review script names history movie film book travel diet opinion relationship
        love feel think plan gift marketing interview resume game fiction fanfiction style
        poema historia cuento carta gedicht geschichte brief стих рассказ письмо 故事 诗 小说
        histoire poème lettre""",
    "agent.act": """book schedule order reserve turn set send open check fetch get find locate
        move delete rename cancel buy sell play add remove update post retrieve lookup search
        navigate activate start stop lock unlock refill display track transfer invoice purchase
        browse click install run execute""",
    "agent.noun": """weather flight flights hotel restaurant ticket reservation appointment alarm
        reminder temperature stock directory folder file watchlist order account calendar playlist
        thermostat engine tweet message nearest nearby latest current today tomorrow tonight airport
        cab ride delivery balance bookings inbox device lights""",
    "quant": """how many much total each per percent percentage average ratio hours minutes days
        weeks dollars cost costs price miles km kg meters gallons twice half times remaining left
        altogether""",
    "choice": """following options choose correct answer best except statements""",
}
WORDS: dict[str, tuple[str, ...]] = {}
for _name, _text in _LISTS.items():
    for _word in _text.split():
        WORDS[_word] = (*WORDS.get(_word, ()), _name)
# Other scripts come in pairs of letters (``text.words_of``): longer words there never match whole.

#: White space is bounded by its line, a tag by its length: a text of blank lines costs no more.
_CODE_LINE = re.compile(
    r"(?m)^[^\S\n]*(?:def |class |import |from \w+ import|#include|public |private |func |function "
    r"|let |const |var |return\b|if ?\(|for ?\(|while ?\(|SELECT |CREATE TABLE|<\w+[^>]{0,200}>"
    r"|@\w+|//|\}[^\S\n]*$|\$\w+ ?=|package |using |namespace |elif |else:|try:|print\()"
)
_IDENT = re.compile(r"\b[a-z]+_[a-z_]+\b|\b[a-z]+[A-Z]\w+\b|\w\(\)|\w\.\w+\(")
_MATH = re.compile(
    r"\d ?[-+*/×÷^=<>] ?\d|[a-z] ?[=^] ?-?\d|\\[a-z]{2,}|\bx\^|[∑∫√π≤≥≠∈∞°²³]|\d+%|\$[^$\n]{1,60}\$"
)
#: Each name of a program holds one of these, each formula one of those (see ``hints``).
_HUMP = re.compile(r"[a-z][A-Z]")
_MATH_HINT = re.compile(r"[\d=^\\$∑∫√π≤≥≠∈∞°²³]")
_LATEX = re.compile(r"\\(?:frac|sqrt|sum|int|begin|cdot|left|mathbb|text|pi|theta|times|boxed)")
_AMOUNT_WORDS = """two three four five six seven eight nine ten eleven twelve fifteen twenty thirty
    forty fifty sixty hundred thousand dozen half twice thrice double triple quarter quarters third
    thirds fourths fifth times percent each every per more less fewer older longer remaining
    left rest"""
_AMOUNTS = frozenset(_AMOUNT_WORDS.split())
#: How much of a text's end is read for what it asks, and the ways to ask for an amount.
_ASKED = 180
_ASKS_AMOUNT = re.compile(
    r"\b(?:how (?:many|much|long|old|far|fast|late|large|tall|often)|what (?:is|was|are|were"
    r"|percent|percentage|fraction|will|would)|when did|calculate|compute|find|determine)\b"
    r"[^?\n]*[?.]\W*$"
)
#: Formulas and names of a program show in so many characters, where there are any.
_SHAPE_HEAD = 450
_SHAPES = (
    "s.fence", "s.code-line", "s.code-lines", "s.ident", "s.idents", "s.latex", "s.math", "s.maths",
    "s.question", "s.tiny", "s.short", "s.mid", "s.long", "s.huge", "s.lines", "s.many-lines",
    "s.braces", "s.digits", "s.many-digits", "s.no-latin", "s.some-foreign", "s.lower-start",
    "s.quote", "s.colon-end", "s.list", "s.html", "s.dollar-sum", "s.first-person", "s.error",
    "s.amounts", "s.many-amounts", "s.asks-amount", "s.sum",
)  # fmt: skip
CUE_NAMES: tuple[str, ...] = (
    *_LISTS,
    *(name + "@" for name in _LISTS),
    *(name for name, _ in PHRASES),
    *_SHAPES,
)


def structure(text: str, words: list[str]) -> Iterator[str]:
    """The shapes that a text has: code, formulas, size, script."""
    size = len(text)
    if "```" in text:
        yield "s.fence"
    lines = len(_CODE_LINE.findall(text))
    if lines:
        yield "s.code-line" if lines < 3 else "s.code-lines"
    begin = text[:_SHAPE_HEAD]
    idents = len(_IDENT.findall(begin)) if _has_ident(begin) else 0
    if idents:
        yield "s.ident" if idents < 3 else "s.idents"
    if "\\" in text and _LATEX.search(text):
        yield "s.latex"
    maths = len(_MATH.findall(begin)) if _MATH_HINT.search(begin) else 0
    if maths:
        yield "s.math" if maths < 3 else "s.maths"
    if "?" in text[-80:]:
        yield "s.question"
    yield _size(size)
    breaks = text.count("\n")
    if breaks > 2:
        yield "s.lines" if breaks < 12 else "s.many-lines"
    if text.count("{") + text.count(";") > 4:
        yield "s.braces"
    digits = words.count("0") + words.count("00")
    if digits:
        yield "s.digits" if digits < 4 else "s.many-digits"
    yield from _sums(text, words, digits)
    yield from _script(text, size)
    if text[:1].islower():
        yield "s.lower-start"
    if text[:1] in "\"'“":
        yield "s.quote"
    if text.rstrip()[-1:] == ":":
        yield "s.colon-end"
    if "\n- " in text or "\n1. " in text or "\n* " in text:
        yield "s.list"
    if "</" in text or "/>" in text:
        yield "s.html"
    if "$" in text and re.search(r"\$ ?\d", text):
        yield "s.dollar-sum"
    if "i" in words[:6] or "my" in words or "i'm" in words:
        yield "s.first-person"
    if "rror" in text or "raceback" in text or "xception" in text:
        yield "s.error"


def _sums(text: str, words: list[str], digits: int) -> Iterator[str]:
    """Amounts, in figures or words, and a last sentence that asks for one: a sum to be done."""
    amounts = digits + sum(word in _AMOUNTS for word in words)
    if amounts > 1:
        yield "s.amounts" if amounts < 5 else "s.many-amounts"
    if _ASKS_AMOUNT.search(text[-_ASKED:].lower()):
        yield "s.asks-amount"
        if amounts > 1:
            yield "s.sum"


def _has_ident(text: str) -> bool:
    return "_" in text or "(" in text or _HUMP.search(text) is not None


def _size(size: int) -> str:
    for limit, name in ((40, "s.tiny"), (120, "s.short"), (400, "s.mid"), (1_000, "s.long")):
        if size < limit:
            return name
    return "s.huge"


def _script(text: str, size: int) -> Iterator[str]:
    if not text.isascii():
        foreign = size - len(text.encode("latin-1", "ignore"))
        if foreign * 2 > size:
            yield "s.no-latin"
        elif foreign > 5 or size - foreign > len(text.encode("ascii", "ignore")):
            yield "s.some-foreign"
