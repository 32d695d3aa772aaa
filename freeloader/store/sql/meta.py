"""Statements on ``meta``: what a file of ours knows of itself, by name. Every file has one."""

from __future__ import annotations

META_GET = "SELECT value FROM meta WHERE key = :key"
META_SET = """
INSERT INTO meta(key, value) VALUES (:key, :value)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
"""
META_NEXT = """
UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = :key RETURNING value
"""
