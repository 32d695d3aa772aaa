"""`xswarm export`: three formats, whole files or none."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freeloader.manage.reports import rows

ROWS = [
    dict.fromkeys(rows.COLUMNS)
    | {"id": f"d{n}", "costPico": n, "costUsd": n / 1e12, "estimated": bool(n % 2), "attempts": 1,
       "routing": {"n": n} if n else None, "reason": "a, \"b\"\nc"}
    for n in range(3)
]  # fmt: skip


@pytest.fixture
def lines(daemon: Any) -> Any:
    daemon.on("GET", "/v1/export", rows.as_jsonl(ROWS))
    return daemon


def test_lines_to_standard_output(lines: Any, xswarm: Callable[..., Any]) -> None:
    done = xswarm("export", "--from", "2026-11-01", "--project", "a")
    assert (done.code, done.err.strip()) == (0, "3 requests written.")
    assert [json.loads(line) for line in done.out.splitlines()] == ROWS
    assert "from=2026-11-01&project=a&format=jsonl" in lines.asked[-1]["query"]


def test_lines_to_a_file_for_its_owner(
    lines: Any, xswarm: Callable[..., Any], tmp_path: Path
) -> None:
    target = tmp_path / "out.jsonl"
    done = xswarm("export", "--output", str(target))
    assert (done.code, done.err.strip()) == (0, f"3 requests written to {target}.")
    assert [json.loads(line) for line in target.read_text().splitlines()] == ROWS
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.part")) == []


def test_a_table(daemon: Any, xswarm: Callable[..., Any], tmp_path: Path) -> None:
    daemon.on("GET", "/v1/export", rows.as_csv(ROWS, head=True))
    target = tmp_path / "out.csv"
    assert xswarm("export", "--format", "csv", "-o", str(target)).code == 0
    with target.open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ['a, "b"\nc'] * 3


@pytest.mark.parametrize("count", [3, 0])
def test_parquet_has_typed_columns(
    daemon: Any, xswarm: Callable[..., Any], tmp_path: Path, count: int
) -> None:
    import polars

    daemon.on("GET", "/v1/export", rows.as_jsonl(ROWS[:count]))
    target = tmp_path / "out.parquet"
    assert xswarm("export", "--format", "parquet", "--output", str(target)).code == 0
    table = polars.read_parquet(target)
    assert table.columns == list(rows.COLUMNS)
    assert table["costPico"].dtype == polars.Int64
    assert table["costPico"].to_list() == list(range(count))
    assert [t and json.loads(t) for t in table["routing"]] == [None, {"n": 1}, {"n": 2}][:count]


def test_what_fails_leaves_no_file(daemon: Any, xswarm: Callable[..., Any], tmp_path: Path) -> None:
    error = {"error": {"message": "from must be a date.", "code": "invalid_request"}}
    daemon.on("GET", "/v1/export", error, 400)
    done = xswarm("export", "--from", "soon", "--output", str(tmp_path / "x"))
    assert (done.code, "From must be a date" in done.err) == (1, True)
    assert list(tmp_path.glob("x*")) == []
