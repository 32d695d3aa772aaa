"""All settings in one frozen object, put together by pydantic-settings.

Which sources there are and what their values look like is ``sources``' and
``load``'s business. No value here is ever a secret.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from freeloader.core.model import Level
from freeloader.core.policy.rules import Rule
from freeloader.settings.policy import Budget, Routing
from freeloader.settings.sections import (
    Benchmarking,
    Classifier,
    Discovery,
    Jobs,
    LoadMonitoring,
    Logging,
    Models,
    Notifications,
    Privacy,
    Secrets,
    Server,
    Upstream,
)
from freeloader.settings.spelling import camel


class Settings(BaseSettings):
    """``config.toml`` and the environment, checked. ``Settings()`` alone is the defaults."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="XSWARM_")

    server: Server = Server()
    models: Models = Models()
    routing: Routing = Routing()
    budget: Budget = Budget()
    load_monitoring: LoadMonitoring = LoadMonitoring()
    upstream: Upstream = Upstream()
    secrets: Secrets = Secrets()
    logging: Logging = Logging()
    jobs: Jobs = Jobs()
    discovery: Discovery = Discovery()
    benchmarking: Benchmarking = Benchmarking()
    notifications: Notifications = Notifications()
    privacy: Privacy = Privacy()
    classifier: Classifier = Classifier()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``load`` hands in: the process's own environment is read in one place."""
        return (init_settings,)

    def level(self) -> Level:
        """The lowest level of policy: what the owner set for everyone."""
        return self.routing.level()

    def cron_lines(self) -> dict[str, str]:
        """Job → its cron line; a source of discovery that is switched off has none."""
        lines = {name: str(line) for name, line in self.jobs.model_dump().items()}
        del lines["timezone"]
        for name in ("registry", "api", "github", "scraping"):
            source = getattr(self.discovery, name)
            if self.discovery.enabled and source.enabled:
                lines[name] = source.cron
        if not self.benchmarking.enabled:
            del lines["ratings"]
        else:
            lines["benchmarks"] = self.benchmarking.cron
        return lines

    def cron_zone(self) -> str:
        """The time zone of all cron lines."""
        return self.jobs.timezone or self.budget.timezone

    def policy_version(self) -> str:
        """A short name of all that decisions depend on here: the same settings, the same name."""
        shown = self.as_dict()
        parts = [shown[name] for name in ("routing", "budget", "models", "privacy")]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def rules(self) -> tuple[Rule, ...]:
        """``[[routing.rules]]``, in their order; hours are in the budget's time zone."""
        zone = self.budget.timezone
        listed = enumerate(self.routing.rules, start=1)
        return tuple(rule.compiled(number, zone) for number, rule in listed)

    def as_dict(self, *, camel_case: bool = False) -> dict[str, Any]:
        """JSON-ready, defaults included; snake_case as in the file, or camelCase as over HTTP."""
        shown: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if not camel_case:
            return shown
        from freeloader.settings.sources import respell

        respelt: dict[str, Any] = respell(type(self), shown, camel)
        return respelt
