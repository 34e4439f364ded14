"""The pages and the API on the proxy itself: which requests are for them, and their answers.

They have a host name of their own for clients that go through the proxy, and a path of their own
for those that address it themselves. They are answered in a thread: whoever looks at the record
holds up no call.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Flask
from mitmproxy import ctx
from mitmproxy.http import HTTPFlow, Request, Response
from mitmproxy.proxy.mode_specs import ReverseMode
from werkzeug.wrappers import Response as WebResponse

from inspection import flow_list
from inspection.loopback import is_loopback
from inspection.web.access import HOST, Access
from inspection.web.app import create_app
from inspection.web.record import Record
from interception.named_host import named_host

logger = logging.getLogger(__name__)

PATH = "/-/diptych"
_THREADS = 2
_SHOWN_S = 2.0
"""Until an answer is out of mitmweb's list: what is still being sent would be broken off."""


class Pages:
    """The application, for as long as the addon lives; the record may be another one meanwhile."""

    def __init__(self) -> None:
        self._access = Access(remote=lambda: bool(ctx.options.chat_remote))
        self._app: Flask | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "diptych-pages")
        self._is_stopped = False

    def show(self, url: str, waiting: Callable[[], int]) -> None:
        """Shows this record from now on; `waiting` counts the rows that are not in it yet.

        Raises:
            ValueError: the URL cannot be used.
        """
        self._app = create_app(Record(url, waiting), self._access)

    def announce(self) -> None:
        """Says where the pages are; the token is nowhere else."""
        token = f"/?token={self._access.token}"
        logger.info("Pages at http://%s%s through the proxy.", HOST, token)
        listening = (
            _address(host, port)
            for server in ctx.master.addons.get("proxyserver").servers
            for host, port, *_ in server.listen_addrs
        )
        # A reverse proxy to an https address listens for HTTP/3 too, at the same address.
        for address in dict.fromkeys(listening):
            logger.info("Pages at http://%s%s%s in a browser.", address, PATH, token)

    async def answer(self, flow: HTTPFlow) -> None:
        """Answers with the page that the request asks for."""
        # Without an answer the request would leave, its token with it.
        flow.response = Response.make(500, b"The pages failed; the log has the details.")
        if self._is_stopped:
            flow.response = Response.make(503, b"The proxy stops.")
            return
        loop = asyncio.get_running_loop()
        flow.response = await loop.run_in_executor(self._threads, self._answer, flow)
        loop.call_later(_SHOWN_S, flow_list.leave_out, ctx.master, flow)

    def stop(self) -> None:
        """Lets the threads end, once they have answered whoever waits."""
        self._is_stopped = True
        self._threads.shutdown(wait=False)

    def _answer(self, flow: HTTPFlow) -> Response:
        assert self._app is not None
        answer = WebResponse.from_app(self._app, _environ(flow), buffered=True)
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        return Response.make(answer.status_code, answer.get_data(), headers)


def is_for_pages(flow: HTTPFlow) -> bool:
    """Whether a request is for the pages and for nobody else."""
    # A name may be written in capitals, and with the dot that ends it.
    if flow.request.host.lower().removesuffix(".") == HOST:
        return True
    if not _is_on_path(flow):
        return False
    return isinstance(flow.client_conn.proxy_mode, ReverseMode) or _addresses_proxy(flow)


def _is_on_path(flow: HTTPFlow) -> bool:
    # Without the last slash as well: whoever types it may have added the token.
    return f"{flow.request.path.partition('?')[0]}/".startswith(f"{PATH}/")


def _addresses_proxy(flow: HTTPFlow) -> bool:
    """Whether a request is to the proxy's own port; it could not be sent on anyway."""
    here = flow.client_conn.sockname
    host, port = flow.request.host, flow.request.port
    return port == here[1] and (host in ("localhost", here[0]) or is_loopback(host))


def _environ(flow: HTTPFlow) -> dict[str, Any]:
    """A request as WSGI has it: bytes as Latin-1, whatever they are."""
    request = flow.request
    root = PATH if _is_on_path(flow) else ""
    host = named_host(request) or HOST
    peer = flow.client_conn.peername
    path, _, query = request.data.path.decode("latin-1").partition("?")
    # As it came: who may look at nothing must not have it unpacked.
    content = request.raw_content or b""
    return {
        **_headers(request),
        "HTTP_HOST": host,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": root,
        "PATH_INFO": unquote_to_bytes(path.removeprefix(root)).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(content)),
        "REMOTE_ADDR": peer[0] if peer else "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        # Of the client's own connection: in reverse mode the request has the provider's.
        "wsgi.url_scheme": "https" if flow.client_conn.tls else "http",
        "wsgi.input": BytesIO(content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _headers(request: Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for field, value in request.headers.fields:
        name = f"HTTP_{field.decode('latin-1').upper().replace('-', '_')}"
        # The parts of a cookie may come one by one.
        joint = "; " if name == "HTTP_COOKIE" else ","
        text = value.decode("latin-1")
        headers[name] = f"{headers[name]}{joint}{text}" if name in headers else text
    return headers


def _address(host: str, port: int) -> str:
    """Where a browser on this machine finds a listener."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{host}:{port}"
