"""Statements on money and quota: holds, usage, running sums, windows; in the ledger's file.

What reports sum of the same rows is in ``store.reports``, what a repair does in ``store.mending``.
"""

from __future__ import annotations

from freeloader.store.sql.sized import inserting

# ── holds and usage ──────────────────────────────────────────────────────────

HOLD_INSERT = """
INSERT INTO holds(
    hold_id, attempt_id, request_id, at, provider, account, model, family, project, key_id, task,
    requests, input, cache_read, cache_write, output, images, seconds, units, usd,
    amount_pico, state, epoch, unpriced)
VALUES (
    :hold_id, :attempt_id, :request_id, :at, :provider, :account, :model, :family, :project,
    :key_id, :task, :requests, :input, :cache_read, :cache_write, :output, :images, :seconds,
    :units, :usd, :amount_pico, 'held', :epoch, :unpriced)
"""
HOLD_GET = "SELECT * FROM holds WHERE hold_id = :hold_id"
HOLD_CLOSE = """
UPDATE holds SET state = :state, charged_pico = :charged_pico, settled_at = :now
WHERE hold_id = :hold_id
"""
HOLDS_OPEN = "SELECT * FROM holds WHERE state = 'held' ORDER BY at, hold_id"
HOLDS_DEAD = "SELECT * FROM holds WHERE state = 'held' AND epoch < :epoch ORDER BY at, hold_id"
HOLDS_EXPIRED = """
SELECT * FROM holds WHERE state = 'expired' AND settled_at >= :since
ORDER BY settled_at DESC, hold_id LIMIT :limit
"""
USAGE_INSERT = """
INSERT INTO usage(
    attempt_id, request_id, at, provider, account, model, family, project, key_id, task,
    requests, input, cache_read, cache_write, output, images, seconds, units, usd,
    cost_pico, premium_pico, basis, latency_ms, first_ms, outcome, estimated, unpriced,
    asked)
SELECT
    :attempt_id, :request_id, :at, :provider, :account, :model, :family, :project, :key_id, :task,
    :requests, :input, :cache_read, :cache_write, :output, :images, :seconds, :units, :usd,
    :cost_pico, iif(premium > 0, NULL, :premium_pico), :basis, :latency_ms, :first_ms, :outcome,
    :estimated, :unpriced, attempts = 0
FROM (SELECT count(*) AS attempts, count(premium_pico) AS premium
      FROM usage WHERE request_id = :request_id)
WHERE true
ON CONFLICT(attempt_id) DO NOTHING
RETURNING asked, premium_pico
"""
#: Of these attempts (a JSON list) the ones that were charged before.
USAGE_KNOWN = """
SELECT attempt_id FROM usage WHERE attempt_id IN (SELECT value FROM json_each(:names))
"""
#: Of these requests: how many attempts there are, and how many of them were compared.
USAGE_BEFORE = """
SELECT request_id, count(*) AS attempts, count(premium_pico) AS premium
FROM usage WHERE request_id IN (SELECT value FROM json_each(:names)) GROUP BY request_id
"""
USAGE_BY_REQUEST = "SELECT * FROM usage WHERE request_id = :request_id ORDER BY id"
USAGE_OF_ATTEMPT = """
SELECT cost_pico, at, provider, account, model, family, project, key_id, task, outcome,
    unpriced
FROM usage WHERE attempt_id = :attempt_id
"""
ADJUST_INSERT = """
INSERT INTO adjustments(attempt_id, at, made_at, amount_pico, reason, project, key_id)
VALUES (:attempt_id, :at, :made_at, :amount_pico, :reason, :project, :key_id)
"""
ADJUSTED = """
SELECT coalesce(sum(amount_pico), 0) AS pico FROM adjustments WHERE attempt_id = :attempt_id
"""

# ── running sums ─────────────────────────────────────────────────────────────

# A sum over all rows may pass 64 bits, one row never: micro-dollars and the rest are summed apart.

SLOT_ADD = """
INSERT INTO budget_tracking(slot, project, key_id, cost_pico, requests)
VALUES (:slot, :project, :key_id, :cost_pico, :requests)
ON CONFLICT(slot, project, key_id) DO UPDATE SET
    cost_pico = cost_pico + excluded.cost_pico, requests = requests + excluded.requests
"""
BUDGET_DAY_ADD = """
INSERT INTO budget_daily(day, project, key_id, micro, pico, requests)
VALUES (:slot / 96, :project, :key_id, :cost_pico / 1000000, :cost_pico % 1000000, :requests)
ON CONFLICT(day, project, key_id) DO UPDATE SET micro = micro + excluded.micro,
    pico = pico + excluded.pico, requests = requests + excluded.requests
"""
#: By project and key: whole UTC days, and the slots before and after them.
SPENT_SUMS = """
SELECT project, key_id, sum(micro) AS micro, sum(pico) AS pico, sum(requests) AS requests
FROM (
    SELECT project, key_id, micro, pico, requests FROM budget_daily
    WHERE day >= :first AND day < :last
    UNION ALL
    SELECT project, key_id, cost_pico / 1000000, cost_pico % 1000000, requests
    FROM budget_tracking WHERE slot >= :since AND slot < :head
    UNION ALL
    SELECT project, key_id, cost_pico / 1000000, cost_pico % 1000000, requests
    FROM budget_tracking WHERE slot >= :tail AND slot < :until)
GROUP BY project, key_id
"""
SPENT = """
SELECT coalesce(sum(cost_pico / 1000000), 0) AS micro,
       coalesce(sum(cost_pico % 1000000), 0) AS pico,
       coalesce(sum(requests), 0) AS requests
FROM budget_tracking
WHERE slot >= :since AND slot < :until
  AND (:project IS NULL OR project = :project) AND (:key_id IS NULL OR key_id = :key_id)
"""
SPENT_BY_PROJECT = """
SELECT project AS name, sum(cost_pico / 1000000) AS micro, sum(cost_pico % 1000000) AS pico
FROM budget_tracking WHERE slot >= :since AND slot < :until GROUP BY project
"""
SPENT_BY_SLOT = """
SELECT slot, sum(cost_pico / 1000000) AS micro, sum(cost_pico % 1000000) AS pico
FROM budget_tracking WHERE slot >= :since AND slot < :until GROUP BY slot
"""

# ── quota windows ────────────────────────────────────────────────────────────

WINDOW_PUT = """
INSERT INTO quota_windows(key, provider, state, at, expires_at)
VALUES (:key, :provider, :state, :at, :expires_at)
ON CONFLICT(key) DO UPDATE SET provider = excluded.provider, state = excluded.state,
    at = excluded.at, expires_at = excluded.expires_at
"""
WINDOWS = "SELECT * FROM quota_windows ORDER BY key"
WINDOWS_EXPIRED = "DELETE FROM quota_windows WHERE expires_at <= :now"

# ── retention ────────────────────────────────────────────────────────────────

USAGE_TRIM = """
DELETE FROM usage WHERE id IN (
    SELECT id FROM usage WHERE at < :before ORDER BY at, id LIMIT :slice)
"""
HOLDS_TRIM = """
DELETE FROM holds WHERE hold_id IN (
    SELECT hold_id FROM holds WHERE at < :before AND state != 'held' LIMIT :slice)
"""
SLOTS_TRIM = """
DELETE FROM budget_tracking WHERE rowid IN (
    SELECT rowid FROM budget_tracking WHERE slot < :before LIMIT :slice)
"""
BUDGET_DAYS_TRIM = """
DELETE FROM budget_daily WHERE rowid IN (
    SELECT rowid FROM budget_daily WHERE day < :before / 96 LIMIT :slice)
"""

#: ``USAGE_NTH``: the moment of the newest row that is too many; none: there are not so many.
USAGE_COUNT = "SELECT count(*) FROM usage"
USAGE_NTH = "SELECT at FROM usage ORDER BY at DESC LIMIT 1 OFFSET :keep"
USAGE_COLUMNS = (
    "attempt_id", "request_id", "at", "provider", "account", "model", "family", "project",
    "key_id", "task", "requests", "input", "cache_read", "cache_write", "output", "images",
    "seconds", "units", "usd", "cost_pico", "premium_pico", "basis", "latency_ms", "first_ms",
    "outcome", "estimated", "unpriced", "asked",
)  # fmt: skip
USAGE_PUT = inserting("usage", USAGE_COLUMNS, "NOTHING")
