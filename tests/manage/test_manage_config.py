from __future__ import annotations

import json
from typing import Any

import pytest
from manage_fakes import FakeAsker, FakeClock, FakeLedger

from freeloader.core.model import Level
from freeloader.core.policy import combine
from freeloader.errors import ConfigError, NotFound
from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.config import Config, nest, reload
from freeloader.settings import Home, load

CANARY = "gsk_canary0123456789abcdef"


@pytest.fixture
def config(home: Home, ledger: FakeLedger, clock: FakeClock, accounts: Accounts) -> Config:
    return Config(home, {}, ledger, clock, accounts=accounts)


async def test_change_answers_as_the_contract_says(config: Config, home: Home) -> None:
    answer = await config.change_config({"routing": {"strategy": "cost-first"}}, "owner")
    assert answer["updated"] is True
    assert answer["config"]["routing"]["strategy"] == "cost-first"
    assert answer["appliesAt"].endswith("Z")
    assert answer["changed"] == ["routing.strategy"]
    assert load(home, {}).routing.strategy == "cost-first"
    assert (await config.show_config())["routing"]["strategy"] == "cost-first"
    assert await config.get_config("strategy") == "cost-first"
    assert await config.get_config("server.bodyBytesMax") == 33_554_432


@pytest.mark.parametrize(
    ("changes", "nested"),
    [
        ({"server.port": 1}, {"server": {"port": 1}}),
        (
            {"daily-budget": 5, "monthly_budget": 9},
            {"budget": {"hard": {"daily": 5, "monthly": 9}}},
        ),
        ({"strategy": "auto"}, {"routing": {"strategy": "auto"}}),
        ({"dailyBudget": 5}, {"budget": {"hard": {"daily": 5}}}),
        ({"fallbackStrategy": "local"}, {"routing": {"fallback": "local"}}),
        ({"qualityGates": {"minSpeed": 2}}, {"routing": {"quality_gates": {"minSpeed": 2}}}),
        ({"budget": {"daily": 1}}, {"budget": {"daily": 1}}),
    ],
)
def test_short_and_dotted_names(changes: dict[str, Any], nested: dict[str, Any]) -> None:
    assert nest(changes) == nested


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"server": {"prot": 1}}, "server.prot", "did you mean 'port'"),
        ({"server": {"port": "many"}}, "server.port", "integer"),
        ({"apiKey": CANARY}, "apiKey", "unknown key"),
        ({"routing": {"strategy": "cheapest"}}, "routing.strategy", "must be one of"),
        ({"routing": {"targets": 0}}, "routing.targets", "greater than or equal to 1"),
        ({"routing": {"targets": 11}}, "routing.targets", "less than or equal to 10"),
        ({"aggregation": "vote"}, "routing.aggregation", "'consensus'"),
        ({"routing": {"selecton": "best"}}, "routing.selecton", "did you mean 'selection'"),
    ],
)
async def test_what_could_not_be_loaded_is_not_written(
    config: Config, home: Home, ledger: FakeLedger, changes: dict[str, Any], key: str, words: str
) -> None:
    home.config.write_text("# mine\n[server]\nport = 3100\n")
    with pytest.raises(ConfigError) as caught:
        await config.change_config(changes, "owner")
    assert caught.value.details["key"] == key
    assert words in caught.value.details["reason"]
    assert CANARY not in str(caught.value)
    assert home.config.read_text() == "# mine\n[server]\nport = 3100\n"
    assert [row.what for row in ledger.configs] in ([], ["before the first change"])


async def test_how_multi_cast_asks_is_a_setting(config: Config, home: Home) -> None:
    said = {"strategy": "multi-cast", "targets": 5, "selection": "best", "aggregation": "consensus"}
    answer = await config.change_config(said, "owner")
    assert sorted(answer["changed"]) == [f"routing.{name}" for name in sorted(said)]
    policy = combine([Level("request"), load(home, {}).routing.level()])
    assert (policy.targets, policy.selection, policy.aggregation) == (5, "best", "consensus")
    assert policy.origins["targets"] == "settings"
    # What a request says is nearer, part by part; the strategy's own defaults stand behind both.
    nearer = Level("request", strategy="multi-cast", targets=2)
    policy = combine([nearer, load(home, {}).routing.level()])
    assert (policy.targets, policy.selection, policy.aggregation) == (2, "best", "consensus")
    assert policy.origins["targets"] == "request"
    assert combine([nearer]).origins["aggregation"] == "preset"


async def test_history_and_the_way_back(config: Config, home: Home, ledger: FakeLedger) -> None:
    home.config.write_text("[server]\nport = 3100\n")
    await config.change_config({"port": 3200, "daily-budget": "2.50"}, "key_1")
    await config.change_config({"server": {"port": None}}, "key_1")
    assert load(home, {}).server.port == 3000
    rows = await config.config_history()
    assert [row["version"] for row in rows] == [3, 2, 1]
    assert "server.port" in rows[0]["what"]
    answer = await config.rollback_config(2, "key_2")
    assert answer["config"]["server"]["port"] == 3200
    assert answer["config"]["budget"]["hard"]["daily"] == 2.5
    answer = await config.rollback_config(1, "key_2")
    assert answer["config"]["server"]["port"] == 3100
    assert answer["config"]["budget"]["hard"]["daily"] is None
    assert answer["restartNeeded"] == ["server.port"]
    with pytest.raises(NotFound):
        await config.rollback_config(99, "key_2")
    assert {row.who for row in ledger.configs} == {"init", "key_1", "key_2"}


async def test_no_change_is_no_version(config: Config, ledger: FakeLedger) -> None:
    await config.change_config({"port": 3100}, "owner")
    count = len(ledger.configs)
    await config.change_config({"port": 3100}, "owner")
    assert len(ledger.configs) == count


async def test_a_broken_file_hides_nothing_of_what_is_in_force(
    home: Home, ledger: FakeLedger, clock: FakeClock
) -> None:
    good = load(home, {"XSWARM_ROUTING__STRATEGY": "cost-first"})
    config = Config(home, {}, ledger, clock, in_force=lambda: good)
    home.config.write_text("[routing\n")
    assert (await config.show_config())["routing"]["strategy"] == "cost-first"
    assert await config.get_config("strategy") == "cost-first"
    with pytest.raises(ConfigError):
        await config.change_config({"strategy": "balanced"}, "owner")


async def test_the_environment_wins_and_that_is_said(
    home: Home, ledger: FakeLedger, clock: FakeClock
) -> None:
    config = Config(home, {"XSWARM_SERVER__PORT": "4000"}, ledger, clock)
    answer = await config.change_config({"port": 3100}, "owner")
    assert answer["config"]["server"]["port"] == 4000
    assert answer["warnings"] == [
        "XSWARM_SERVER__PORT is set in the environment and wins over server.port."
    ]


async def test_good_alone_but_not_with_the_environment(
    home: Home, ledger: FakeLedger, clock: FakeClock
) -> None:
    config = Config(home, {"XSWARM_BUDGET__HARD__DAILY": "1"}, ledger, clock)
    with pytest.raises(ConfigError):
        await config.change_config({"budget": {"soft": {"daily": 5}}}, "owner")
    assert load(home, {}).budget.soft.daily is None


def test_a_bad_file_keeps_the_last_good_settings(home: Home) -> None:
    home.config.write_text("[server]\nport = 3100\n")
    good = load(home, {})
    home.config.write_text("[server]\nport = 'x'\n")
    settings, problem = reload(home, {}, good)
    assert settings is good
    assert problem is not None
    assert problem.details["file"] == str(home.config)
    assert problem.details["key"] == "server.port"
    home.config.write_text("[server]\nport = 3300\n")
    settings, problem = reload(home, {}, good)
    assert (settings.server.port, problem) == (3300, None)


SEED: dict[str, Any] = {
    "version": "1.0",
    "providers": {
        "groq": {
            "enabled": True,
            "accounts": [
                {"apiKey": CANARY, "tier": "free", "priority": 1},
                {"apiKey": "gsk_second0123456789", "tier": "pay-as-go", "enabled": False},
            ],
        },
        "openai": {"apiKey": "${OPENAI_API_KEY}", "tier": "pay-as-go"},
        "openrouter": {"apiKey": "your-key-here"},
        "ollama": {"endpoint": "http://127.0.0.1:11434", "type": "local"},
        "nosuchprovider": {"apiKey": "k" * 20},
    },
    "strategy": "cost-first",
    "weights": {"cost": 0.5, "speed": 0.3, "quality": 0.2},
    "qualityGates": {"intelligence": {"min": 4}, "blockedProviders": ["deepseek"]},
    "fallback": {"onQuotaExceeded": "next-cheapest", "maxRetries": 2},
    "budget": {"daily": 5, "monthly": 100, "alertAt": 0.9, "soft": {"daily": 4}},
    "allocations": {"my-App": {"daily": 1}, "default": {"monthly": 10}},
    "loadMonitoring": {
        "enabled": True,
        "thresholds": {
            "queueDepth": {"warning": 5, "critical": 20},
            "latencyP95": {"warning": 900},
        },
        "onWarning": "prefer-faster-models",
        "cooldownMinutes": 3,
    },
    "aliases": {"fast": "auto:speed-first"},
    "telemetry": {"enabled": True},
    "server": {"port": 3456, "wings": 2},
    "logging": {"level": "loud"},
    "quantum": True,
}


async def test_the_seeds_configuration_is_taken_over(
    config: Config, home: Home, ledger: FakeLedger, accounts: Accounts, asker: FakeAsker
) -> None:
    config._environ = {"OPENAI_API_KEY": "sk-" + "o" * 24}  # type: ignore[assignment]
    answer = await config.import_config(SEED, "owner")
    found = load(home, {})
    assert found.routing.strategy == "cost-first"
    assert found.level().gates.min_intelligence == 4
    assert found.level().gates.blocked_providers == {"deepseek"}
    assert float(found.budget.hard.daily or 0) == 5
    assert found.budget.alert_at == 0.9
    assert set(found.budget.allocations) == {"my-App", "default"}
    assert found.load_monitoring.queue.critical == 20
    assert found.load_monitoring.p95_ms.warning == 900
    assert found.load_monitoring.p95_ms.critical == 5000
    assert found.load_monitoring.cooldown_minutes == 3
    assert found.models.aliases == {"fast": "auto:speed-first"}
    assert found.server.port == 3456
    assert found.discovery.telemetry.enabled is False
    kept = {name: (a.tier, a.enabled) for name, a in ledger.kept.items()}
    assert kept == {
        ("groq", 1): ("free", True),
        ("groq", 2): ("paid", False),
        ("openai", 1): ("paid", True),
        ("ollama", 1): ("free", True),
    }
    assert await accounts.credentials(ledger.kept["groq", 1]) == {"api_key": CANARY}
    ignored = "\n".join(answer["ignored"])
    for words in ("telemetry", "wings", "level", "quantum", "openrouter", "nosuchprovider"):
        assert words in ignored
    told = json.dumps(answer) + repr(ledger.configs) + repr(ledger.audits)
    assert CANARY not in told + home.config.read_text()
    assert "gsk_second" not in told + home.config.read_text()


async def test_importing_twice_adds_nothing_twice(config: Config, ledger: FakeLedger) -> None:
    await config.import_config(SEED, "owner")
    kept, versions = dict(ledger.kept), len(ledger.configs)
    await config.import_config(SEED, "owner")
    assert ledger.kept == kept
    assert len(ledger.configs) == versions
