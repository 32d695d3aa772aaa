"""All statements of the house by name, outside of the schema.

Names say what they do; parameters are named, so that a statement can be read
apart from its caller. No statement is put together from parts at run time.
"""

from __future__ import annotations

# ── meta ─────────────────────────────────────────────────────────────────────

META_GET = "SELECT value FROM meta WHERE key = :key"
META_SET = """
INSERT INTO meta(key, value) VALUES (:key, :value)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
"""
META_NEXT = """
UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE key = :key RETURNING value
"""

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
REQUESTS_BY_PROJECT = """
SELECT project AS name, sum(requests) AS requests
FROM budget_tracking WHERE slot >= :since AND slot < :until GROUP BY project
"""
SPENT_BY_KEY = """
SELECT key_id AS name, sum(cost_pico / 1000000) AS micro, sum(cost_pico % 1000000) AS pico
FROM budget_tracking WHERE slot >= :since AND slot < :until GROUP BY key_id
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
WINDOW_DELETE = "DELETE FROM quota_windows WHERE key = :key"
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
# Where all saved texts together are too large: the oldest, a few at a time.
PROMPTS_TOO_MANY = """
DELETE FROM prompts WHERE decision_id IN (
    SELECT decision_id FROM (
        SELECT decision_id, at, sum(bytes) OVER (ORDER BY at DESC, decision_id) AS newer
        FROM prompts)
    WHERE newer > :bytes ORDER BY at LIMIT 500)
"""
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
REPLAYS_TOO_MANY = """
DELETE FROM replays WHERE name IN (
    SELECT name FROM (
        SELECT name, at, sum(bytes) OVER (ORDER BY at DESC, name) AS newer
        FROM replays WHERE state = 'kept')
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
# The moment of the newest row that is too many; none: there are not so many.
USAGE_COUNT = "SELECT count(*) FROM usage"
DECISIONS_COUNT = "SELECT count(*) FROM decisions"
USAGE_NTH = "SELECT at FROM usage ORDER BY at DESC LIMIT 1 OFFSET :keep"
DECISIONS_NTH = "SELECT at FROM decisions ORDER BY at DESC LIMIT 1 OFFSET :keep"

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

# ── the journal ──────────────────────────────────────────────────────────────

USAGE_COLUMNS = (
    "attempt_id", "request_id", "at", "provider", "account", "model", "family", "project",
    "key_id", "task", "requests", "input", "cache_read", "cache_write", "output", "images",
    "seconds", "units", "usd", "cost_pico", "premium_pico", "basis", "latency_ms", "first_ms",
    "outcome", "estimated", "unpriced", "asked",
)  # fmt: skip
DECISION_COLUMNS = (
    "id", "request_id", "at", "key_id", "operation", "requested", "strategy", "task", "provider",
    "model", "outcome", "attempts", "cost_pico", "latency_ms", "unpriced",
)  # fmt: skip
ATTEMPT_COLUMNS = (
    "id", "decision_id", "request_id", "number", "at", "deployment", "outcome", "status",
    "latency_ms", "first_ms", "cost_pico",
)  # fmt: skip


#: Rows of one statement, the most first: each execution hands the interpreter's lock over and
#: back, which is dear where an event loop needs it all the time.
_SIZES = (32, 8, 1)
Sized = tuple[tuple[int, str], ...]
"""A statement for so many rows, by their number; parameters by their place."""


def _insert(table: str, columns: tuple[str, ...], conflict: str) -> Sized:
    row = f"({', '.join('?' * len(columns))})"
    return tuple(
        (
            size,
            f"INSERT INTO {table}({', '.join(columns)}) VALUES {', '.join([row] * size)} "  # noqa: S608 - of constants, once
            f"ON CONFLICT({columns[0]}) DO {conflict}",
        )
        for size in _SIZES
    )


def _put(table: str, columns: tuple[str, ...], fixed: int = 1) -> Sized:
    """Written in full, or over what is there under the same id, but for ``fixed`` columns."""
    grown = ", ".join(f"{name} = excluded.{name}" for name in columns[fixed:])
    return _insert(table, columns, f"UPDATE SET {grown}")


DECISION_PUT = _put("decisions", (*DECISION_COLUMNS, "project", "reason", "detail"))
ATTEMPT_PUT = _put("attempts", (*ATTEMPT_COLUMNS, "reason", "meters", "detail"), fixed=6)
USAGE_PUT = _insert("usage", USAGE_COLUMNS, "NOTHING")
PROMPT_PUT = """
INSERT INTO prompts(decision_id, at, prompt, response, bytes)
VALUES (:decision_id, :at, :prompt, :response, :bytes)
ON CONFLICT(decision_id) DO UPDATE SET prompt = coalesce(excluded.prompt, prompt),
    response = coalesce(excluded.response, response), bytes = bytes + excluded.bytes
"""
DECISIONS = """
SELECT id, request_id, at, project, key_id, operation, requested, strategy, task, provider, model,
    outcome, reason, attempts, cost_pico, latency_ms, unpriced
FROM decisions
WHERE (:before IS NULL OR (at, id) < (:before, :before_id))
  AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
  AND (:outcome IS NULL OR outcome = :outcome) AND (:provider IS NULL OR provider = :provider)
  AND (:model IS NULL OR model = :model OR substr(model, -length(:model) - 1) = '/' || :model)
  AND (:key_id IS NULL OR key_id = :key_id) AND (:task IS NULL OR task = :task)
  AND (:strategy IS NULL OR strategy = :strategy)
ORDER BY at DESC, id DESC LIMIT :limit
"""
DECISIONS_OF_PROJECT = """
SELECT id, request_id, at, project, key_id, operation, requested, strategy, task, provider, model,
    outcome, reason, attempts, cost_pico, latency_ms, unpriced
FROM decisions
WHERE project = :project AND (:before IS NULL OR (at, id) < (:before, :before_id))
  AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)
  AND (:outcome IS NULL OR outcome = :outcome) AND (:provider IS NULL OR provider = :provider)
  AND (:model IS NULL OR model = :model OR substr(model, -length(:model) - 1) = '/' || :model)
  AND (:key_id IS NULL OR key_id = :key_id) AND (:task IS NULL OR task = :task)
  AND (:strategy IS NULL OR strategy = :strategy)
ORDER BY at DESC, id DESC LIMIT :limit
"""
DECISION_WHEN = "SELECT at FROM decisions WHERE id = :id"
DECISION_GET = "SELECT * FROM decisions WHERE id = :id"
ATTEMPTS_OF = "SELECT * FROM attempts WHERE decision_id = :id ORDER BY number, at"
PROMPT_OF = "SELECT prompt, response FROM prompts WHERE decision_id = :id"

REMEMBERED_PUT = """
INSERT INTO remembered(name, rows) VALUES (:name, :rows)
ON CONFLICT(name) DO UPDATE SET rows = excluded.rows
"""
REMEMBERED_GET = "SELECT rows FROM remembered WHERE name = :name"

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
