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
    (
        "p.math-asked",
        rule(
            r"\b(?:smallest|largest|greatest|least|minimum|maximum|positive|consecutive|distinct)"
            r" (?:possible )?(?:\w+[- ])?(?:number|integer|value|solution|multiple|factor|divisor"
            r"|sum|product|prime|digit|root|area|perfect)|\bhow many (?:different|distinct|ways"
            r"|possible|positive|integers|numbers|digits)"
            r"|\b(?:common fraction|lowest terms|simplest form|base[- ]\d+|in terms of"
            r"|real numbers?|boxed)\b|\bexpress\b.{0,60}\bas\b",
            "number|integer|value|solution|multiple|factor|divisor|sum|product|prime|digit|root|area"
            "|perfect|how many |fraction|terms|form|base|real |boxed|express",
        ),
    ),
    (
        "p.contest",
        rule(
            r"\b(?:sample|standard) (?:input|output)|\bconstraints\b|\btest ?cases?\b"
            r"|\bstd(?:in|out)\b|\bstarter code\b|\binput (?:format|description)|\binput:"
            r"|输入|输出|示例|входн|\bleetcode\b"
            r"|\byou are given (?:an? )?(?:\w+ )?"
            r"(?:array|string|list|integer|tree|matrix|grid|graph)",
            "input|output|constraint|test|stdin|stdout|starter|输|示例|входн|leetcode|you are",
        ),
    ),
    (
        "p.doctest",
        rule(
            r">>>|\bassert |\"\"\"|\'\'\'|\breturns? (?:true|false|none|null|the)\b",
            ">>>|assert |\"\"\"|'''|return",
        ),
    ),
    (
        "p.begins-code",
        rule(
            r"^(?:def|import|from \w+ import|class \w+[:({]|#include|public|private|package|using"
            r"|function|const|let|var|int|void|select|create table|<\?|<!doctype|<html|@\w+|async"
            r"|struct|func|fn|#!|traceback|error|npm|docker|git|sudo|exception)\b",
        ),
    ),
    (
        "p.judge-text",
        rule(
            r"\b(?:reasonable|correct|right|good) answer\b|\btrue(?:,| or) false\b|\bsentiment\b"
            r"|\b(?:review|passage|paragraph|context|dialogue)\b.{0,80}[:?]|\byes or no\b"
            r"|\baccording to the\b|\bsame meaning\b|\bmean the same\b|\bentail|\bsentence \d",
            "answer|true|sentiment|review|passage|paragraph|context|dialogue|yes or no|according"
            "|mean|entail|sentence ",
        ),
    ),
    (
        "p.puzzle",
        rule(
            r"\b(?:sits?|stands?|lives?|seated|parked|older|younger|taller|heavier|faster|left|right)"
            r" (?:next to|between|of|than|immediately|directly)\b.{0,300}\b(?:who|which|what|how)\b"
            r"|\bdoes(?:n't| not) belong\b|\bodd one out\b|\bstatements?\b.{0,80}\b(?:true|false)"
            r"|\btells? the truth\b|\b(?:clue|premise)s? ?\d*:",
            "next to|between| of| than|immediately|directly|belong|odd one|statement|truth|clue"
            "|premise",
        ),
    ),
)
