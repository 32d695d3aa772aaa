"""Phrases: what a text says in more than one word. Named here, weighed by the trained part."""

from __future__ import annotations

from freeloader.core.task.hints import Rule, rule

PHRASES: tuple[tuple[str, Rule], ...] = (
    (
        "p.write-code",
        rule(
            r"\b(?:write|create|make|give|provide|need|build|generate|develop)\b"
            r".{0,40}\b(?:function|code|script|program|class|query|regex|method|app|api|formula)\b",
            "function|code|script|program|class|query|regex|method|app|api|formula",
        ),
    ),
    (
        "p.how-many",
        rule(
            r"\bhow (?:many|much|far|long|fast|old)\b",
            "how ",
        ),
    ),
    (
        "p.article",
        rule(
            r"\b(?:article|document|passage|text|dialogue|transcript|paragraph|story"
            r"|conversation|report|paper)s?\b ?[:.\n]|(?:text|passage|article) (?:above|below)",
            "article|document|passage|text|dialogue|transcript|paragraph|story|conversation"
            "|report|paper",
        ),
    ),
    (
        "p.options",
        rule(
            r"\b[a-e][).:] .{1,200}\b[b-e][).:] |\(a\).{1,200}\(b\)|\ba\. .{1,200}b\. ",
            "b) |c) |d) |e) |b: |c: |d: |e: |b. |c. |d. |e. |(b)",
        ),
    ),
    (
        "p.suppose",
        rule(
            r"\b(?:suppose|assume|let|consider|given that|if) \$?[a-z]\b|\blet's say",
            "suppose|assume|let|consider|given that|if ",
        ),
    ),
    (
        "p.prove",
        rule(
            r"\b(?:prove|show) that\b|\bwhat is the (?:value|probability|sum|area|volume"
            r"|remainder|minimum|maximum|number|total|smallest|largest|derivative|integral)\b",
            "prove that|show that|what is the ",
        ),
    ),
    (
        "p.step",
        rule(
            r"step[- ]by[- ]step|show (?:your|the) (?:work|steps|reasoning)|think carefully",
            "step|show |think carefully",
        ),
    ),
    (
        "p.roleplay",
        rule(
            r"^(?:you are|act as|imagine|pretend|you're|i want you to act)",
        ),
    ),
    (
        "p.what-is",
        rule(
            r"^(?:what|who|when|where|which|why|how|is|are|can|does|do|did)\b",
        ),
    ),
    (
        "p.story",
        rule(
            r"\b(?:write|create|compose|tell)\b.{0,40}\b(?:story|poem|essay|song|lyrics"
            r"|letter|email|article|blog|speech|haiku|dialogue|scene|joke|sonnet|script for)\b",
            "write|create|compose|tell",
        ),
    ),
    (
        "p.my-state",
        rule(
            r"\b(?:my|the current|current|present) (?:account|directory|folder|order|car"
            r"|file|flight|calendar|location|balance|workspace|inbox|cart|playlist)\b",
            "my |current |present ",
        ),
    ),
    (
        "p.polite-do",
        rule(
            r"^(?:please |can you |could you |kindly |i need you to |i want to |i'd like)"
            r".{0,20}\b(?:book|order|set|turn|schedule|send|find|get|check|open|move|play|cancel)\b",
        ),
    ),
    (
        "p.data-of",
        rule(
            r"\b(?:weather|temperature|forecast|stock price|exchange rate|score|stats"
            r"|statistics|news|schedule|route|distance) (?:of|in|for|from|on|at|between)\b",
            "weather|temperature|forecast|stock price|exchange rate|score|stat|news|schedule"
            "|route|distance",
        ),
    ),
    (
        "p.quoted-arg",
        rule(
            r"'[^' ]{2,40}\.(?:txt|pdf|csv|md|py|docx|json)'|named '[^']+'",
            "'",
        ),
    ),
    (
        "p.fix",
        rule(
            r"\b(?:fix|debug|error|bug|refactor|doesn't work|not working|exception|traceback"
            r"|ошибк|报错)\b",
            "fix|debug|error|bug|refactor|doesn't work|not working|exception|traceback|ошибк|报错",
        ),
    ),
)
