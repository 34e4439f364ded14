"""What is read from, and written into, mitmproxy's requests and responses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import quote, urlsplit, urlunsplit

from mitmproxy.http import Headers, HTTPFlow, Request, Response

from inspection.loopback import is_loopback
from interception.decoding import TooLarge, UnreadableEncoding, decoded
from recording.redaction import url_keys
from transforms.contract import JSON, ErrorAnswer
from transforms.json_text import dumps, loads

CHAT_COMPLETIONS = "/chat/completions"
REQUEST_ID_HEADER = "x-chat-request-id"
DROPPED_HEADER = "x-chat-dropped"
PRIVATE_HEADER = "x-chat-private"

LONGEST_NAME = 100
"""Characters of a name in a header's list; a client may make names up."""

LONGEST_LIST = 4096
"""Bytes of such a list; many a client refuses a head of more than a few times as much."""

_CUT = "..."
_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in ",%")
_NOT_IN_A_HEADER = re.compile(rb"[\0\r\n]+")

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


def model_of(body: JSON | None, text: bytes) -> str:
    """The model that a call names, even where the rest of its body is broken."""
    if body is not None:
        model = body.get("model")
        return model if isinstance(model, str) else ""
    legible = _LEGIBLE_MODEL.search(text)
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


def client_secrets(request: Request, headers: Mapping[str, str]) -> tuple[str, ...]:
    """All of the client's that gives access; an answer may repeat any of it."""
    sent = [headers.get(name, "") for name in _SECRET_HEADERS]
    keys = [value.rpartition(" ")[2] for value in sent if value]
    cookies = request.cookies.values(multi=True) if "cookie" in headers else ()
    return (*keys, *filter(None, cookies), *url_keys(request.path))


def is_local(flow: HTTPFlow) -> bool:
    """Whether the client is on this machine."""
    peer = flow.client_conn.peername
    return bool(peer) and is_loopback(peer[0])


def may_fetch_from_private(flow: HTTPFlow, headers: Mapping[str, str]) -> bool:
    """Whether images of this call may come from private addresses.

    A client on this machine may ask for that, since it could fetch them itself.
    """
    return is_local(flow) and headers.get(PRIVATE_HEADER, "").lower() == "allow"


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


def redirect(
    request: Request, url: str, headers: Mapping[str, str], body: bytes, user_agent: str
) -> None:
    """Turns the client's request into the provider's.

    The headers are built anew, so that no cookie, key or account of the client goes along. Only
    what it says of its connection is kept: mitmproxy reads that here, once the client is answered,
    to close the connection or not. All is written straight into the request's data: mitmproxy's own
    setters each look at every header again, at a cost that a call would feel.
    """
    address = _address(url) if len(url) <= _LONGEST_REMEMBERED else Address.of(url)
    newer_than_1 = request.is_http2 or request.is_http3
    connection = "" if newer_than_1 else _connection(request)
    fresh = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "accept-encoding": "identity",
        "user-agent": user_agent,
        "content-length": str(len(body)),
        **headers,
    }
    if connection:
        fresh["connection"] = connection
    if not newer_than_1:
        fresh = {"host": address.authority.decode(), **fresh}
    raw = request.data
    raw.scheme, raw.host, raw.port = address.scheme, address.host, address.port
    raw.authority = address.authority if newer_than_1 else b""
    raw.path, raw.headers, raw.content = address.path, _as_headers(fresh), body
    raw.trailers = None


def _connection(request: Request) -> str:
    """What the client says becomes of its connection, where that is not usual for its HTTP."""
    tokens = request.headers.get("connection", "").lower().split(",")
    unusual = "keep-alive" if request.http_version == "HTTP/1.0" else "close"
    return unusual if unusual in (token.strip() for token in tokens) else ""


def lower_headers(message: Request | Response) -> dict[str, str]:
    """The headers by names in lower case; the last of several counts."""
    return {
        name.decode("latin-1").lower(): text.decode("utf-8", "replace")
        for name, text in message.headers.fields
    }


def _as_headers(headers: Mapping[str, str]) -> Headers:
    return Headers([(name.encode(), _header_value(text)) for name, text in headers.items()])


def _header_value(text: str) -> bytes:
    """The text on one line: what came folded over several lines, or is a key out of a file."""
    value = text.encode("utf-8", "surrogateescape")
    return _NOT_IN_A_HEADER.sub(b" ", value).strip()


def listed(names: Sequence[str]) -> str:
    """Names as the value of a header, comma-separated, whatever they hold.

    What is not visible ASCII stands there percent-encoded, and so do commas and percent signs; the
    empty name is `""`. A long name ends in `...`, and so does a long list.
    """
    shown: list[str] = []
    left = LONGEST_LIST - len(_CUT)
    for name in names:
        part = quote(name[:LONGEST_NAME], safe=_AS_IT_IS, errors="surrogatepass")
        part = part + _CUT if len(name) > LONGEST_NAME else part or '""'
        left -= len(part) + len(", ")
        if left < 0:
            shown.append(_CUT)
            break
        shown.append(part)
    return ", ".join(shown)


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
    return Response.make(status, body, _as_headers(headers))


def kept_headers(upstream: Response | None) -> dict[str, str]:
    """The provider's headers that an OpenAI client understands."""
    if upstream is None:
        return {}
    headers = lower_headers(upstream)
    kept = {name: value for name, value in headers.items() if _KEPT_HEADERS.fullmatch(name)}
    for name in ("request-id", "x-amzn-requestid"):
        if name in headers:
            kept.setdefault("x-request-id", headers[name])
    return kept


def replace_answer(response: Response, body: bytes, headers: Mapping[str, str]) -> None:
    """Puts another answer into a response, status 200, of which nothing has been sent yet."""
    raw = response.data
    raw.status_code, raw.reason = 200, b"OK"
    raw.headers = _as_headers({**headers, "content-length": str(len(body))})
    raw.content, raw.trailers = body, None


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


def decoded_body(message: Request | Response) -> bytes:
    """The body with its content encoding undone, or as it is where that cannot be done.

    Raises:
        TooLarge: it decodes to more than is taken.
    """
    raw = message.raw_content or b""
    try:
        return decoded(raw, content_encoding(message))
    except TooLarge:
        raise
    except UnreadableEncoding:
        return raw


def json_or_text(body: bytes) -> object:
    """The body as JSON, or as the text it is."""
    try:
        parsed: object = loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    return parsed


def content_encoding(message: Request | Response) -> str:
    """What the body is encoded in, `""` where it is not."""
    return str(message.headers.get("content-encoding", ""))
