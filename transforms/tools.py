"""Tools, the choice among them and calls of them, as far as providers take them alike."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from typing import Generic, TypeVar

from transforms.chat_request import drop_beside_call
from transforms.contract import JSON
from transforms.errors import RequestError
from transforms.json_text import loads_text

_MOST = 16

Made = TypeVar("Made")


class Remembered(Generic[Made]):
    """A function of a list of tools that is called once for each list, not for each call of a
    conversation: a client sends its tools with every one, a hundred of them at times, and what was
    read once comes again as the very same object, which nobody changes in place."""

    def __init__(self, make: Callable[..., Made]) -> None:
        self._make = make
        self._made: dict[int, tuple[list[JSON], tuple[Hashable, ...], Made]] = {}
        """By the address of the list, which is its own for as long as it is kept here."""

    def __call__(self, tools: list[JSON], *how: Hashable) -> Made:
        kept = self._made.get(id(tools))
        if kept is not None and kept[1] == how:
            return kept[2]
        made = self._make(tools, *how)
        if len(self._made) >= _MOST:
            del self._made[next(iter(self._made))]
        self._made[id(tools)] = (tools, how, made)
        return made


def name_of(tool: object) -> str | None:
    """The name of a tool, or of what chooses one; None where it has none."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def named_tools(tools: list[JSON], names: Sequence[str | None]) -> list[JSON]:
    """The tools with these names, in their own order.

    Raises:
        RequestError: no names, or one that no tool has.
    """
    check_names(names, {name_of(tool) for tool in tools} - {None})
    return [tool for tool in tools if name_of(tool) in names]


def allowed_of(
    built: list[JSON], choice: object, named: Callable[[object], str | None] = name_of
) -> tuple[list[JSON], object]:
    """The built tools that `allowed_tools` leaves, and its mode as the choice; any other choice
    leaves all. `named` gives the name that a tool of OpenAI's has among the built ones.

    Raises:
        RequestError: no names, or one that no tool has.
    """
    match choice:
        case {"type": "allowed_tools", "allowed_tools": {"tools": list(allowed), **rest}}:
            names = [named(tool) for tool in allowed]
            check_names(names, {tool["name"] for tool in built})
            return [tool for tool in built if tool["name"] in names], rest.get("mode", "auto")
        case _:
            return built, choice


def check_names(names: Sequence[str | None], known: Container[str | None]) -> None:
    """Holds the names that a choice gives to those of the tools.

    Raises:
        RequestError: no names, or one that is not known.
    """
    if not names:
        raise bad_choice("`tool_choice.allowed_tools` names none of `tools`.")
    for name in names:
        if name not in known:
            raise bad_choice(f"`tool_choice` names `{name}`, which is not in `tools`.")


def is_forced(choice: object) -> bool:
    """Whether a `tool_choice` leaves the model no way but to call."""
    return choice == "required" or isinstance(choice, dict)


def choice_without_tools() -> RequestError:
    """The error for a choice that asks for a tool where there is none."""
    return bad_choice("`tool_choice` asks for a tool, but `tools` is empty.")


def bad_choice(message: str) -> RequestError:
    """The error for a choice that cannot be made."""
    return RequestError(message, param="tool_choice", code="invalid_value")


def function_call(call: JSON, param: str, dropped: list[str]) -> JSON:
    """A call of a function with its OpenAI members alone; no arguments are `{}`.

    Drops: the call's other members.

    Raises:
        RequestError: the call is of another type.
    """
    if call.get("type", "function") != "function":
        raise RequestError(
            f"`{param}.type` is `{call['type']}`, not `function`.",
            param=f"{param}.type",
            code="unsupported_parameter",
        )
    drop_beside_call(call, dropped)
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    told = {"name": function["name"], "arguments": arguments}
    return {"id": call["id"], "type": "function", "function": told}


def arguments_object(call: JSON, param: str) -> JSON:
    """The arguments of a function's call as the object whose JSON text they are; none are `{}`.

    Raises:
        RequestError: they are no such text.
    """
    arguments = object_in(call["function"].get("arguments") or "{}")
    if arguments is None:
        raise RequestError(
            f"The arguments of the tool call `{call['id']}` are not the JSON text of an object.",
            param=f"{param}.function.arguments",
            code="invalid_value",
        )
    return arguments


def object_in(text: str) -> JSON | None:
    """The object that a JSON text holds; None where it holds none."""
    try:
        value = loads_text(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def order_results(messages: list[JSON], calls: list[str]) -> None:
    """Brings the results at the end of messages into the order of the calls with these ids."""
    if len(calls) > 1:
        messages[-len(calls) :] = sorted(
            messages[-len(calls) :], key=lambda result: calls.index(result["tool_call_id"])
        )
