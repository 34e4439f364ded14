"""Three content views of a recorded flow: the conversation, and the two panels.

mitmproxy 12 calls a view with a `Metadata` object, mitmproxy 11 with the same things as
keywords; both take any object that answers. So one class serves both, without either's base
class: that of 11 is deprecated in 12, and that of 12 is missing in 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from mitmproxy import contentviews, ctx, http
from mitmproxy.flow import Flow

from inspection.conversation import render
from inspection.plain_text import neutralise, one_line, pretty, wrapped
from transforms.contract import JSON
from transforms.json_text import loads

METADATA = "diptych"
"""Name in `flow.metadata` of what the addon tells about a recorded flow: `request_id`,
`client_request`, `provider_response` (JSON texts in UTF-8, empty for none), `client_url`,
`provider`, `model`, `provider_model`."""

_registry: Any = contentviews
"""Of another shape in each generation of mitmproxy, so that no type fits both."""

_PRIORITY = 10
"""Above mitmproxy's own views, whose JSON view has 1."""

_WEB_WIDTH = 80
"""Characters that fit into the half of a window which mitmweb shows a body in."""

_Show = Callable[[bytes, bool, JSON], str]
"""Decoded body, whether it is the request's, and what the addon told -> text."""


class RecordedView:
    """A content view for flows that the addon marked as recorded."""

    def __init__(self, name: str, syntax: str, show: _Show, *, chosen_by_itself: bool) -> None:
        self.name = name
        self.syntax_highlight = syntax
        self._show = show
        self._chosen_by_itself = chosen_by_itself

    def prettify(self, data: bytes, metadata: Any) -> str:
        """The text to show, for mitmproxy 12."""
        return self._text(data, metadata.flow, metadata.http_message)

    def __call__(
        self, data: bytes, *, flow: Any = None, http_message: Any = None, **unknown: Any
    ) -> tuple[str, Iterator[list[tuple[str, str]]]]:
        """Title and lines to show, for mitmproxy 11."""
        text = self._text(data, flow, http_message)
        return self.name, ([("text", line)] for line in text.split("\n"))

    def render_priority(
        self, data: bytes, metadata: Any = None, *, flow: Any = None, **unknown: Any
    ) -> float:
        """How well the view suits, for both; below 0 it is only shown when asked for."""
        flow = flow if metadata is None else metadata.flow
        return _PRIORITY if self._chosen_by_itself and _recorded(flow) is not None else -1

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)

    def _text(self, data: bytes, flow: Any, message: Any) -> str:
        return self._show(data, isinstance(message, http.Request), _recorded(flow) or {})


def _recorded(flow: Flow | None) -> JSON | None:
    recorded = flow.metadata.get(METADATA) if flow is not None else None
    return recorded if isinstance(recorded, dict) else None


def _conversation(data: bytes, is_request: bool, recorded: JSON) -> str:
    text = render(data)
    # A terminal wraps by itself. mitmweb does not, and gives an empty line no height.
    return wrapped(text, _WEB_WIDTH) if "web_port" in getattr(ctx, "options", ()) else text


def _client_panel(data: bytes, is_request: bool, recorded: JSON) -> str:
    """What the client said, or heard."""
    if is_request and recorded:
        return _panel(str(recorded.get("client_url", "")), recorded.get("client_request"))
    return _panel("", data)


def _provider_panel(data: bytes, is_request: bool, recorded: JSON) -> str:
    """What the provider heard, or said."""
    if is_request or not recorded:
        return _panel("", data)
    names = [str(recorded.get(name) or "") for name in ("provider", "provider_model")]
    return _panel("/".join(filter(None, names)), recorded.get("provider_response"))


def _panel(title: str, body: bytes | None) -> str:
    """The body as indented JSON, below a comment; as it is, where it is no JSON."""
    text = body.decode("utf-8", "replace") if body else "# nothing"
    with suppress(ValueError, RecursionError):
        text = pretty(loads(body)) if body else text
    return neutralise(f"# {one_line(title)}\n{text}" if title else text)


_VIEWS = (
    RecordedView("Conversation", "none", _conversation, chosen_by_itself=True),
    RecordedView("Client panel", "yaml", _client_panel, chosen_by_itself=False),
    RecordedView("Provider panel", "yaml", _provider_panel, chosen_by_itself=False),
)


def install() -> None:
    """Makes the views known to mitmproxy; a second time changes nothing."""
    uninstall()
    if not hasattr(_registry, "Contentview"):
        # Views of equal priority are compared, and 11 insists on its own kind for that.
        _registry.View.register(RecordedView)
    for view in _VIEWS:
        _registry.add(view)


def uninstall() -> None:
    """Takes the views back. mitmproxy 12 cannot: there they stay until they are replaced."""
    for view in [*getattr(_registry, "views", ())]:
        if isinstance(view, RecordedView):
            _registry.remove(view)
