"""The rendered config: fixed settings, one entry per provider, model and endpoint, no secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from freeloader.child.config import (
    WARM_ENTRY,
    Entry,
    digest,
    entries_of,
    render,
    templates_dir,
    wire_name,
    write_private,
)
from freeloader.child.dialect import api_base_of
from freeloader.core.model import Account, Deployment, Model, Provider
from freeloader.errors import ConfigError


def deployment(
    provider_id: str = "groq",
    model_id: str = "openai/gpt-oss-120b",
    idx: int = 1,
    prefix: str = "groq",
    base_url: str | None = "https://api.groq.com/openai/v1",
    endpoint: str | None = None,
    params: dict[str, Any] | None = None,
    account_params: dict[str, str] | None = None,
) -> Deployment:
    provider = Provider(
        provider_id, provider_id, "cloud", "active", prefix, "openai", base_url, params or {}
    )
    account = Account(provider_id, idx, endpoint=endpoint, params=account_params or {})
    return Deployment(
        f"{provider_id}@{idx}/{model_id}",
        provider,
        account,
        Model(model_id, provider_id, model_id),
        f"{provider_id}/{model_id}",
        base_url,
    )


def test_accounts_share_an_entry_and_order_does_not_matter() -> None:
    one, two, other = deployment(idx=1), deployment(idx=2), deployment(model_id="llama")
    entries = entries_of([one, two, other])
    assert entries == entries_of([other, two, one])
    assert [entry.name for entry in entries] == ["groq/llama", "groq/openai/gpt-oss-120b"]
    assert entries[1].litellm_model == "groq/openai/gpt-oss-120b"
    assert entries[1].api_base == "https://api.groq.com/openai/v1"


def test_the_settings_that_must_hold_do() -> None:
    config = yaml.safe_load(render(entries_of([deployment()])))
    router, litellm, general = (
        config[f"{name}_settings"] for name in ("router", "litellm", "general")
    )
    assert router == {
        "num_retries": 0,
        "max_fallbacks": 0,
        "disable_cooldowns": True,
        "enable_pre_call_checks": False,
    }
    assert litellm["num_retries"] == 0
    assert litellm["drop_params"] is False
    assert litellm["disable_hf_tokenizer_download"] is True
    assert general["master_key"] == "os.environ/LITELLM_MASTER_KEY"
    assert general["disable_model_info_refresh"] is True
    assert general["cancel_on_disconnect"] is True
    names = [entry["model_name"] for entry in config["model_list"]]
    assert names == [WARM_ENTRY, "groq/openai/gpt-oss-120b"]
    for entry in config["model_list"]:
        assert entry["model_info"]["id"] == entry["model_name"]
        assert entry["litellm_params"]["api_key"] == "none"


def test_a_secret_never_gets_into_the_file() -> None:
    for key in ("api_key", "vertex_credentials", "aws_secret_access_key", "azure_ad_token"):
        with pytest.raises(ConfigError) as refused:
            render([Entry("a", "x/a", None, {key: "planted"})])
        assert "planted" not in str(refused.value)
    text = render([Entry("a", "x/a", None, {"vertex_credentials": "os.environ/CRED", "rpm": 3})])
    assert "os.environ/CRED" in text


def test_names_that_litellm_would_read_as_patterns_are_quoted() -> None:
    config = yaml.safe_load(render([Entry("a,b*", "x/a")]))
    assert config["model_list"][1]["model_name"] == wire_name("a,b*") == "a%2Cb%2A"


def test_the_digest_changes_with_content_only() -> None:
    a, b = Entry("a", "x/a", "http://h"), Entry("b", "x/b")
    assert digest([a, b]) == digest([b, a])
    others = [
        digest([a]),
        digest([Entry("a", "x/a", "http://other"), b]),
        digest([Entry("a", "x/a", "http://h", {"p": 1}), b]),
        digest([a, b], {"CRED": "1"}),
        digest([a, b], {"CRED": "2"}),
    ]
    assert len({digest([a, b]), *others}) == 6
    assert digest([a, b], {"CRED": "hush"}).find("hush") < 0


def test_a_broken_template_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    for text in ("", "proxy: [", "proxy: {}\n", "- a\n"):
        path.write_text(text)
        with pytest.raises(ConfigError):
            render([], path)
    assert (templates_dir() / "proxy.yaml").is_file()


def test_the_file_is_private_whatever_the_umask_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    before = os.umask(0)
    try:
        write_private(path, "one")
        write_private(path, "two")
    finally:
        os.umask(before)
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (deployment(), "https://api.groq.com/openai/v1"),
        (deployment(endpoint="http://127.0.0.1:1/v1/"), "http://127.0.0.1:1/v1"),
        (deployment(params={"api_base": "https://other/v1"}), "https://other/v1"),
        (deployment(prefix="gemini", base_url="https://g/v1beta/openai/"), "https://g/v1beta"),
        (deployment(prefix="ollama_chat", base_url="http://l:11434/v1"), "http://l:11434"),
        (deployment(prefix="anthropic", base_url="https://a"), "https://a"),
        (deployment(prefix="bedrock", base_url="https://b.<region>.c"), None),
        (deployment(prefix="cohere_chat", base_url="https://c/compatibility/v1"), None),
        (deployment(prefix="azure/", base_url="https://<resource>.azure.com"), None),
        (
            deployment(base_url="https://cf/{account_id}/v1", account_params={"account_id": "7"}),
            "https://cf/7/v1",
        ),
        (
            deployment(
                base_url="https://cf/{CLOUDFLARE_ACCOUNT_ID}/v1", account_params={"account_id": "7"}
            ),
            "https://cf/7/v1",
        ),
        (deployment(base_url="https://cf/{account_id}/v1"), None),
        (deployment(base_url=None), None),
    ],
)
def test_each_adapter_gets_the_address_it_builds_on(made: Deployment, expected: str | None) -> None:
    assert api_base_of(made) == expected
