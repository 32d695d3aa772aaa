"""Statements of the journal's file: decisions, attempts, saved texts, first answers, the copy
of accounts and keys for bad days. Nothing here has to add up.
"""

from __future__ import annotations

from freeloader.store.sql.sized import putting

# ── decisions, attempts and texts ────────────────────────────────────────────

DECISION_COLUMNS = (
    "id", "request_id", "at", "key_id", "operation", "requested", "strategy", "task", "provider",
    "model", "outcome", "attempts", "cost_pico", "latency_ms", "unpriced",
)  # fmt: skip
ATTEMPT_COLUMNS = (
    "id", "decision_id", "request_id", "number", "at", "deployment", "outcome", "status",
    "latency_ms", "first_ms", "cost_pico",
)  # fmt: skip
DECISION_PUT = putting("decisions", (*DECISION_COLUMNS, "project", "reason", "detail"))
ATTEMPT_PUT = putting("attempts", (*ATTEMPT_COLUMNS, "reason", "meters", "detail"), fixed=6)
PROMPT_PUT = """
INSERT INTO prompts(decision_id, at, prompt, response, bytes)
VALUES (:decision_id, :at, :prompt, :response, :bytes)
ON CONFLICT(decision_id) DO UPDATE SET prompt = coalesce(excluded.prompt, prompt),
    response = coalesce(excluded.response, response), bytes = bytes + excluded.bytes
"""
_LISTED = """
SELECT id, request_id, at, project, key_id, operation, requested, strategy, task, provider, model,
    outcome, reason, attempts, cost_pico, latency_ms, unpriced
FROM decisions
WHERE {first}(:before IS NULL OR (at, id) < (:before, :before_id))
  AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
  AND (:outcome IS NULL OR outcome = :outcome) AND (:provider IS NULL OR provider = :provider)
  AND (:model IS NULL OR model = :model OR substr(model, -length(:model) - 1) = '/' || :model)
  AND (:key_id IS NULL OR key_id = :key_id) AND (:task IS NULL OR task = :task)
  AND (:strategy IS NULL OR strategy = :strategy)
ORDER BY at DESC, id DESC LIMIT :limit
"""
DECISIONS = _LISTED.format(first="")
# Its own statement, so that the project's index is used.
DECISIONS_OF_PROJECT = _LISTED.format(first="project = :project AND ")
DECISION_WHEN = "SELECT at FROM decisions WHERE id = :id"
DECISION_GET = "SELECT * FROM decisions WHERE id = :id"
ATTEMPTS_OF = "SELECT * FROM attempts WHERE decision_id = :id ORDER BY number, at"
PROMPT_OF = "SELECT prompt, response FROM prompts WHERE decision_id = :id"

# ── retention ────────────────────────────────────────────────────────────────

# Where all saved texts together are too large: the oldest, a few at a time.
PROMPTS_TOO_MANY = """
DELETE FROM prompts WHERE decision_id IN (
    SELECT decision_id FROM (
        SELECT decision_id, at, sum(bytes) OVER (ORDER BY at DESC, decision_id) AS newer
        FROM prompts)
    WHERE newer > :bytes ORDER BY at LIMIT 500)
"""
DECISIONS_TRIM = """
DELETE FROM decisions WHERE id IN (SELECT id FROM decisions WHERE at < :before LIMIT :slice)
"""
ATTEMPTS_TRIM = """
DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE at < :before LIMIT :slice)
"""
PROMPTS_TRIM = """
DELETE FROM prompts WHERE decision_id IN (
    SELECT decision_id FROM prompts WHERE at < :before LIMIT :slice)
"""
DECISIONS_COUNT = "SELECT count(*) FROM decisions"
#: The moment of the newest row that is too many; none: there are not so many.
DECISIONS_NTH = "SELECT at FROM decisions ORDER BY at DESC LIMIT 1 OFFSET :keep"

# ── first answers ────────────────────────────────────────────────────────────

REPLAY_TAKE = """
INSERT INTO replays(name, print, at, boot, state, bytes)
VALUES (:name, :print, :at, :boot, 'running', 0) ON CONFLICT(name) DO NOTHING
"""
REPLAY_GET = "SELECT * FROM replays WHERE name = :name"
REPLAY_KEEP = """
UPDATE replays SET state = 'kept', answer = :answer, bytes = :bytes
WHERE name = :name AND boot = :boot
"""
REPLAY_FREE = "DELETE FROM replays WHERE name = :name AND boot = :boot AND state = 'running'"
REPLAYS_OLD = """
DELETE FROM replays WHERE name IN (SELECT name FROM replays WHERE at < :since LIMIT 500)
"""
REPLAYS_AHEAD = "UPDATE replays SET at = :now WHERE at > :now"
REPLAYS_TOO_MANY = """
DELETE FROM replays WHERE name IN (
    SELECT name FROM (
        SELECT name, at, sum(bytes) OVER (ORDER BY at DESC, name) AS newer
        FROM replays WHERE state = 'kept')
    WHERE newer > :bytes ORDER BY at LIMIT 500)
"""

# ── the copy for bad days ────────────────────────────────────────────────────

REMEMBERED_PUT = """
INSERT INTO remembered(name, rows) VALUES (:name, :rows)
ON CONFLICT(name) DO UPDATE SET rows = excluded.rows
"""
REMEMBERED_GET = "SELECT rows FROM remembered WHERE name = :name"
