"""Statements on what the owner keeps: accounts, keys, settings, jobs, alerts, proposals, votes,
and the registry's copy; in the ledger's file. Sums of money are not here.
"""

from __future__ import annotations

# ── accounts, keys, settings, jobs, audit ────────────────────────────────────

ACCOUNTS = "SELECT data FROM accounts ORDER BY provider, idx"
ACCOUNT_GET = "SELECT data FROM accounts WHERE provider = :provider AND idx = :idx"
ACCOUNT_PUT = """
INSERT INTO accounts(provider, idx, enabled, created_at, data, updated_at)
VALUES (:provider, :idx, :enabled, :now, :data, :now)
ON CONFLICT(provider, idx) DO UPDATE SET
    enabled = excluded.enabled, data = excluded.data, updated_at = excluded.updated_at
"""
ACCOUNT_DELETE = "DELETE FROM accounts WHERE provider = :provider AND idx = :idx"
KEYS = "SELECT * FROM app_keys ORDER BY created_at, id"
KEY_INSERT = """
INSERT INTO app_keys(id, hash, role, project, name, rate_limit, budget, created_at, revoked_at)
VALUES (:id, :hash, :role, :project, :name, :rate_limit, :budget, :created_at, :revoked_at)
"""
KEY_REVOKE = "UPDATE app_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"
CONFIG_INSERT = """
INSERT INTO config_history(at, who, what, config) VALUES (:at, :who, :what, :config)
RETURNING version
"""
CONFIG_LIST = """
SELECT version, at, who, what FROM config_history ORDER BY version DESC LIMIT :limit
"""
CONFIG_GET = "SELECT * FROM config_history WHERE version = :version"
JOBS = "SELECT * FROM jobs ORDER BY name"
JOB_PUT = """
INSERT INTO jobs(name, last_run, last_result, last_duration_ms, next_due, failures)
VALUES (:name, :last_run, :last_result, :last_duration_ms, :next_due, :failures)
ON CONFLICT(name) DO UPDATE SET last_run = excluded.last_run,
    last_result = excluded.last_result, last_duration_ms = excluded.last_duration_ms,
    next_due = excluded.next_due, failures = excluded.failures
"""
ALERT_PUT = """
INSERT OR IGNORE INTO alerts(at, type, scope, period, message, data)
VALUES (:at, :type, :scope, :period, :message, :data)
"""
ALERTS = """
SELECT at, type, scope, period, message, data FROM alerts
WHERE at >= :since ORDER BY at DESC, id DESC LIMIT :limit
"""
AUDIT_INSERT = """
INSERT INTO audit(at, who, what, subject, detail) VALUES (:at, :who, :what, :subject, :detail)
"""
AUDIT_LIST = """
SELECT * FROM audit
WHERE (:before IS NULL OR at < :before)
  AND (:what IS NULL OR substr(what, 1, length(:what)) = :what)
ORDER BY at DESC, id DESC LIMIT :limit
"""
BENCHMARK_INSERT = """
INSERT INTO benchmarks(at, provider, model, suite, score, detail)
VALUES (:at, :provider, :model, :suite, :score, :detail)
"""
BENCHMARKS = "SELECT * FROM benchmarks WHERE at >= :since ORDER BY id LIMIT :limit"
BENCHMARK_TRIM = "DELETE FROM benchmarks WHERE at < :before"
ALERTS_SINCE = "SELECT * FROM alerts WHERE id > :number ORDER BY id LIMIT :limit"
PROPOSAL_INSERT = """
INSERT INTO discovery_log(at, source, kind, provider, subject, state, detail)
VALUES (:at, :source, :kind, :provider, :subject, :state, :detail)
"""
PROPOSAL_PUT = "UPDATE discovery_log SET state = :state, detail = :detail WHERE id = :id"
PROPOSAL_GET = "SELECT * FROM discovery_log WHERE id = :id"
PROPOSAL_LIST = """
SELECT * FROM discovery_log WHERE (:state IS NULL OR state = :state)
ORDER BY id DESC LIMIT :limit
"""

# ── feedback ─────────────────────────────────────────────────────────────────

VOTE_PUT = """
INSERT INTO feedback(decision_id, at, model, task, score, comment, key_id)
VALUES (:decision_id, :at, :model, :task, :score, :comment, :key_id)
ON CONFLICT(decision_id) DO UPDATE SET
    at = excluded.at, score = excluded.score, comment = excluded.comment, key_id = excluded.key_id
"""
VOTES_TRIM = """
DELETE FROM feedback WHERE at < (
    SELECT at FROM feedback ORDER BY at DESC LIMIT 1 OFFSET :kept - 1)
"""
VOTE_SUMS = """
SELECT model, task, count(*) AS votes, sum(score) AS total FROM feedback GROUP BY model, task
"""
VOTES_FORGET = """
DELETE FROM feedback WHERE (:model IS NULL OR model = :model) AND (:task IS NULL OR task = :task)
"""

# ── the registry's copy ──────────────────────────────────────────────────────

PROVIDERS_CLEAR = "DELETE FROM providers"
MODELS_CLEAR = "DELETE FROM models"
PROVIDER_PUT = "INSERT INTO providers(id, data, updated_at) VALUES (:id, :data, :now)"
MODEL_PUT = """
INSERT INTO models(provider, id, data, updated_at) VALUES (:provider, :id, :data, :now)
"""
