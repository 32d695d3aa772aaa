"""The statements of the reports, by name. Sums over many rows may pass 64 bits, one row never:
micro-dollars and the rest are summed apart, and a day's own sums stop below the limit.
"""

from __future__ import annotations

# ── daily sums, kept with every charge ───────────────────────────────────────

DAILY_ADD = """
INSERT INTO usage_daily(
    day, provider, account, model, family, project, key_id, task, outcome, asked, attempts,
    estimated, requests, input, cache_read, cache_write, output, images, seconds, units, usd,
    cost_pico, premium_pico, latency_ms)
VALUES (
    date(:at, 'unixepoch'), :provider, :account, :model, :family, :project, :key_id, :task,
    :outcome, :asked, 1, :estimated, :requests, :input, :cache_read, :cache_write, :output,
    :images, :seconds, :units, :usd, :cost_pico, coalesce(:premium_pico, 0),
    coalesce(:latency_ms, 0.0))
ON CONFLICT(day, provider, account, model, family, project, key_id, task, outcome) DO UPDATE SET
    asked = asked + excluded.asked, attempts = attempts + 1,
    estimated = estimated + excluded.estimated,
    requests = min(requests + excluded.requests, 4611686018427387904),
    input = min(input + excluded.input, 4611686018427387904),
    cache_read = min(cache_read + excluded.cache_read, 4611686018427387904),
    cache_write = min(cache_write + excluded.cache_write, 4611686018427387904),
    output = min(output + excluded.output, 4611686018427387904),
    images = min(images + excluded.images, 4611686018427387904),
    seconds = min(seconds + excluded.seconds, 4611686018427387904),
    units = min(units + excluded.units, 4611686018427387904),
    usd = min(usd + excluded.usd, 4611686018427387904),
    cost_pico = min(cost_pico + excluded.cost_pico, 8000000000000000000),
    premium_pico = min(premium_pico + excluded.premium_pico, 8000000000000000000),
    latency_ms = latency_ms + excluded.latency_ms
"""
DAILY_CHANGE = """
UPDATE usage_daily SET cost_pico = max(0, min(cost_pico + :amount_pico, 8000000000000000000))
WHERE day = date(:at, 'unixepoch') AND provider = :provider AND account = :account
  AND model = :model AND family = :family AND project = :project AND key_id = :key_id
  AND task = :task AND outcome = :outcome
"""
LATENCY_ADD = """
INSERT INTO latency_daily(day, project, bucket, count)
VALUES (date(:at, 'unixepoch'), :project, :bucket, 1)
ON CONFLICT(day, project, bucket) DO UPDATE SET count = count + 1
"""
#: What was recorded before there were daily sums (migration).
DAILY_BACKFILL = """
INSERT INTO usage_daily(
    day, provider, account, model, family, project, key_id, task, outcome, asked, attempts,
    estimated, requests, input, cache_read, cache_write, output, images, seconds, units, usd,
    cost_pico, premium_pico, latency_ms)
SELECT date(u.at, 'unixepoch'), provider, account, model, family, u.project, u.key_id, task,
    outcome, sum(asked), count(*), sum(estimated), sum(requests), sum(input), sum(cache_read),
    sum(cache_write), sum(output), sum(images), sum(seconds), sum(units), sum(usd),
    sum(cost_pico + coalesce(a.amount, 0)), sum(coalesce(premium_pico, 0)),
    sum(coalesce(latency_ms, 0.0))
FROM usage u LEFT JOIN (
    SELECT attempt_id, sum(amount_pico) AS amount FROM adjustments GROUP BY attempt_id
) a ON a.attempt_id = u.attempt_id
WHERE true
GROUP BY 1, provider, account, model, family, u.project, u.key_id, task, outcome
ON CONFLICT(day, provider, account, model, family, project, key_id, task, outcome) DO UPDATE SET
    asked = asked + excluded.asked, attempts = attempts + excluded.attempts,
    estimated = estimated + excluded.estimated, requests = requests + excluded.requests,
    input = input + excluded.input, cache_read = cache_read + excluded.cache_read,
    cache_write = cache_write + excluded.cache_write, output = output + excluded.output,
    images = images + excluded.images, seconds = seconds + excluded.seconds,
    units = units + excluded.units, usd = usd + excluded.usd,
    cost_pico = cost_pico + excluded.cost_pico,
    premium_pico = premium_pico + excluded.premium_pico,
    latency_ms = latency_ms + excluded.latency_ms
"""
#: A request is its first attempt that was recorded.
ASKED_BACKFILL = """
UPDATE usage SET asked = 0
WHERE id NOT IN (SELECT min(id) FROM usage GROUP BY request_id)
"""
LATENCIES = "SELECT at, project, latency_ms FROM usage WHERE latency_ms IS NOT NULL"

# ── questions ────────────────────────────────────────────────────────────────

#: What one can ask by: a column of both tables, but for the two of time.
COLUMNS = ("provider", "account", "model", "project", "key_id", "task", "outcome")
_HOUR = "strftime('%Y-%m-%dT%H:00:00Z', at, 'unixepoch')"
_SUMS = """
    sum(asked) AS asked, sum({one}) AS attempts, sum(estimated) AS estimated,
    sum(input) AS input, sum(cache_read) AS cache_read, sum(cache_write) AS cache_write,
    sum(output) AS output, sum(images) AS images,
    sum(cost_pico / 1000000) AS micro, sum(cost_pico % 1000000) AS pico,
    sum(coalesce(premium_pico, 0) / 1000000) AS premium_micro,
    sum(coalesce(premium_pico, 0) % 1000000) AS premium_pico"""
_MINE = "(:project IS NULL OR project = :project) AND (:key_id IS NULL OR key_id = :key_id)"


def _tallies(by: tuple[str, ...]) -> tuple[str, str, str]:
    """Over whole days, over single rows, and over what was adjusted of those."""
    names = ", ".join(by)
    rows = ", ".join({"day": "date(at, 'unixepoch') AS day", "hour": f"{_HOUR} AS hour"}.get(
        name, name) for name in by)  # fmt: skip
    group = f"GROUP BY {names}" if by else ""
    head, rows = (f"{text}," if text else "" for text in (names, rows))
    # Made of the constants above alone, once, when this module is imported.
    days = f"{head}{_SUMS.format(one='attempts')} FROM usage_daily"
    single = f"{rows}{_SUMS.format(one='1')} FROM usage"
    return (
        f"SELECT {days} WHERE day >= :first AND day < :last AND {_MINE} {group}",
        f"SELECT {single} WHERE at >= :since AND at < :until AND {_MINE} {group}",
        f"SELECT {rows} sum(amount / 1000000) AS micro, sum(amount % 1000000) AS pico "  # noqa: S608
        "FROM (SELECT u.*, a.amount_pico AS amount FROM adjustments a "
        "JOIN usage u ON u.attempt_id = a.attempt_id "
        f"WHERE a.at >= :since AND a.at < :until) WHERE {_MINE} {group}",
    )


#: Every way to ask, put together once: the columns of contract §7's groups and of analytics.
TALLIES = {
    by: _tallies(by)
    for by in (
        (),
        ("day",),
        ("hour",),
        ("provider", "model", "project", "task"),
        ("provider", "account"),
        ("provider", "model"),
        *((column,) for column in COLUMNS if column not in ("account", "model")),
    )
}
DAILY_LATENCY = """
SELECT day, bucket, sum(count) AS count FROM latency_daily
WHERE day >= :first AND day < :last AND (:project IS NULL OR project = :project)
GROUP BY day, bucket
"""
ROWS_LATENCY = """
SELECT strftime('%Y-%m-%dT%H:00:00Z', at, 'unixepoch') AS hour, latency_ms FROM usage
WHERE at >= :since AND at < :until AND latency_ms IS NOT NULL AND outcome = 'ok'
  AND (:project IS NULL OR project = :project)
"""
USAGE_ANY_BEFORE = "SELECT 1 FROM usage WHERE at < :before LIMIT 1"
ROWS_SINCE_BACKFILL = """
INSERT INTO meta(key, value)
SELECT 'usage_since', coalesce((SELECT min(at) FROM usage), 1e12)
WHERE EXISTS (SELECT 1 FROM usage_daily)
"""
DAILY_OLDEST = "SELECT min(day) FROM usage_daily"

# ── export ───────────────────────────────────────────────────────────────────

EXPORT_DECISIONS = """
SELECT d.*, coalesce(p.bytes, 0) AS text_bytes
FROM decisions d LEFT JOIN prompts p ON p.decision_id = d.id
WHERE (d.at, d.id) > (:at, :after_id) AND d.at >= :since AND d.at < :until
  AND (:project IS NULL OR d.project = :project)
ORDER BY d.at, d.id LIMIT :limit
"""
EXPORT_TEXTS = """
SELECT decision_id, prompt, response FROM prompts
WHERE decision_id IN (SELECT value FROM json_each(:ids))
"""
DECISIONS_COUNT = """
SELECT count(*) FROM decisions
WHERE at >= :since AND at < :until AND (:project IS NULL OR project = :project)
"""
DECISIONS_KNOWN = "SELECT id FROM decisions WHERE id IN (SELECT value FROM json_each(:ids))"
EXPORT_USAGE_OF = """
SELECT u.*, coalesce((SELECT sum(amount_pico) FROM adjustments a
                      WHERE a.attempt_id = u.attempt_id), 0) AS adjusted
FROM usage u WHERE u.request_id IN (SELECT value FROM json_each(:ids)) ORDER BY u.id
"""
EXPORT_ROWS = """
SELECT u.*, coalesce((SELECT sum(amount_pico) FROM adjustments a
                      WHERE a.attempt_id = u.attempt_id), 0) AS adjusted
FROM usage u
WHERE u.id > :after AND u.at >= :since AND u.at < :until
  AND (:project IS NULL OR u.project = :project)
ORDER BY u.id LIMIT :limit
"""
EXPORT_COUNT = """
SELECT coalesce(sum(asked), 0) FROM usage WHERE at >= :since AND at < :until
  AND (:project IS NULL OR project = :project)
"""
