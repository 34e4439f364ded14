"""Prints the parts of the README that the code knows better: `python -m tests.printed`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import models
from interception.options import OPTIONS
from tests.features import FEATURES, cell
from transforms import PROVIDERS
from transforms.contract import CHAT_PARAMETERS, Call
from transforms.errors import RequestError

README = Path(__file__).resolve().parent.parent / "README.md"

_SAMPLES: dict[str, object] = {
    "stream_options": {"include_usage": True},
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {"type": "json_object"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "functions": [{"name": "f"}],
    "function_call": "auto",
    "reasoning_effort": "low",
    "verbosity": "low",
    "modalities": ["text", "audio"],
    "audio": {"format": "wav", "voice": "alloy"},
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {},
    "metadata": {"a": "b"},
    "store": True,
    "prompt_cache_options": {"mode": "implicit"},
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
    "moderation": {"model": "x"},
    "stop": ["END"],
    "n": 2,
    "temperature": 0.5,
    "top_p": 0.5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 7,
    "max_tokens": 100,
    "max_completion_tokens": 100,
    "user": "u",
    "safety_identifier": "u",
    "prompt_cache_key": "k",
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def options() -> str:
    """Diptych's options as they are declared."""
    return table(
        ("option", "default", "meaning"),
        [
            (f"`{each.name}`", f"`{each.default}`" if each.default != [] else "", each.help)
            for each in OPTIONS
        ],
    )


def fate(provider: str, parameter: str) -> str:
    """What becomes of one parameter: carried, dropped or refused."""
    request: dict = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    request |= {parameter: _SAMPLES.get(parameter, request.get(parameter, True))}
    if parameter in {"tool_choice", "parallel_tool_calls"}:
        request["tools"] = _SAMPLES["tools"]
    try:
        built = PROVIDERS[provider].build_request(Call(request, "m", "chatcmpl-1", 1))
    except RequestError:
        return "refused"
    return "dropped" if parameter in built.dropped else "carried"


def dropped() -> str:
    """What each provider drops and refuses; whoever is not listed carries everything."""
    rows = []
    for name in PROVIDERS:
        fates: dict[str, list[str]] = {"dropped": [], "refused": []}
        for parameter in CHAT_PARAMETERS:
            fates.setdefault(fate(name, parameter), []).append(f"`{parameter}`")
        if fates["dropped"] or fates["refused"]:
            rows.append((f"`{name}`", ", ".join(fates["dropped"]), ", ".join(fates["refused"])))
    return table(("provider", "dropped", "refused"), rows)


def schema() -> str:
    """Tables and columns as the models declare them."""
    rows = []
    for model in (models.Session, models.Request, models.Response):
        columns = ", ".join(f"`{field.column_name}`" for field in model._meta.sorted_fields)
        rows.append((f"`{model._meta.table_name}`", columns))
    return table(("table", "columns"), rows)


def providers() -> str:
    """Names a route may use, where each is, and which variable holds its key."""
    rows = [
        (
            f"`{name}`",
            f"`{each.base_url}`" if each.base_url else "named by the route",
            f"`{each.key_variable}`" if each.key_variable else "none",
        )
        for name, each in PROVIDERS.items()
    ]
    return table(("provider", "base URL", "key"), rows)


def features() -> str:
    """What each provider can do, a tick where a case proves it."""
    rows = [(f"`{name}`", *(cell(name, feature) for feature in FEATURES)) for name in PROVIDERS]
    return table(("provider", *FEATURES), rows)


PRINTED: dict[str, Callable[[], str]] = {
    "options": options,
    "providers": providers,
    "features": features,
    "dropped": dropped,
    "schema": schema,
}


def printed(text: str) -> str:
    """The document with its printed parts made anew."""

    def renew(match: re.Match[str]) -> str:
        return f"{match[1]}\n{PRINTED[match[2]]()}\n<!-- end -->"

    return re.sub(r"(<!-- printed (\w+) -->).*?<!-- end -->", renew, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(printed(README.read_text(encoding="utf-8")), encoding="utf-8")
