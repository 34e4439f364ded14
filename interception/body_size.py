"""A body without end: mitmproxy gathers a body until it is whole, and so would fill the memory.

It has a limit of its own, the option `body_size_limit`, which is off, holds for all flows alike,
and ends them with an HTML page. Here calls alone have one, and get an OpenAI error. Where
mitmproxy's inside is not what this module knows, it is left as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

from mitmproxy import flow as flows
from mitmproxy.proxy.layers import http

from interception import decoding, failures
from interception.call_in_flight import in_flight
from interception.messages import error_response, is_chat_completion
from interception.wrapping import Wrap
from transforms.contract import ErrorAnswer

logger = logging.getLogger(__name__)

http_layer: Any = http
"""mitmproxy's inside, of which types promise nothing."""


def _check_body_size(stream: Any, request: bool) -> Generator[Any, Any, bool]:
    """mitmproxy's own steps, unless there is too much of a call's body already."""
    if request and len(stream.request_body_buf) > decoding.LARGEST_BODY:
        if is_chat_completion(stream.flow.request):
            yield from _refuse(stream)
            return True
    elif not request and len(stream.response_body_buf) > decoding.LARGEST_BODY:
        call = in_flight.get(stream.flow.id)
        if call is not None:
            call.cut_off(f"an answer of more than {decoding.LARGEST_BODY >> 20} MB")
    is_ended: bool = yield from wrap.own["HttpStream.check_body_size"](stream, request)
    return is_ended


def _refuse(stream: Any) -> Generator[Any, Any, None]:
    """Answers the client, and passes over what else it says.

    Its connection is not closed, since many clients read no answer before they have said all.
    """
    message = f"The request body is larger than {decoding.LARGEST_BODY >> 20} MB."
    logger.warning("A call was refused, and not recorded: %s", message)
    answer = ErrorAnswer(413, message, "invalid_request_error", "request_too_large")
    flow = stream.flow
    flow.response, flow.error = error_response(answer, None), flows.Error(message)
    yield http_layer.HttpErrorHook(flow)
    yield from failures.send(stream, failures.Ending(flow.response))
    stream.request_body_buf.clear()
    stream.client_state = stream.state_errored
    flow.live = False


wrap = Wrap(
    http_layer,
    {"HttpStream.check_body_size": _check_body_size},
    needs=(
        "HttpStream.request_body_buf",
        "HttpStream.response_body_buf",
        "HttpStream.state_errored",
    ),
    unknown="gathers bodies in a way Diptych does not know; one without end is only limited by the "
    "option `body_size_limit`.",
)
