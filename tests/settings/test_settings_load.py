from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freeloader.core.model import Gates
from freeloader.errors import ConfigError
from freeloader.settings import Home, Settings, from_mapping, load
from freeloader.settings.types import Section


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def refused(home: Home, text: str, environ: dict[str, str] | None = None) -> dict[str, Any]:
    home.config.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(home, environ or {})
    assert caught.value.details["file"] in caught.value.message
    return caught.value.details


def test_the_contracts_defaults(home: Home) -> None:
    found = load(home, {})
    assert found == Settings()
    assert (found.server.host, found.server.port) == ("127.0.0.1", 3000)
    assert found.server.body_bytes_max == 33_554_432
    assert found.server.request_seconds_max == 600
    assert found.models.unknown == "similar"
    assert found.routing.strategy == "balanced"
    assert found.routing.max_wait_seconds == 5
    assert found.budget.alert_at == 0.8
    assert found.budget.timezone == "UTC"
    monitor = found.load_monitoring
    assert (monitor.queue.warning, monitor.queue.critical) == (10, 50)
    assert (monitor.p95_ms.warning, monitor.p95_ms.critical) == (2000, 5000)
    assert (monitor.error_rate.warning, monitor.error_rate.critical) == (0.05, 0.15)
    assert monitor.on_warning == "prefer-faster-models"
    assert monitor.on_critical == "block-slow-models"
    assert monitor.cooldown_minutes == 5
    assert (found.upstream.lane, found.upstream.workers) == ("litellm", 1)
    assert found.secrets.backend == "auto"
    assert (found.logging.save_prompts, found.logging.save_responses) == (False, False)
    assert found.discovery.auto_apply_updates is False
    assert found.discovery.telemetry.enabled is False
    assert found.discovery.scraping.enabled is False
    plan = found.level().fallback
    assert plan is None  # the strategy's own, then the contract's


def test_a_section_that_says_one_thing_leaves_its_others_at_their_defaults(home: Home) -> None:
    def inner(section: Section) -> Iterator[Section]:
        for name in type(section).model_fields:
            value = getattr(section, name)
            if isinstance(value, Section):
                yield value
                yield from inner(value)

    for section in inner(Settings()):
        assert type(section)() == section
    home.config.write_text(
        '[discovery.scraping.pages]\ngold = "https://a.example/prices"\n'
        '[discovery.github]\nurls = ["https://a.example/list.md"]\n'
        "[discovery.telemetry]\ncron = '1 1 * * *'\n[load_monitoring.queue]\nwarning = 5\n"
    )
    found = load(home, {})
    assert not found.discovery.scraping.enabled
    assert not found.discovery.telemetry.enabled
    assert (found.discovery.github.enabled, found.discovery.github.cron) == (True, "0 3 * * 0")
    assert (found.load_monitoring.queue.warning, found.load_monitoring.queue.critical) == (5, 50)


@pytest.mark.parametrize(
    "text",
    [
        "[routing]\nmax_wait_seconds = 7\n[routing.quality_gates]\nmin_intelligence = 3\n",
        "[routing]\nmaxWaitSeconds = 7\n[routing.qualityGates]\nminIntelligence = 3\n",
        "[routing]\nmax_wait_seconds = 7\nquality_gates = {intelligence = {min = 3}}\n",
    ],
)
def test_either_spelling_and_nested_gates(home: Home, text: str) -> None:
    home.config.write_text(text)
    level = load(home, {}).level()
    assert level.max_wait_ms == 7000
    assert level.gates == Gates(min_intelligence=3.0)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('fallback = "quality"', "quality"),
        ('fallback = "local"', "local"),
        ('fallback = "fail"', "fail"),
        ('fallback_strategy = "error"', "error"),
        ('fallbackStrategy = "quality"', "quality"),
    ],
)
def test_short_forms_of_fallback(home: Home, text: str, mode: str) -> None:
    home.config.write_text(f"[routing]\n{text}\n")
    plan = load(home, {}).level().fallback
    assert plan is not None
    assert plan.mode == mode
    assert (plan.on_quota_exceeded, plan.on_latency_timeout) == ("next-cheapest", "faster-model")
    assert (plan.on_quality_failure, plan.max_retries, plan.retry_delay_ms) == ("upgrade", 3, 1000)


def test_a_flat_budget_is_hard_limits(home: Home) -> None:
    home.config.write_text("[budget]\ndaily = 5\nmonthly = 100.5\nalertAt = 0.5\n")
    budget = load(home, {}).budget
    assert (str(budget.hard.daily), str(budget.hard.monthly)) == ("5", "100.5")
    assert budget.alert_at == 0.5
    assert budget.soft.daily is None


def test_names_that_people_chose_are_not_respelt(home: Home) -> None:
    home.config.write_text(
        '[models.aliases]\n"claude-*" = "auto:quality-first"\nmyModel = "auto"\n'
        "[budget.allocations.MyProject]\ndaily = 1\n[budget.allocations.default]\nmonthly = 2\n"
    )
    found = load(home, {})
    assert set(found.models.aliases) == {"claude-*", "myModel"}
    assert set(found.budget.allocations) == {"MyProject", "default"}
    shown = found.as_dict(camel_case=True)
    assert set(shown["budget"]["allocations"]) == {"MyProject", "default"}
    assert set(shown["models"]["aliases"]) == {"claude-*", "myModel"}
    assert shown["loadMonitoring"]["p95Ms"]["warning"] == 2000


def test_what_is_shown_can_be_given_back(home: Home) -> None:
    home.config.write_text(
        '[routing]\nfallback = "local"\nweights = {cost = 1}\n'
        '[routing.quality_gates]\ncapabilities = ["tools"]\nlocal_only = true\n'
        '[[routing.rules]]\nwhen = {task = "coding", complexityAbove = 0.5}\n'
        'then = {strategy = "quality_first", gates = {intelligence = {min = 5}}}\n'
        "[budget]\ndaily = 2.5\n[budget.allocations.a]\ndaily = 1\n[logging]\njson = true\n"
    )
    found = load(home, {})
    for camel in (False, True):
        again = from_mapping(found.as_dict(camel_case=camel))
        assert again == found
        assert again.level() == found.level()
    assert found.routing.rules[0].then.strategy == "quality-first"
    assert found.routing.rules[0].then.gates == {"min_intelligence": 5.0}


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[server]\nprot = 1\n", "server.prot", "did you mean 'port'"),
        ("[sever]\nport = 1\n", "sever", "did you mean 'server'"),
        ("[server]\nport = 'abc'\n", "server.port", "integer"),
        ("[server]\nport = true\n", "server.port", "not true or false"),
        ("[server]\nport = 70000\n", "server.port", "65535"),
        ("[server]\ncors_origins = ['*']\n", "server.cors_origins.0", "origin"),
        ("[server]\ncors_origins = ['http://a/b']\n", "server.cors_origins.0", "origin"),
        ("server = 5\n", "server", "table"),
        ("[models]\nunknown = 'whatever'\n", "models.unknown", "'similar'"),
        ("[routing]\nstrategy = 'cost'\n", "routing.strategy", "did you mean 'cost-first'"),
        ("[routing]\nstrategy = 5\n", "routing.strategy", "not a number"),
        ("[routing]\nweights = {cost = -1}\n", "routing.weights.cost", "between 0"),
        ("[routing]\nweights = {cost = 0}\n", "routing.weights", "more than 0"),
        ("[routing]\nmax_wait_seconds = nan\n", "routing.max_wait_seconds", "finite"),
        ("[routing.quality_gates]\nmin_inteligence = 5\n",
         "routing.quality_gates.min_inteligence", "did you mean 'minIntelligence'"),
        ("[routing.quality_gates]\nintelligence = {mni = 5}\n",
         "routing.quality_gates.intelligence.mni", "unknown key"),
        ("[routing.quality_gates]\nmin_intelligence = 11\n",
         "routing.quality_gates.min_intelligence", "between 0 and 10"),
        ("[routing.quality_gates]\nmin_intelligence = 8\nmax_intelligence = 2\n",
         "routing.quality_gates.minIntelligence", "more than"),
        ("[routing.quality_gates]\nblock_local = 'yes'\n",
         "routing.quality_gates.block_local", "true or false"),
        ("[routing.fallback]\nonQuotaExceded = 'local'\n",
         "routing.fallback.onQuotaExceded", "did you mean 'onQuotaExceeded'"),
        ("[routing]\nmaxWaitSeconds = 1\nmax_wait_seconds = 2\n",
         "routing.max_wait_seconds", "twice"),
        ("[budget]\ndaily = -1\n", "budget.hard.daily", "0 or more"),
        ("[budget]\ndaily = true\n", "budget.hard.daily", "true or false"),
        ("[budget]\ndaily = inf\n", "budget.hard.daily", "finite"),
        ("[budget]\ndaily = 1\n[budget.hard]\ndaily = 2\n", "budget.hard", "twice"),
        ("[budget.hard]\ndaily = 1\n[budget.soft]\ndaily = 2\n", "budget", "more than"),
        ("[budget]\ntimezone = 'Berlin'\n", "budget.timezone", "IANA"),
        ("[budget]\nalert_at = 80\n", "budget.alert_at", "less than or equal to 1"),
        ("[budget.allocations.web]\ndayly = 1\n", "budget.allocations.web.dayly", "'daily'"),
        ("[budget.actions]\non_hard_limit = 'explode'\n", "budget.actions.on_hard_limit", "'warn'"),
        ("[load_monitoring.queue]\nwarning = 9\ncritical = 5\n",
         "load_monitoring.queue.critical", "less than warning"),
        ("[upstream]\nworkers = 0\n", "upstream.workers", "greater than or equal to 1"),
        ("[upstream]\nlane = 'fast'\n", "upstream.lane", "'litellm'"),
        ("[secrets]\nbackend = 'vault'\n", "secrets.backend", "'keyring'"),
        ("[secrets]\napi_key = 'gsk_canary012345'\n", "secrets.api_key", "unknown key"),
        ("[logging]\nlevel = 'loud'\n", "logging.level", "'debug'"),
        ("[discovery.registry]\ncron = 'daily'\n", "discovery.registry.cron", "cron"),
        ("[[routing.rules]]\nwhen = {taks = 'x'}\n", "routing.rules.0.when.taks", "'task'"),
        ("[server\n", "", "TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "", "TOML"),
    ],
)  # fmt: skip
def test_what_is_refused_names_file_key_and_reason(
    home: Home, text: str, key: str, reason: str
) -> None:
    details = refused(home, text)
    assert details["file"] == str(home.config)
    assert details["key"] == key
    assert reason in details["reason"]
    assert "canary" not in str(details)


def test_all_problems_are_listed(home: Home) -> None:
    details = refused(home, "[server]\nprot = 1\nhots = 2\n[budgte]\ndaily = 1\n")
    assert [p["key"] for p in details["problems"]] == ["server.prot", "server.hots", "budgte"]


@pytest.mark.parametrize(
    ("name", "text", "place", "value"),
    [
        ("XSWARM_SERVER__PORT", "4000", "server.port", 4000),
        ("XSWARM_ROUTING__STRATEGY", "speed-first", "routing.strategy", "speed-first"),
        ("XSWARM_BUDGET__HARD__DAILY", "2.50", "budget.hard.daily", 2.5),
        ("XSWARM_BUDGET__DAILY", "2.50", "budget.hard.daily", 2.5),
        ("XSWARM_BUDGET__ALLOCATIONS__WEB__DAILY", "1", "budget.allocations.web.daily", 1.0),
        ("XSWARM_LOGGING__JSON", "true", "logging.json", True),
        ("XSWARM_LOGGING__LEVEL", "WARN", "logging.level", "warning"),
        ("XSWARM_SERVER__ALLOWED_HOSTS", "a.de,b.de", "server.allowed_hosts", ["a.de", "b.de"]),
        ("XSWARM_SERVER__ALLOWED_HOSTS", '["a.test"]', "server.allowed_hosts", ["a.test"]),
        ("XSWARM_MODELS__ALIASES", '{"gpt-*": "auto"}', "models.aliases", {"gpt-*": "auto"}),
        ("XSWARM_MODELS__PREMIUM", "123", "models.premium", "123"),
        ("XSWARM_ROUTING__QUALITY_GATES__MIN_INTELLIGENCE", "4",
         "routing.quality_gates.min_intelligence", 4.0),
        ("XSWARM_ROUTING__QUALITY_GATES", '{"localOnly": true}',
         "routing.quality_gates.local_only", True),
        ("XSWARM_ROUTING__FALLBACK", "quality", "routing.fallback.mode", "quality"),
        ("SWARMROUTER_OVERFLOW_TIMEOUT", "30", "upstream.first_byte_seconds", 30.0),
        ("SWARMROUTER_OVERFLOW_TIMEOUT", "30000", "upstream.first_byte_seconds", 30.0),
        ("SWARMROUTER_MAX_RETRIES", "5", "routing.fallback.max_retries", 5),
        ("SWARMROUTER_LOG_LEVEL", "DEBUG", "logging.level", "debug"),
        ("LMSTUDIO_TIMEOUT", "120", "upstream.provider_seconds.lm_studio", 120.0),
    ],
)  # fmt: skip
def test_every_value_is_also_a_variable(
    home: Home, name: str, text: str, place: str, value: Any
) -> None:
    found: Any = load(home, {name: text}).as_dict()
    for part in place.split("."):
        found = found[part]
    assert found == value


def test_the_environment_wins_over_the_file_and_ours_over_the_seeds(home: Home) -> None:
    home.config.write_text("[server]\nport = 3100\nhost = '::1'\n[logging]\nlevel = 'error'\n")
    environ = {
        "XSWARM_SERVER__PORT": "3200",
        "SWARMROUTER_LOG_LEVEL": "debug",
        "XSWARM_LOGGING__LEVEL": "warning",
        "XSWARM_HOME": "/nowhere",
        "UNRELATED": "1",
    }
    found = load(home, environ)
    assert (found.server.port, found.server.host) == (3200, "::1")
    assert found.logging.level == "warning"
    assert load(home, {"SWARMROUTER_LOG_LEVEL": "debug"}).logging.level == "debug"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("XSWARM_SERVER__PROT", "1", "did you mean 'port'"),
        ("XSWARM_SEVER__PORT", "1", "XSWARM_SERVER__"),
        ("XSWARM_SERVER__PORT", "abc", "integer"),
        ("XSWARM_SERVER__", "1", "not a setting's name"),
        ("XSWARM_MODELS__ALIASES", "{oops", "JSON"),
        ("XSWARM_ROUTING__QUALITY_GATES__MIN_INTELLIGENCE", "clever", "number"),
        ("SWARMROUTER_MAX_RETRIES", "many", "whole number"),
        ("SWARMROUTER_OVERFLOW_TIMEOUT", "-5", "more than 0"),
        ("LMSTUDIO_TIMEOUT", "soon", "seconds"),
    ],
)
def test_a_bad_variable_is_named(home: Home, name: str, text: str, reason: str) -> None:
    details = refused(home, "[server]\nport = 3100\n", {name: text})
    assert details["file"] == name
    assert reason in details["reason"]


def test_a_bad_value_is_blamed_on_the_source_it_came_from(home: Home) -> None:
    home.config.write_text("[server]\nhost = 'localhost'\nport = 99999\n")
    with pytest.raises(ConfigError) as caught:
        load(home, {"XSWARM_SERVER__HOST": "::1"})
    assert caught.value.details["file"] == str(home.config)


def test_the_home_and_what_is_in_it_is_private_under_any_umask(tmp_path: Path) -> None:
    for number, umask in enumerate((0o000, 0o022, 0o777)):
        old = os.umask(umask)
        try:
            home = Home(tmp_path / f"home{number}").create()
        finally:
            os.umask(old)
        for path in (home.path, home.run, home.logs, home.registry):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_where_the_home_is(tmp_path: Path) -> None:
    user = {"HOME": "/u/me"}
    assert Home.find(user).path == Path("/u/me/.xswarm")
    assert Home.find({**user, "XSWARM_HOME": ""}).path == Path("/u/me/.xswarm")
    assert Home.find({**user, "XSWARM_HOME": "~/x"}).path == Path("/u/me/x")
    assert Home.find({**user, "XSWARM_HOME": str(tmp_path)}).path == tmp_path
    assert Home.find({**user, "XSWARM_HOME": "rel"}).path == Path.cwd() / "rel"


def test_a_home_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="XSWARM_HOME"):
        Home(tmp_path / "file" / "home").create()
