"""What is read from, and written into, mitmproxy's requests and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from mitmproxy.http import Headers, HTTPFlow, Request, Response

from inspection.web.access import is_loopback
from transforms.contract import JSON, ErrorAnswer
from transforms.errors import RequestError
from transforms.json_text import dumps, loads, repeated_member

CHAT_COMPLETIONS = "/chat/completions"
REQUEST_ID_HEADER = "x-chat-request-id"
DROPPED_HEADER = "x-chat-dropped"
PRIVATE_HEADER = "x-chat-private"

_KEPT_HEADERS = re.compile(
    r"retry-after(-ms)?|x-should-retry|x-request-id|openai-processing-ms|date|.*ratelimit.*"
)
"""Headers of a provider's answer that mean the same to an OpenAI client."""

_SECRET_HEADERS = ("authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key")

_LEGIBLE_MODEL = re.compile(rb'"model"\s*:\s*"((?:[^"\\]|\\.)*)"')


def is_chat_completion(request: Request) -> bool:
    """Whether this is a call that Diptych takes."""
    return request.method == "POST" and _path(request).endswith(CHAT_COMPLETIONS)


def is_model_list(request: Request) -> bool:
    """Whether a client asks an OpenAI-like host which models there are.

    `/models` alone is too common a path to answer for every host of the world.
    """
    path = _path(request)
    asks_openai = path.endswith("/v1/models") or (
        path.endswith("/models") and "authorization" in request.headers
    )
    return request.method == "GET" and asks_openai


def _path(request: Request) -> str:
    return request.path.partition("?")[0]


def read_body(request: Request) -> tuple[JSON | None, RequestError | None]:
    """The parsed body, or why it cannot be read."""
    try:
        text = request.get_content(strict=True) or b""
    except ValueError:
        encoding = request.headers.get("content-encoding", "")
        return None, RequestError(f"The request body is not in the content encoding `{encoding}`.")
    if not text.strip():
        return None, RequestError("The request body is empty; a JSON object is needed.")
    try:
        body = loads(text)
    except UnicodeDecodeError as exc:
        return None, RequestError(f"The request body is not UTF-8 (byte {exc.start}).")
    except ValueError as exc:
        return None, RequestError(f"The request body is not JSON: {exc}.")
    if not isinstance(body, dict):
        return None, RequestError("The request body is not a JSON object.")
    return body, _ambiguity(text)


def _ambiguity(text: bytes) -> RequestError | None:
    name = repeated_member(text)
    if name is None:
        return None
    return RequestError(f"`{name}` is in the request body twice.", param=name)


def model_of(body: JSON | None, request: Request) -> str:
    """The model that a call names, even where the rest of its body is broken."""
    if body is not None:
        model = body.get("model")
        return model if isinstance(model, str) else ""
    legible = _LEGIBLE_MODEL.search(decoded_body(request))
    return legible[1].decode("utf-8", "replace") if legible else ""


def client_url(request: Request, headers: Mapping[str, str]) -> str:
    """The URL that the client asked for, by the host that it named itself."""
    host = request.authority if request.is_http2 or request.is_http3 else ""
    host = host or headers.get("host", "")
    return f"{request.scheme}://{host}{request.path}" if host else str(request.url)


def client_key(headers: Mapping[str, str]) -> str | None:
    """The key in the client's headers, by OpenAI's or Azure's custom."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("api-key") or headers.get("x-api-key") or None


def client_secrets(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Everything in the client's headers that gives access; an answer may repeat any of it."""
    sent = [headers.get(name, "") for name in _SECRET_HEADERS]
    return tuple(value.rpartition(" ")[2] for value in sent if value)


def is_local(flow: HTTPFlow) -> bool:
    """Whether the client is on this machine."""
    peer = flow.client_conn.peername
    return bool(peer) and is_loopback(peer[0])


def may_fetch_from_private(flow: HTTPFlow) -> bool:
    """Whether images of this call may come from private addresses: a client on this machine asked
    for it, which could fetch them itself."""
    return is_local(flow) and flow.request.headers.get(PRIVATE_HEADER, "").lower() == "allow"


@dataclass(frozen=True, slots=True)
class Address:
    """A URL as mitmproxy keeps it."""

    scheme: bytes
    host: str
    port: int
    authority: bytes
    """Host and port as in a `host` header, the usual port left out."""

    path: bytes

    @classmethod
    def of(cls, url: str) -> Self:
        """Takes a URL apart."""
        parts = urlsplit(url)
        usual_port = 443 if parts.scheme == "https" else 80
        host = parts.hostname or ""
        shown = f"[{host}]" if ":" in host else host
        port = parts.port or usual_port
        authority = shown if port == usual_port else f"{shown}:{port}"
        path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        return cls(parts.scheme.encode(), host, port, authority.encode(), path.encode())


_address = lru_cache(maxsize=256)(Address.of)

_LONGEST_REMEMBERED = 2048
"""Characters of a URL that is remembered; a client's model may be part of it."""


def redirect(request: Request, url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Turns the client's request into the provider's.

    The headers are built anew, so that no cookie, key or account of the client goes along. All
    is written straight into the request's data: mitmproxy's own setters each look at every
    header again, at a cost that a call would feel.
    """
    address = _address(url) if len(url) <= _LONGEST_REMEMBERED else Address.of(url)
    newer_than_1 = request.is_http2 or request.is_http3
    fresh = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "accept-encoding": "identity",
        "user-agent": request.headers.get("user-agent", "Diptych"),
        "content-length": str(len(body)),
        **headers,
    }
    if not newer_than_1:
        fresh = {"host": address.authority.decode(), **fresh}
    told = request.data
    told.scheme, told.host, told.port = address.scheme, address.host, address.port
    told.authority = address.authority if newer_than_1 else b""
    told.path, told.headers, told.content = address.path, _as_headers(fresh), body
    told.trailers = None


def lower_headers(message: Request | Response) -> dict[str, str]:
    """The headers by names in lower case; the last of several counts."""
    return {
        name.decode("latin-1").lower(): text.decode("utf-8", "replace")
        for name, text in message.headers.fields
    }


def _as_headers(headers: Mapping[str, str]) -> Headers:
    return Headers([(name.encode(), text.encode("utf-8")) for name, text in headers.items()])


def answer_with_error(flow: HTTPFlow, answer: ErrorAnswer, request_id: str | None) -> None:
    """Answers the client with OpenAI's error, whatever was to be answered before."""
    flow.response = error_response(answer, request_id, flow.response)


def error_response(
    answer: ErrorAnswer, request_id: str | None, upstream: Response | None = None
) -> Response:
    """OpenAI's error as a response, with what the provider said about trying again."""
    headers = {**kept_headers(upstream), **answer.headers}
    if request_id:
        headers[REQUEST_ID_HEADER] = request_id
    headers["content-type"] = "application/json"
    return response(answer.status, dumps(answer.body()), headers)


def response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    """An answer of ours."""
    return Response.make(status, body, dict(headers))


def kept_headers(upstream: Response | None) -> dict[str, str]:
    """The provider's headers that an OpenAI client understands."""
    if upstream is None:
        return {}
    told = lower_headers(upstream)
    kept = {name: value for name, value in told.items() if _KEPT_HEADERS.fullmatch(name)}
    for name in ("request-id", "x-amzn-requestid"):
        if name in told:
            kept.setdefault("x-request-id", told[name])
    return kept


def replace_answer(response: Response, body: bytes, headers: Mapping[str, str]) -> None:
    """Puts another answer into a response, status 200, of which nothing has been sent yet."""
    told = response.data
    told.status_code, told.reason = 200, b"OK"
    told.headers = _as_headers({**headers, "content-length": str(len(body))})
    told.content, told.trailers = body, None


def prepare_stream(flow: HTTPFlow, headers: Mapping[str, str]) -> None:
    """Sets the headers of an OpenAI stream, framed for the client's version of HTTP."""
    assert flow.response is not None
    stream = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    fresh = _as_headers({**kept_headers(flow.response), **headers, **stream})
    flow.response.status_code, flow.response.reason = 200, "OK"
    flow.response.headers = fresh
    frame_stream(flow)


def frame_stream(flow: HTTPFlow) -> None:
    """Chunked for HTTP/1.1, so that the connection lives on; nothing for HTTP/2."""
    assert flow.response is not None
    if flow.request.http_version == "HTTP/1.1":
        flow.response.headers["transfer-encoding"] = "chunked"
    else:
        flow.response.headers.pop("transfer-encoding", None)


def decoded_body(message: Any) -> bytes:
    """The body with its content encoding undone, or as it is where that cannot be done."""
    return message.get_content(strict=False) or b""
