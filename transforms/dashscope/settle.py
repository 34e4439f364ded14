"""What Qwen's rules leave of a request, in OpenAI's words and Qwen's own, whichever door it takes.

Written down here, because the ranges differ: `temperature` stays below 2, `top_p` above 0,
`top_logprobs` goes up to 5, `seed` is taken modulo 2^31. Thinking gives way to a demanded call and
to JSON, which it excludes; in a model that cannot do without thinking they give way to it. System
messages are brought to the front as one, since some models refuse them anywhere else. What is
changed so is named among the dropped.

Source: Model Studio documentation, "Qwen API reference" and "Deep thinking" (2026-09).
"""

from __future__ import annotations

from dataclasses import dataclass

from transforms.beside import STREAM_OPTIONS, drop_beside_format
from transforms.chat_request import (
    NEUTRAL,
    REFUSED,
    content_parts,
    drop_unknown,
    refuse,
    saying_something,
)
from transforms.contract import JSON, Call
from transforms.dashscope.models import (
    always_thinks,
    knows_schemas,
    never_thinks,
    thinks_unless_told,
)
from transforms.dashscope.tools import put_tools
from transforms.errors import RequestError, unsupported
from transforms.json_text import dumps
from transforms.schemas import JSON_ONLY
from transforms.tools import is_forced

_REFUSED = {name: reason for name, reason in REFUSED.items() if name != "n"}
"""Parameters whose absence would change what the client gets."""

_EFFORTS = {"none": False, "minimal": False} | dict.fromkeys(
    ("low", "medium", "high", "xhigh", "max"), True
)
"""`reasoning_effort` -> `enable_thinking`; there are no degrees, only a client's own budget."""

_MOST_CHOICES = 4
_MOST_TEMPERATURE, _LEAST_P, _MOST_LOGPROBS, _SEEDS = 1.99, 0.001, 5, 2**31


@dataclass(frozen=True, slots=True)
class Settled:
    """A request that the models will take."""

    asked: JSON
    """Parameters that say something; `messages` with the system first."""

    streams: bool
    """Whether to ask for a stream, be it that the client did or that the model will think."""

    dropped: list[str]


def settle(call: Call) -> Settled:
    """The request within the rules.

    Raises:
        RequestError: what would change the answer if it were ignored.
    """
    asked = saying_something(call.request, NEUTRAL)
    _refuse(asked)
    dropped: list[str] = []
    drop_unknown(asked.get("stream_options", {}), STREAM_OPTIONS, "stream_options", dropped)
    _put_limit(asked, dropped)
    _put_ranges(asked, dropped)
    _put_search(asked, dropped)
    put_tools(asked, dropped)
    _put_effort(asked, call.model, dropped)
    asked["messages"] = [*asked["messages"], *_put_format(asked, call.model, dropped)]
    thinks = _put_thinking(asked, call, dropped)
    asked["messages"] = _system_first(asked["messages"])
    return Settled(asked, call.streams or thinks, dropped)


def _refuse(asked: JSON) -> None:
    refuse(asked, _REFUSED, "DashScope")
    most = 1 if "tools" in asked else _MOST_CHOICES
    if asked.get("n", 1) > most:
        where = " beside `tools`" if "tools" in asked else ""
        raise unsupported("n", f"is {asked['n']}; DashScope gives up to {most}{where}")


def _put_limit(asked: JSON, dropped: list[str]) -> None:
    """The limit under the older of OpenAI's names; the newer goes first where both are given."""
    if "max_completion_tokens" in asked:
        limit = asked.pop("max_completion_tokens")
        if asked.get("max_tokens", limit) != limit:
            dropped.append("max_tokens")
        asked["max_tokens"] = limit


def _put_ranges(asked: JSON, dropped: list[str]) -> None:
    ranged = {
        "temperature": lambda value: min(value, _MOST_TEMPERATURE),
        "top_p": lambda value: max(value, _LEAST_P),
        "top_logprobs": lambda value: min(value, _MOST_LOGPROBS),
        "seed": lambda value: value % _SEEDS,
    }
    for name in ranged.keys() & asked.keys():
        fitted = ranged[name](asked[name])
        if fitted != asked[name]:
            asked[name] = fitted
            dropped.append(name)
    dropped.sort()


def _put_search(asked: JSON, dropped: list[str]) -> None:
    """OpenAI's search as Qwen's, which knows no size and no place."""
    options = asked.pop("web_search_options", None)
    if options is not None:
        asked.setdefault("enable_search", True)
        drop_unknown(options, set(), "web_search_options", dropped)


def _put_effort(asked: JSON, model: str, dropped: list[str]) -> None:
    effort = asked.pop("reasoning_effort", None)
    if effort is None:
        return
    if effort not in _EFFORTS:
        raise RequestError(
            f"`reasoning_effort` is `{effort}`; it must be one of {', '.join(_EFFORTS)}.",
            param="reasoning_effort",
            code="invalid_value",
        )
    wanted = _EFFORTS[effort]
    cannot = never_thinks(model) if wanted else always_thinks(model)
    if "enable_thinking" in asked or cannot:
        dropped.append("reasoning_effort")
    elif not never_thinks(model) and not always_thinks(model):
        asked["enable_thinking"] = wanted


def _put_format(asked: JSON, model: str, dropped: list[str]) -> list[JSON]:
    """Structured output as the model knows it, and the message that says what is left to say."""
    wanted = asked.get("response_format", {"type": "text"})
    match wanted:
        case {"type": "text"}:
            drop_beside_format(wanted, dropped)
            asked.pop("response_format", None)
            return []
        case {"type": "json_schema", "json_schema": {"schema": dict()}} if knows_schemas(model):
            return []
        case {"type": "json_schema", "json_schema": {**told}}:
            drop_beside_format(wanted, dropped)
            asked["response_format"] = {"type": "json_object"}
            schema = dumps(told.get("schema") or {}).decode()
            return [_system(f"{JSON_ONLY} Its schema: {schema}")]
        case {"type": "json_object"}:
            return [] if _speak_of_json(asked["messages"]) else [_system(JSON_ONLY)]
        case _:
            raise RequestError(
                f"`response_format.type` is {wanted.get('type')!r}; it must be `text`,"
                " `json_object` or `json_schema` with its `json_schema`.",
                param="response_format",
                code="invalid_value",
            )


def _system(text: str) -> JSON:
    return {"role": "system", "content": text}


def _speak_of_json(messages: list[JSON]) -> bool:
    return any("json" in _text(message).lower() for message in messages)


def _text(message: JSON) -> str:
    parts = content_parts(message.get("content"), "content")
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _put_thinking(asked: JSON, call: Call, dropped: list[str]) -> bool:
    """Whether the model will think, once what excludes it has had its way."""
    by_itself = always_thinks(call.model)
    thinks = by_itself or asked.get("enable_thinking") is True
    excluding = _excluding(asked)
    if thinks and by_itself:
        if asked.get("enable_thinking") is False:
            del asked["enable_thinking"]
            dropped.append("enable_thinking")
        _give_way(asked, excluding, dropped)
        return True
    if thinks and excluding:
        asked["enable_thinking"] = False
        told = "reasoning_effort" if "reasoning_effort" in call.request else "enable_thinking"
        dropped.append(told)
        return False
    if thinks_unless_told(call.model) and (excluding or not call.streams) and not thinks:
        # A plain call to such a model is refused unless this is said.
        asked["enable_thinking"] = False
    return thinks


def _excluding(asked: JSON) -> list[str]:
    """The parameters that a model cannot follow while it thinks."""
    names = ["response_format"] if "response_format" in asked else []
    return [*names, "tool_choice"] if is_forced(asked.get("tool_choice")) else names


def _give_way(asked: JSON, excluding: list[str], dropped: list[str]) -> None:
    """JSON is asked for in words alone, and a call left to the model."""
    for name in excluding:
        told = asked.pop(name)
        dropped.append(name)
        if name == "response_format" and told.get("type") == "json_schema":
            schema = dumps(told["json_schema"]["schema"]).decode()
            sentence = _system(f"{JSON_ONLY} Its schema: {schema}")
            asked["messages"] = [*asked["messages"], sentence]


def _system_first(messages: list[JSON]) -> list[JSON]:
    """The messages with what the system says in front, as one."""
    system = [message for message in messages if message["role"] in {"system", "developer"}]
    others = [message for message in messages if message not in system]
    if not system:
        return others
    if len(system) == 1:
        return [{**system[0], "role": "system"}, *others]
    return [_system("\n\n".join(map(_text, system))), *others]
