from __future__ import annotations

from pathlib import Path

import pytest
from manage_fakes import FakeAsker, FakeCatalog, FakeClock, FakeLedger, cloud, local

from freeloader.manage.accounts.operations import Accounts
from freeloader.manage.ports import Listing
from freeloader.secrets import SecretStore
from freeloader.settings import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(home: Home) -> SecretStore:
    return SecretStore(home, "file")


@pytest.fixture
def catalog() -> FakeCatalog:
    groq = cloud(
        "groq",
        auth_format="gsk_[A-Za-z0-9]+",
        terms={"pooling": "forbidden", "notes": "One account only.", "source": "ToS 3.2"},
    )
    cloudflare = cloud(
        "cloudflare",
        base_url="https://api.cloudflare.test/{account_id}/v1",
        auth_fields=("api_key", "account_id"),
        field_env={"account_id": ("CLOUDFLARE_ACCOUNT_ID",)},
    )
    azure = cloud(
        "azure",
        base_url=None,
        models_path=None,
        status="paid_only",
        free_type="none",
        auth_fields=("api_key", "endpoint", "api_version"),
        field_env={"endpoint": ("AZURE_ENDPOINT",)},
    )
    ollama = local(
        "ollama",
        "http://127.0.0.1:11434",
        wire="ollama",
        models_path="/api/tags",
        field_env={"endpoint": ("OLLAMA_API_BASE", "OLLAMA_HOST")},
    )
    lm_studio = local(
        "lm_studio", "http://127.0.0.1:1234/v1", field_env={"endpoint": ("LMSTUDIO_URL",)}
    )
    retired = cloud("kluster", status="retired")
    openai = cloud("openai", status="paid_only", free_type="none")
    return FakeCatalog(
        *(groq, cloudflare, azure, ollama, lm_studio, retired, openai, cloud("openrouter")),
        models=(("groq", "llama-3"), ("groq", "qwen"), ("openai", "gpt")),
    )


@pytest.fixture
def asker() -> FakeAsker:
    asker = FakeAsker()
    asker.answers["groq"] = Listing(True, ("llama-3", "whisper"), reachable=True)
    return asker


@pytest.fixture
def accounts(
    ledger: FakeLedger,
    store: SecretStore,
    catalog: FakeCatalog,
    asker: FakeAsker,
    clock: FakeClock,
) -> Accounts:
    return Accounts(ledger, store, lambda: catalog, asker, clock)
