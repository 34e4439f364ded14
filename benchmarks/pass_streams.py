"""The least that makes bare mitmdump pass a stream on as it arrives, instead of buffering it."""

from mitmproxy.http import HTTPFlow


def responseheaders(flow: HTTPFlow) -> None:
    """Lets event streams through piece by piece."""
    if flow.response and "event-stream" in flow.response.headers.get("content-type", ""):
        flow.response.stream = True
