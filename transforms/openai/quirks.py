"""What sets one host of the OpenAI format apart from the next, as data.

A host declares only where it departs from the fields' defaults, which describe a careful guess at
a host that takes OpenAI's oldest parameters and refuses the newest. Rules that hold for some of a
host's models are tables of regular expressions; the first that matches the whole name decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from transforms.contract import JSON

_Rule = TypeVar("_Rule")

OPENAI_ALONE = frozenset(
    {
        "metadata",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters that only tune, and that hosts take from OpenAI last, if ever."""

PARTS = frozenset({"image_url", "input_audio", "file"})
"""Kinds of OpenAI content parts beside text."""

ByModel = tuple[tuple[str, _Rule], ...]
"""Regular expression of model names -> rule; the first that matches decides."""


EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""OpenAI's words for `reasoning_effort`, beside `none`."""

LOW_TO_HIGH: Mapping[str, JSON] = {
    effort: {
        "reasoning_effort": {"minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)
    }
    for effort in ("none", *EFFORTS)
}
"""OpenAI's efforts for a host that knows none, low, medium and high."""

LOW_TO_MAX: Mapping[str, JSON] = {
    effort: {
        "reasoning_effort": {"minimal": "low", "medium": "high", "xhigh": "high"}.get(
            effort, effort
        )
    }
    for effort in EFFORTS
}
"""OpenAI's efforts for a host that knows low, high and max."""

ON_OR_OFF: Mapping[str, JSON] = {
    "none": {"thinking": {"type": "disabled"}},
    **{effort: {"thinking": {"type": "enabled"}} for effort in EFFORTS},
}
"""OpenAI's efforts for a model that thinks or does not, without degrees."""


def for_model(table: ByModel[_Rule], model: str) -> _Rule | None:
    """The rule for a model, None where no pattern matches its name."""
    for pattern, rule in table:
        if re.fullmatch(pattern, model, re.IGNORECASE):
            return rule
    return None


@dataclass(frozen=True, slots=True)
class Door:
    """One of several addresses under which a host serves the format."""

    base_url: str
    """Regular expression found in the base URLs that lead to this door."""

    path: str
    """What comes after the base URL; `<model>` becomes the model's name, percent-encoded."""

    dropped: frozenset[str] = frozenset()
    """Parameters that are refused at this door."""

    max_tokens: ByModel[str] = ()
    """Name of the limit, where the models behind this door disagree."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """An error that a host tells in its own way."""

    told: str
    """Regular expression, searched in the host's `code type message`."""

    status: int
    """The HTTP status by which it should have been told."""

    code: str | None = None
    """OpenAI's code, where the status does not imply it."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How the text of earlier reasoning goes back to the host."""

    names: tuple[str, ...] = ()
    """Members of the assistant message that hold it; none where the host does not read it."""

    details: Literal["no", "instead", "beside"] = "no"
    """Whether the host wants its own `reasoning_details` back, and then in place of the text."""

    lost: str | None = None
    """What stands for reasoning that got lost, where the host refuses a call without any."""

    lost_everywhere: bool = False
    """Whether `lost` goes into every assistant message of a conversation with tools, not only into
    those that call."""

    tagged: str = "(?!)"
    """Models that want it inside `<think>` in the content, as a regular expression."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """A host's departures from OpenAI's chat completions."""

    path: str = "/v1/chat/completions"
    doors: tuple[Door, ...] = ()
    """Replace `path`: the first whose pattern is found in the base URL. The last must match all."""

    # Parameters.

    dropped: frozenset[str] = OPENAI_ALONE
    dropped_for: ByModel[frozenset[str]] = ()
    """What some models refuse beside `dropped`."""

    dropped_when_thinking: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    """Where given, every other parameter is dropped, OpenAI's or not: the host refuses a body with
    a member it does not know."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    max_tokens: str | None = None
    """The one name of the limit; None where the host knows both of OpenAI's."""

    legacy_functions: bool = False
    several_choices: bool = False
    """Whether `n` may be more than 1."""

    single_choice_for: str = "(?!)"
    """Models that give one choice all the same."""

    other_modalities: bool = False
    """Whether answers may hold more than text."""

    most_temperature: float | None = None
    """A higher `temperature` is sent as this one."""

    greedy_top_p: bool = True
    """Whether `top_p` may be 0, and less than 1 beside a `temperature` of 0."""

    one_penalty: bool = False
    """Whether the two penalties exclude each other."""

    most_stops: int | None = None
    stop_as_list: bool = False
    logprobs_as_count: bool = False
    """Whether `logprobs` is a number and there is no `top_logprobs`."""

    service_tiers: Mapping[str, str] | None = None
    """OpenAI's word -> the host's; None where they are the same, or not known at all."""

    efforts: ByModel[Mapping[str, JSON]] = ()
    """`reasoning_effort` -> what says it; a word without entry is dropped, and a model without
    table takes OpenAI's own."""

    effort_beside_thinking: bool = False
    """Whether `reasoning_effort` may stand beside the host's own word for it."""

    thinking_models: str = "(?!)"
    """Models that think unless `thinking` is switched off."""

    stream_usage: bool = True
    """Whether usage has to be asked for."""

    # Tools and formats.

    forced_choice: Literal["carried", "never", "without_thinking"] = "carried"
    """Whether a call can be demanded."""

    named_choice: bool = True
    """Whether one function can be demanded by name, or only that any be called."""

    choices: Mapping[str, str] = field(default_factory=dict)
    """OpenAI's word for `tool_choice` -> the host's."""

    custom_tools: bool = False
    tool_parameters: bool = False
    """Whether a function without parameters has to say so."""

    json_schema: bool = True
    json_object: bool = True
    json_word: bool = False
    """Whether JSON mode is refused when no message speaks of JSON."""

    # Messages.

    developer: Literal["developer", "system"] = "system"
    parts: frozenset[str] = frozenset({"image_url"})
    """Kinds of OpenAI's content parts the host takes beside text."""

    joins_text: bool = False
    """Whether text parts go out as one string."""

    message_members: frozenset[str] | None = frozenset(
        {"role", "content", "name", "tool_calls", "tool_call_id"}
    )
    """The members of a message that the host reads; None where it reads all of OpenAI's."""

    alternates: bool = False
    """Whether system messages come first and the user and the assistant take turns after them."""

    reasoning: Reasoning = Reasoning()
    messages: Callable[[list[JSON], list[str]], list[JSON]] | None = None
    """The last word on the messages, for a host with rules of its own, and on what is dropped."""

    # Answers.

    cited_by_marks: bool = False
    """Whether `[1]` in the text stands for the first of the answer's `citations`."""

    error_types: bool = True
    """Whether the host's `type` of an error is worth telling."""

    errors: tuple[ErrorRule, ...] = ()
    statuses: Mapping[int, int] = field(default_factory=dict)
    """HTTP status -> the one that says it to OpenAI's clients."""

    findings: frozenset[str] = frozenset()
    """Members of the host's errors that tell in words and truth values what was found; they go to
    the client beside OpenAI's four."""

    def door(self, base_url: str) -> Door:
        """The door a base URL leads to."""
        for door in self.doors:
            if re.search(door.base_url, base_url):
                return door
        return Door("", self.path)


NONE = Quirks()
"""A host of which nothing is declared."""
