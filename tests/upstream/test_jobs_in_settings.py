"""Every line of ``[jobs]`` belongs to a job that the daemon really has."""

from __future__ import annotations

from pathlib import Path

from house_kit import street


async def test_each_line_of_the_settings_is_a_job(tmp_path: Path) -> None:
    async with street(tmp_path, "alpha") as (live, _):
        listed = {str(job["name"]) for job in live.daemon.jobs.listing()}
        assert listed == set(live.daemon.settings.cron_lines()), "a line that no job reads"
        assert "load" in listed
