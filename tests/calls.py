"""Calls as the tests of single providers write them, and the messages these are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from transforms.contract import Call, ErrorAnswer, ProviderRequest
from transforms.errors import RequestError

USER = {"role": "user", "content": "Hello"}


def calls_of(
    build_request: Callable[[Call], ProviderRequest], usual_model: str
) -> tuple[Callable[..., Call], Callable[..., ProviderRequest], Callable[..., ErrorAnswer]]:
    """What makes a call of its parameters, what is built of such a call, and the error where
    nothing is; messages and the model need not be told."""

    def call(model: str = usual_model, base_url: str = "", **parameters: Any) -> Call:
        request = {"model": "m", "messages": [USER], **parameters}
        return Call(request, model, "chatcmpl-fixture", 1700000000, base_url)

    def built(model: str = usual_model, base_url: str = "", **parameters: Any) -> ProviderRequest:
        return build_request(call(model, base_url, **parameters))

    def refusal(model: str = usual_model, base_url: str = "", **parameters: Any) -> ErrorAnswer:
        with pytest.raises(RequestError) as caught:
            built(model, base_url, **parameters)
        return caught.value.answer()

    return call, built, refusal


def tool(name: str, **rest: Any) -> dict[str, Any]:
    """A function that may be called."""
    return {"type": "function", "function": {"name": name, **rest}}


def tool_call(call_id: str, name: str = "f", arguments: str = "{}", **rest: Any) -> dict[str, Any]:
    """The assistant's call of a function."""
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **rest}


def result(call_id: str, content: Any = "7", **rest: Any) -> dict[str, Any]:
    """The message with what a call returned."""
    return {"role": "tool", "tool_call_id": call_id, "content": content, **rest}
