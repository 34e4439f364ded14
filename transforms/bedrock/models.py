"""What the models behind Converse differ in.

Converse has one shape for all of them and refuses, with a 400, the fields that a model does not
know. The rules follow the model's name, because there is no call to ask for them in time. They
age: a new family is one line in the table, and a model nobody has heard of gets what was asked.

Source: Amazon Bedrock user guide, "Supported models and model features", "Structured output" and
"Inference parameters" (2026-09); families tried live by pydantic/pydantic-ai#6081 and #6318,
langchain-ai/langchain-aws#627, #688, #1239 and #1278.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from transforms.claude import ModelRules as ClaudeRules
from transforms.claude import rules_for as claude_rules

_ANY_BLOCK = frozenset({"text", "image", "document", "audio"})
_ALONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What one family of models takes."""

    claude: ClaudeRules | None = None
    """What Claude takes beside that, for its thinking and sampling."""

    reasoning: Literal["none", "claude", "gpt-oss", "nova", "qwen"] = "none"
    """How `reasoning_effort` is said."""

    default_max_tokens: int | None = None
    """Tokens; asked for where the client names no limit and the model's own is a few hundred."""

    top_k: Literal["none", "flat", "nested"] = "none"

    forced_tools: frozenset[str] = frozenset()
    """The kinds of `toolChoice` by which a call can be forced: `any`, `tool`."""

    native_tool_choice: bool = False
    """Takes Anthropic's own `tool_choice`, which can say more."""

    structured: bool = False
    """Takes `outputConfig.textFormat`."""

    strict_tools: bool = False

    cache_points: Literal["none", "messages", "everywhere"] = "none"

    beside_results: frozenset[str] = _ANY_BLOCK
    """Kinds of blocks that may stand in one message with the results of tools."""

    json_results: bool = False
    """Takes the results of tools as objects, not as text."""

    result_status: bool = True
    """Can be told that a tool failed."""

    replays_reasoning: bool = False
    """Takes signed reasoning of earlier turns back."""

    stops: bool = True
    """Takes stop sequences."""

    system: bool = True
    """Takes system text; without it the first user turn begins with it."""

    audio: bool = False


_BOTH = frozenset({"any", "tool"})

_PLAIN = ModelRules()
_OPEN = ModelRules(structured=True, strict_tools=True)
_CLAUDE = ModelRules(
    reasoning="claude",
    top_k="flat",
    forced_tools=_BOTH,
    cache_points="everywhere",
    beside_results=frozenset({"text", "image"}),
    replays_reasoning=True,
)
_NOVA = ModelRules(top_k="nested", forced_tools=_BOTH, cache_points="messages")
_NOVA_2 = replace(_NOVA, reasoning="nova")
_MISTRAL = ModelRules(default_max_tokens=4096, beside_results=_ALONE, json_results=True)
_NEW_MISTRAL = replace(_MISTRAL, structured=True, strict_tools=True)

_FAMILIES: tuple[tuple[str, ModelRules], ...] = (
    ("claude", _CLAUDE),
    ("nova-2-omni", replace(_NOVA_2, audio=True)),
    ("nova-2", _NOVA_2),
    ("nova", _NOVA),
    ("titan", replace(_PLAIN, default_max_tokens=3072, system=False)),
    ("llama", replace(_PLAIN, default_max_tokens=2048, beside_results=_ALONE)),
    ("mistral-7b", replace(_MISTRAL, system=False)),
    ("mixtral", replace(_MISTRAL, system=False)),
    ("mistral-large-3", _NEW_MISTRAL),
    ("mistral-large", replace(_MISTRAL, forced_tools=frozenset({"any"}))),
    ("ministral-3", _NEW_MISTRAL),
    ("magistral", _NEW_MISTRAL),
    ("voxtral", replace(_NEW_MISTRAL, audio=True)),
    ("mistral", _MISTRAL),
    ("gpt-oss", replace(_OPEN, reasoning="gpt-oss", forced_tools=_BOTH, stops=False)),
    ("qwen3", replace(_OPEN, reasoning="qwen", stops=False)),
    ("qwen", replace(_PLAIN, stops=False)),
    ("deepseek.v3", replace(_OPEN, forced_tools=_BOTH)),
    ("deepseek", _PLAIN),
    ("command-r", _PLAIN),
    ("cohere", replace(_PLAIN, system=False)),
    ("jamba", _PLAIN),
    ("ai21", replace(_PLAIN, system=False)),
    ("palmyra", replace(_PLAIN, beside_results=_ALONE, result_status=False)),
    ("kimi", replace(_OPEN, forced_tools=_BOTH)),
    ("glm", replace(_OPEN, forced_tools=_BOTH)),
    ("grok", replace(_OPEN, forced_tools=_BOTH)),
    ("minimax", _OPEN),
    ("nemotron", _OPEN),
    ("gemma", _OPEN),
)
"""Part of the model's name -> its rules; the first that fits wins."""

_UNKNOWN = ModelRules(
    top_k="flat",
    forced_tools=_BOTH,
    structured=True,
    cache_points="everywhere",
    replays_reasoning=True,
    audio=True,
)
"""Models nobody has heard of, and inference profiles, whose names do not tell the model. What
they cannot do they say themselves."""

_STRICT_CLAUDE = ("haiku-4-5", "sonnet-4-5", "opus-4-5", "sonnet-4-6", "opus-4-6")
"""The Claude models of which Bedrock's guide says that they keep to schemas."""

_LOOSE_CLAUDE = ("opus-4-1",)
"""Keeps to schemas at Anthropic, not here."""


def rules_for(model: str) -> ModelRules:
    """The rules of a model by its id, inference profile or ARN."""
    name = model.lower()
    rules = next((rules for part, rules in _FAMILIES if part in name), _UNKNOWN)
    return _claude(rules, name) if rules is _CLAUDE else rules


def _claude(rules: ModelRules, name: str) -> ModelRules:
    claude = claude_rules(name.replace("claude-v", "claude-"))
    return replace(
        rules,
        claude=claude,
        structured=claude.structured and not any(part in name for part in _LOOSE_CLAUDE),
        strict_tools=any(part in name for part in _STRICT_CLAUDE),
        # Older ones were seen to refuse it: anthropics/anthropic-sdk-typescript#592.
        native_tool_choice=claude.structured,
    )
