"""What is not built yet is said, and only where somebody set it."""

from __future__ import annotations

import pytest

from freeloader.settings import from_mapping
from freeloader.settings.unbuilt import unbuilt


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"benchmarking": {"enabled": False}}, "benchmarking"),
    ],
)
def test_a_setting_without_effect_is_named(values: dict[str, object], name: str) -> None:
    (said,) = unbuilt(from_mapping(values))
    assert said.startswith(f"{name} ")


def test_defaults_and_working_settings_say_nothing() -> None:
    assert unbuilt(from_mapping({"routing": {"strategy": "cost-first"}, "server": {}})) == ()
