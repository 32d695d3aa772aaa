"""Checks and rebuilds tools, tool choice and response format, from known fields only.

Only functions are accepted: a provider's built-in tools (search, code, remote
MCP servers) are charged apart or call addresses that a client names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from freeloader.gateway.surfaces.messages import Conversation
from freeloader.gateway.surfaces.params import flag, text, wrong

_MAX_TOOLS = 1024
_FIELDS = frozenset({"tools", "functions", "tool_choice", "function_call", "response_format"})
_CHOICES = ("none", "auto", "required")


def read_tools(passed: Mapping[str, Any], found: Conversation) -> dict[str, Any]:
    """The tool and format fields of a body, rebuilt; sizes and needs go into ``found``."""
    out: dict[str, Any] = {}
    if _FIELDS.isdisjoint(passed):
        return out
    if tools := _tools(passed.get("tools", []), found):
        out["tools"] = tools
    if functions := _functions(passed.get("functions", []), found):
        out["functions"] = functions
    if "tools" in out or "functions" in out:
        found.needs.add("tools")
    if "tool_choice" in passed:
        if "tools" not in out and passed["tool_choice"] not in ("none", "auto"):
            raise wrong("tool_choice", "needs tools")
        if "tools" in out:
            out["tool_choice"] = _choice(passed["tool_choice"])
    if "function_call" in passed and "functions" in out:
        out["function_call"] = _function_call(passed["function_call"])
    if "response_format" in passed:
        out["response_format"] = _response_format(passed["response_format"], found)
    return out


def _tools(value: Any, found: Conversation) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MAX_TOOLS:
        raise wrong("tools", f"must be a list of up to {_MAX_TOOLS} tools")
    tools = []
    for i, tool in enumerate(value):
        place = f"tools[{i}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise wrong(f"{place}.type", "must be function; built-in tools are not offered")
        tools.append(
            {"type": "function", "function": _function(tool.get("function"), f"{place}.function")}
        )
    _measure(tools, found)
    return tools


def _functions(value: Any, found: Conversation) -> list[dict[str, Any]]:
    """The older form of tools."""
    if not isinstance(value, list) or len(value) > _MAX_TOOLS:
        raise wrong("functions", f"must be a list of up to {_MAX_TOOLS} functions")
    functions = [_function(one, f"functions[{i}]") for i, one in enumerate(value)]
    _measure(functions, found)
    return functions


def _function(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(place, "must be an object with a name")
    out: dict[str, Any] = {"name": text(f"{place}.name", value.get("name"), 256)}
    if value.get("description") is not None:
        out["description"] = text(f"{place}.description", value["description"] or " ", 1_000_000)
    if value.get("parameters") is not None:
        if not isinstance(value["parameters"], dict):
            raise wrong(f"{place}.parameters", "must be a JSON schema (an object)")
        out["parameters"] = value["parameters"]
    if value.get("strict") is not None:
        out["strict"] = flag(f"{place}.strict", value["strict"])
    return out


def _choice(value: Any) -> Any:
    if value in _CHOICES:
        return value
    function = value.get("function") if isinstance(value, dict) else None
    if isinstance(value, dict) and value.get("type") == "function" and isinstance(function, dict):
        name = text("tool_choice.function.name", function.get("name"), 256)
        return {"type": "function", "function": {"name": name}}
    raise wrong("tool_choice", f"must be one of {', '.join(_CHOICES)} or name a function")


def _function_call(value: Any) -> Any:
    if value in ("none", "auto"):
        return value
    if isinstance(value, dict):
        return {"name": text("function_call.name", value.get("name"), 256)}
    raise wrong("function_call", "must be none, auto or name a function")


def _response_format(value: Any, found: Conversation) -> dict[str, Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return {"type": "text"}
    if kind == "json_object":
        found.needs.add("json")
        return {"type": "json_object"}
    if kind != "json_schema":
        raise wrong("response_format.type", "must be text, json_object or json_schema")
    place = "response_format.json_schema"
    given = value.get("json_schema")
    if not isinstance(given, dict) or not isinstance(given.get("schema", {}), dict):
        raise wrong(place, "must be an object with name and schema")
    out: dict[str, Any] = {"name": text(f"{place}.name", given.get("name"), 256)}
    for name in ("description", "schema", "strict"):
        if given.get(name) is not None:
            out[name] = given[name]
    if "strict" in out:
        flag(f"{place}.strict", out["strict"])
    if "description" in out:
        text(f"{place}.description", out["description"], 1_000_000)
    found.needs.add("json")
    _measure(out, found)
    return {"type": "json_schema", "json_schema": out}


def _measure(value: Any, found: Conversation) -> None:
    if not value:
        return
    found.text_bytes += len(orjson.dumps(value))
