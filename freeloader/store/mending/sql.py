"""The statements that make a mended ledger's sums right again, by name.

Of two sums the larger one stands: a sum that was kept may know rows that are lost, and
rows that were saved may be missing in a sum.
"""

from __future__ import annotations

from freeloader.store.reports.sql import sums_again

#: A hold that a copy still has open ends as the later ledger says.
ENDED_HOLD = """
ON CONFLICT(hold_id) DO UPDATE SET state = excluded.state, charged_pico = excluded.charged_pico,
    settled_at = excluded.settled_at
WHERE state = 'held' AND excluded.state != 'held'
"""
#: Rows whose numbers mean nothing: the same number may be another row in another file.
#: Those that nothing else tells apart are the same where all that they say is.
SAME_ROW = {
    "usage": "attempt_id = :attempt_id",
    "adjustments": "attempt_id = :attempt_id AND at = :at AND made_at = :made_at "
    "AND amount_pico = :amount_pico AND reason = :reason",
    "audit": "at = :at AND who = :who AND what = :what AND subject = :subject AND detail = :detail",
    "alerts": "type = :type AND scope = :scope AND period = :period",
}
LARGER_SUM = """
ON CONFLICT(slot, project, key_id) DO UPDATE SET
    cost_pico = max(cost_pico, excluded.cost_pico), requests = max(requests, excluded.requests)
"""
SLOTS_AGAIN = """
INSERT INTO budget_tracking(slot, project, key_id, cost_pico, requests)
SELECT slot, project, key_id, sum(cost), sum(requests) FROM (
    SELECT CAST(at / 900 AS INTEGER) AS slot, project, key_id, cost_pico AS cost, asked AS requests
    FROM usage
    UNION ALL
    SELECT CAST(at / 900 AS INTEGER), project, key_id, amount_pico, 0 FROM adjustments)
WHERE true GROUP BY slot, project, key_id
ON CONFLICT(slot, project, key_id) DO UPDATE SET
    cost_pico = max(cost_pico, excluded.cost_pico), requests = max(requests, excluded.requests)
"""
#: Days of budgets are sums of slots; a day that was saved may know slots that are lost.
BUDGET_DAYS_AGAIN = """
INSERT INTO budget_daily(day, project, key_id, micro, pico, requests)
SELECT slot / 96, project, key_id, sum(cost_pico / 1000000), sum(cost_pico % 1000000),
    sum(requests)
FROM budget_tracking WHERE true GROUP BY 1, project, key_id
ON CONFLICT(day, project, key_id) DO UPDATE SET
    micro = iif(micro + pico / 1e6 < excluded.micro + excluded.pico / 1e6, excluded.micro, micro),
    pico = iif(micro + pico / 1e6 < excluded.micro + excluded.pico / 1e6, excluded.pico, pico),
    requests = max(requests, excluded.requests)
"""
DAYS_AGAIN = sums_again("usage_daily", "day", "date(u.at, 'unixepoch')", "true")
ATTEMPTS_CHARGED = """
SELECT a.id, a.decision_id, a.at, a.deployment, a.cost_pico, a.meters, a.outcome, a.latency_ms,
    a.first_ms, coalesce(d.project, '') AS project, coalesce(d.key_id, '') AS key_id,
    coalesce(d.task, '') AS task,
    json_extract(a.detail, '$.wouldHaveCostUsd') AS would,
    json_type(a.detail, '$.costUsd') = 'null' AS unpriced
FROM attempts a LEFT JOIN decisions d ON d.id = a.decision_id
WHERE a.cost_pico > 0 ORDER BY a.at LIMIT 1000000
"""
#: The same of the newest alone: a damaged write-ahead log loses what was written last.
ATTEMPTS_LAST = """
SELECT a.id, a.decision_id, a.at, a.deployment, a.cost_pico, a.meters, a.outcome, a.latency_ms,
    a.first_ms, coalesce(d.project, '') AS project, coalesce(d.key_id, '') AS key_id,
    coalesce(d.task, '') AS task,
    json_extract(a.detail, '$.wouldHaveCostUsd') AS would,
    json_type(a.detail, '$.costUsd') = 'null' AS unpriced
FROM (SELECT * FROM attempts ORDER BY at DESC LIMIT :limit) a
LEFT JOIN decisions d ON d.id = a.decision_id
WHERE a.cost_pico > 0
"""
USAGE_THERE = "SELECT 1 FROM usage WHERE attempt_id = :attempt_id"
HOLD_OF = "SELECT hold_id FROM holds WHERE attempt_id = :attempt_id AND state = 'held'"
EPOCH_AT_LEAST = """
INSERT INTO meta(key, value)
SELECT 'epoch', CAST(coalesce(max(epoch), 0) AS TEXT) FROM holds WHERE true
ON CONFLICT(key) DO UPDATE SET
    value = CAST(max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER)) AS TEXT)
"""
DOUBT_END = "DELETE FROM meta WHERE key = 'doubt'"
TABLES = """
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name
"""
META_ALL = "SELECT key, value FROM meta"
META_CLEAR = "DELETE FROM meta"
