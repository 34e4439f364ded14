"""What mitmdump prints of a call or a list of models, without keys.

It prints the URL of every flow, and with `--flow-detail 2` to `4` all headers. A key may stand in
either. So its printer is given a copy that has none; other flows, and what is sent, are left alone.
This stays in place when the addon ends, since calls in flight are printed later still. Where
mitmproxy's printer is not what this module knows, it prints what it always does.
"""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any, TypeVar

from mitmproxy.addons import dumper
from mitmproxy.http import Headers, HTTPFlow, Request, Response

from inspection.contentviews import METADATA
from interception.messages import is_chat_completion, is_model_list
from interception.wrapping import Wrap
from recording.redaction import REDACTED, Redactor, Secrets, redact_url

_SECRET_HEADER = re.compile(
    # The last are of a browser, for `qwen`, and whose account it is.
    rb"auth|cookie|key|token(?!s)|secret|credential|signature|^bx-|organization|project",
    re.IGNORECASE,
)

_Message = TypeVar("_Message", Request, Response)

_REDACTED = REDACTED.encode()
_redactor = Redactor()
_nothing = Secrets()


def _echo_flow(printer: Any, flow: HTTPFlow) -> None:
    """mitmproxy's own step, which is given a copy without keys of what is Diptych's."""
    wrap.own["Dumper.echo_flow"](printer, without_keys(flow) if _is_ours(flow) else flow)


def _is_ours(flow: HTTPFlow) -> bool:
    return (
        METADATA in flow.metadata or is_chat_completion(flow.request) or is_model_list(flow.request)
    )


def without_keys(flow: HTTPFlow) -> HTTPFlow:
    """The flow with another request and another response, which have its bodies and no keys.

    mitmproxy's own copies look at every header again, at a cost that a call would feel.
    """
    shown = copy.copy(flow)
    shown.request = _without_keys(flow.request)
    shown.request.path = _redactor.plain(redact_url(flow.request.path), _nothing)
    if flow.response is not None:
        shown.response = _without_keys(flow.response)
    return shown


def _without_keys(message: _Message) -> _Message:
    shown = copy.copy(message)
    shown.data = copy.copy(message.data)
    shown.data.headers = _redacted(message.headers)
    shown.data.trailers = message.trailers and _redacted(message.trailers)
    return shown


def _redacted(headers: Headers) -> Headers:
    shown = copy.copy(headers)
    shown.fields = tuple(
        (name, _REDACTED if _is_secret(name) else value) for name, value in headers.fields
    )
    return shown


@lru_cache(maxsize=256)
def _is_secret(name: bytes) -> bool:
    return _SECRET_HEADER.search(name) is not None


wrap = Wrap(
    dumper,
    {"Dumper.echo_flow": _echo_flow},
    needs=("Dumper.response", "Dumper.error"),
    unknown="prints flows in a way Diptych does not know; keys in URLs and headers are printed.",
)
