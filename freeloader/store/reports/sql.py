"""The statements of the reports, by name. Sums over many rows may pass 64 bits, one row never:
micro-dollars and the rest are summed apart, and a day's own sums stop below the limit.
"""

from __future__ import annotations

from typing import NamedTuple

# ── daily sums, kept with every charge ───────────────────────────────────────

ADDED = (
    "requests", "input", "cache_read", "cache_write", "output", "images", "seconds", "units", "usd"
)  # fmt: skip
GROUP = ("provider", "account", "model", "family", "project", "key_id", "task", "outcome")
_GROUP = ", ".join(GROUP)


def _add(table: str, step: str, at: str) -> str:
    """Attempts of one day (or hour) and one group into its sums."""
    grown = ", ".join(
        f"{name} = min({name} + excluded.{name}, 4611686018427387904)" for name in ADDED
    )
    names = f"{step}, {_GROUP}, asked, attempts, estimated, {', '.join(ADDED)}"
    values = ", ".join(f":{name}" for name in (*GROUP, "asked"))
    meters = ", ".join(f":{name}" for name in ADDED)
    return f"""
INSERT INTO {table}({names}, cost_pico, premium_pico, latency_ms, unpriced, unpriced_pico)
VALUES ({at}, {values}, :attempts, :estimated, {meters}, :cost_pico, :premium_pico,
    :latency_ms, :unpriced, :unpriced_pico)
ON CONFLICT({step}, {_GROUP}) DO UPDATE SET
    asked = asked + excluded.asked, attempts = attempts + excluded.attempts,
    estimated = estimated + excluded.estimated, {grown},
    cost_pico = min(cost_pico + excluded.cost_pico, 8000000000000000000),
    premium_pico = min(premium_pico + excluded.premium_pico, 8000000000000000000),
    latency_ms = latency_ms + excluded.latency_ms, unpriced = unpriced + excluded.unpriced,
    unpriced_pico = min(unpriced_pico + excluded.unpriced_pico, 8000000000000000000)
"""  # noqa: S608 - of constants, once, when this module is imported


def _change(table: str, step: str, at: str) -> str:
    """A later adjustment, in the sums of its attempt."""
    same = " AND ".join(f"{name} = :{name}" for name in GROUP)
    return f"""
UPDATE {table} SET cost_pico = max(0, min(cost_pico + :amount_pico, 8000000000000000000)),
    unpriced_pico = max(0, min(unpriced_pico + iif(:unpriced, :amount_pico, 0),
        8000000000000000000))
WHERE {step} = {at} AND {same}
"""  # noqa: S608 - of constants, once, when this module is imported


_DAY_OF, _HOUR_OF = "date(:at, 'unixepoch')", "CAST(:at / 3600 AS INTEGER)"
DAILY_ADD, HOURLY_ADD = (
    _add("usage_daily", "day", _DAY_OF),
    _add("usage_hourly", "hour", _HOUR_OF),
)
DAILY_CHANGE, HOURLY_CHANGE = (
    _change("usage_daily", "day", _DAY_OF),
    _change("usage_hourly", "hour", _HOUR_OF),
)
LATENCY_ADD = """
INSERT INTO latency_daily(day, project, bucket, count)
VALUES (date(:at, 'unixepoch'), :project, :bucket, :count)
ON CONFLICT(day, project, bucket) DO UPDATE SET count = count + excluded.count
"""
LATENCY_ADD_HOUR = """
INSERT INTO latency_hourly(hour, project, bucket, count)
VALUES (CAST(:at / 3600 AS INTEGER), :project, :bucket, :count)
ON CONFLICT(hour, project, bucket) DO UPDATE SET count = count + excluded.count
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
LATENCIES_SINCE = """
SELECT at, project, latency_ms FROM usage
WHERE at >= :since AND latency_ms IS NOT NULL AND outcome = 'ok'
"""
HOURS_SINCE_SET = """
INSERT INTO meta(key, value) VALUES ('hours_since', :since)
ON CONFLICT(key) DO UPDATE SET value = excluded.value
"""


def sums_again(table: str, column: str, of: str, which: str) -> str:
    """Sums from the single rows ``which``, by ``of`` in ``column``; of two sums the larger
    one stands: it may know rows that are lost."""
    return f"""
INSERT INTO {table}(
    {column}, provider, account, model, family, project, key_id, task, outcome, asked, attempts,
    estimated, requests, input, cache_read, cache_write, output, images, seconds, units, usd,
    cost_pico, premium_pico, latency_ms, unpriced, unpriced_pico)
SELECT {of}, provider, account, model, family, u.project, u.key_id, task,
    outcome, sum(asked), count(*), sum(estimated), sum(requests), sum(input), sum(cache_read),
    sum(cache_write), sum(output), sum(images), sum(seconds), sum(units), sum(usd),
    max(0, sum(cost_pico + coalesce(a.amount, 0))), sum(coalesce(premium_pico, 0)),
    sum(coalesce(latency_ms, 0.0)), sum(unpriced),
    max(0, sum(iif(unpriced, cost_pico + coalesce(a.amount, 0), 0)))
FROM usage u LEFT JOIN (
    SELECT attempt_id, sum(amount_pico) AS amount FROM adjustments GROUP BY attempt_id
) a ON a.attempt_id = u.attempt_id
WHERE {which}
GROUP BY 1, provider, account, model, family, u.project, u.key_id, task, outcome
ON CONFLICT({column}, provider, account, model, family, project, key_id, task, outcome)
DO UPDATE SET
    asked = max(asked, excluded.asked), attempts = max(attempts, excluded.attempts),
    estimated = max(estimated, excluded.estimated), requests = max(requests, excluded.requests),
    input = max(input, excluded.input), cache_read = max(cache_read, excluded.cache_read),
    cache_write = max(cache_write, excluded.cache_write), output = max(output, excluded.output),
    images = max(images, excluded.images), cost_pico = max(cost_pico, excluded.cost_pico),
    premium_pico = max(premium_pico, excluded.premium_pico),
    latency_ms = max(latency_ms, excluded.latency_ms), unpriced = max(unpriced, excluded.unpriced),
    unpriced_pico = max(unpriced_pico, excluded.unpriced_pico)
"""  # noqa: S608 - of constants, when the modules are imported


HOURS_AGAIN = sums_again("usage_hourly", "hour", "CAST(u.at / 3600 AS INTEGER)", "u.at >= :since")

# ── questions ────────────────────────────────────────────────────────────────

#: What one can ask by: a column of both tables, but for the two of time.
COLUMNS = ("provider", "account", "model", "project", "key_id", "task", "outcome")
_HOUR = "strftime('%Y-%m-%dT%H:00:00Z', at, 'unixepoch') AS hour"
_SUMS = """
    sum(asked) AS asked, sum({attempts}) AS attempts, sum(estimated) AS estimated,
    sum(input) AS input, sum(cache_read) AS cache_read, sum(cache_write) AS cache_write,
    sum(output) AS output, sum(images) AS images, sum(unpriced) AS unpriced,
    sum(cost_pico / 1000000) AS micro, sum(cost_pico % 1000000) AS pico,
    sum(coalesce(premium_pico, 0) / 1000000) AS premium_micro,
    sum(coalesce(premium_pico, 0) % 1000000) AS premium_pico,
    sum({unpriced} / 1000000) AS unpriced_micro, sum({unpriced} % 1000000) AS unpriced_pico"""
_KEPT = {"attempts": "attempts", "unpriced": "unpriced_pico"}
_SINGLE = {"attempts": "1", "unpriced": "iif(unpriced, cost_pico, 0)"}
_MINE = "(:project IS NULL OR project = :project) AND (:key_id IS NULL OR key_id = :key_id)"


class Tallies(NamedTuple):
    """One way to ask, over whole days, whole hours, single rows, and what was adjusted of those.

    Over hours, days and hours are numbers since 1970.
    """

    days: str
    hours: str
    rows: str
    adjusted: str


def _tallies(by: tuple[str, ...]) -> Tallies:
    group = f"GROUP BY {', '.join(by)}" if by else ""

    def head(**steps: str) -> str:
        return "".join(f"{steps.get(name, name)}, " for name in by)

    # Numbers of hours and days: thousands of rows are added up before a few get their names.
    hours = head(day="hour / 24 AS day", hour="hour")
    rows = head(day="date(at, 'unixepoch') AS day", hour=_HOUR)
    # Made of the constants above alone, once, when this module is imported.
    kept, single = _SUMS.format(**_KEPT), _SUMS.format(**_SINGLE)
    return Tallies(
        f"SELECT {head()}{kept} FROM usage_daily "  # noqa: S608
        f"WHERE day >= :first AND day < :last AND {_MINE} {group}",
        f"SELECT {hours}{kept} FROM usage_hourly "  # noqa: S608
        f"WHERE hour >= :first AND hour < :last AND {_MINE} {group}",
        f"SELECT {rows}{single} FROM usage "  # noqa: S608
        f"WHERE at >= :since AND at < :until AND {_MINE} {group}",
        f"SELECT {rows}sum(amount / 1000000) AS micro, sum(amount % 1000000) AS pico, "  # noqa: S608
        "sum(iif(unpriced, amount, 0) / 1000000) AS unpriced_micro, "
        "sum(iif(unpriced, amount, 0) % 1000000) AS unpriced_pico "
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
HOURLY_LATENCY = """
SELECT hour, bucket, sum(count) AS count FROM latency_hourly
WHERE hour >= :first AND hour < :last AND (:project IS NULL OR project = :project)
GROUP BY hour, bucket
"""
USAGE_ANY_BEFORE = "SELECT 1 FROM usage WHERE at < :before LIMIT 1"
ROWS_SINCE_BACKFILL = """
INSERT INTO meta(key, value)
SELECT 'usage_since', coalesce((SELECT min(at) FROM usage), 1e12)
WHERE EXISTS (SELECT 1 FROM usage_daily)
"""
#: The newest single row: beyond it a day's and an hour's sums are whole.
USAGE_NEWEST = "SELECT max(at) FROM usage"
HOURS_TRIM = """
DELETE FROM usage_hourly WHERE rowid IN (
    SELECT rowid FROM usage_hourly WHERE hour < :before LIMIT :slice)
"""
HOUR_LATENCIES_TRIM = """
DELETE FROM latency_hourly WHERE rowid IN (
    SELECT rowid FROM latency_hourly WHERE hour < :before LIMIT :slice)
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
