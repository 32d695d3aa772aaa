"""All limits of a provider taken together, or none of them."""

from __future__ import annotations

from freeloader.simulator.config import parse_provider
from freeloader.simulator.quota import Breach, Claim, Gatekeeper, Pass

NOW = 1_795_000_000.0


def _gate(limits, **more):
    spec = parse_provider("p", {"models": {"m": {}, "m:free": {}}, "limits": limits, **more}, {})
    return spec, Gatekeeper(spec)


def _claim(spec, model="m", account="a", fresh=10, cached=0, max_output=None, ip="127.0.0.1"):
    return Claim(spec.models[model], account, ip, fresh, cached, max_output)


def _limit(metric, amount, window="1m", reset="rolling", **more):
    return {"metric": metric, "amount": amount, "window": window, "reset": reset, **more}


def test_a_refusal_takes_nothing_from_the_limits_that_would_have_passed():
    spec, gate = _gate([_limit("requests", 5), _limit("tokens", 25)])
    for _ in range(2):
        assert isinstance(gate.admit(_claim(spec), NOW), Pass)
    refused = gate.admit(_claim(spec), NOW)
    assert isinstance(refused, Breach)
    assert (refused.limit.metric, refused.used, refused.requested) == ("tokens", 20, 10)
    assert [view.left for view in gate.views(_claim(spec), NOW)] == [3, 5]


def test_limits_charged_on_sending_count_refused_calls_too():
    spec, gate = _gate([_limit("requests", 2, "1d", "calendar", chargedOn="sent")])
    answers = [gate.admit(_claim(spec), NOW) for _ in range(4)]
    assert [isinstance(a, Pass) for a in answers] == [True, True, False, False]
    assert answers[3].used == 3


def test_scopes_keep_accounts_and_models_apart():
    spec, gate = _gate([_limit("requests", 1, scope="model")])
    assert isinstance(gate.admit(_claim(spec, "m"), NOW), Pass)
    assert isinstance(gate.admit(_claim(spec, "m:free"), NOW), Pass)
    assert isinstance(gate.admit(_claim(spec, "m", account="b"), NOW), Pass)
    assert isinstance(gate.admit(_claim(spec, "m"), NOW), Breach)


def test_an_account_wide_limit_over_a_pattern_is_one_bucket():
    models = {"a:free": {}, "b:free": {}, "paid": {}}
    limit = _limit("requests", 1, scope="account", appliesTo=["*:free"])
    spec, gate = _gate([limit], models=models)
    assert isinstance(gate.admit(_claim(spec, "a:free"), NOW), Pass)
    assert isinstance(gate.admit(_claim(spec, "b:free"), NOW), Breach)
    assert isinstance(gate.admit(_claim(spec, "paid"), NOW), Pass)


def test_settling_replaces_the_announcement_by_the_use_once():
    spec, gate = _gate([_limit("tokens", 100)], countMaxTokens=True)
    passed = gate.admit(_claim(spec, max_output=60), NOW)
    assert gate.views(_claim(spec), NOW)[0].left == 30
    gate.settle(passed, 10, 0, 5, 0, NOW)
    gate.settle(passed, 10, 0, 5, 0, NOW)
    assert gate.views(_claim(spec), NOW)[0].left == 85


def test_concurrency_is_given_back_and_cached_tokens_can_be_free():
    limits = [_limit("concurrency", 1), _limit("tokens", 100, excludes=["cacheRead"])]
    spec, gate = _gate(limits)
    first = gate.admit(_claim(spec, fresh=10, cached=90), NOW)
    assert isinstance(first, Pass)
    busy = gate.admit(_claim(spec), NOW)
    assert isinstance(busy, Breach)
    assert busy.limit.metric == "concurrency"
    gate.settle(first, 10, 90, 0, 0, NOW)
    assert gate.views(_claim(spec), NOW)[0].left == 90
    assert isinstance(gate.admit(_claim(spec), NOW), Pass)


def test_what_can_never_pass_is_too_large_and_a_limit_of_zero_is_not():
    spec, gate = _gate([_limit("tokens", 100, perRequestCeiling=True)])
    large = gate.admit(_claim(spec, fresh=101), NOW)
    assert large.too_large
    assert large.wait is None
    spec, gate = _gate([_limit("requests", 0, "1d")])
    none = gate.admit(_claim(spec), NOW)
    assert isinstance(none, Breach)
    assert not none.too_large


def test_an_empty_purse_refuses_paid_models_only():
    models = {"paid": {"pricing": {"input": 1, "output": 1}}, "free": {}}
    spec, gate = _gate([_limit("usd", 0.00001, "once")], models=models)
    passed = gate.admit(_claim(spec, "paid", fresh=5), NOW)
    gate.settle(passed, 5, 0, 5, 10_000_000, NOW)
    assert isinstance(gate.admit(_claim(spec, "paid"), NOW), Breach)
    assert isinstance(gate.admit(_claim(spec, "free"), NOW), Pass)
