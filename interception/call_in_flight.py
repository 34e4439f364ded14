"""One call in flight, from the hook that sees its request to the one that sees its end.

`BareCall` and `RoutedCall` fill in the four moments of a flow: `send` (mitmproxy's `request`),
`headers`, `finish` (`response`) and `fail` (`error`). What they share stands here: what is said to
the recorder, and the life of a streamed answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from mitmproxy.http import HTTPFlow

from inspection.contentviews import METADATA
from inspection.summary import summary
from interception import failures, messages
from interception.streams import Translator, Watcher
from recording import PersistenceTracker, Recorder, RequestRecord, State
from recording.faults import log_fault
from transforms.contract import JSON
from transforms.json_text import dumps

logger = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 0.5
"""A running stream is saved this long after a piece came in, so that a killed proxy loses less
than the last second."""


TOO_LONG = "the answer is too long to be kept whole; this is its beginning"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every call needs of the addon it runs in."""

    recorder: Recorder
    environment: Mapping[str, str]
    timeout_seconds: int
    keep_raw: bool
    keys_for_all: bool
    """Whether clients on other machines may use the keys of the environment too."""


class CallInFlight(ABC):
    """What bare and routed calls share."""

    routed: bool
    provider_name: str
    provider_model: str

    def __init__(self, flow: HTTPFlow, body: JSON | None, model: str, around: Surroundings) -> None:
        self.flow = flow
        self.body = body
        self.model = model
        self.request_id = str(uuid.uuid4())
        self.client_request = messages.decoded_body(flow.request)
        self._client_path = flow.request.path
        self._client_headers = messages.lower_headers(flow.request)
        self.client_url = messages.client_url(flow.request, self._client_headers)
        self._client_key = messages.client_key(self._client_headers)
        self._client_secrets = messages.client_secrets(self._client_headers)
        self._around = around
        self._started = time.monotonic()
        self._tracker: PersistenceTracker | None = None
        self._stream: Translator | Watcher | None = None
        self._snapshot: asyncio.Handle | None = None
        self._too_much = ""
        """What the provider said that nobody takes."""
        self._saved = False
        """Whether a streamed answer is on record as whole, or as far as it is kept."""

    @abstractmethod
    async def send(self) -> None:
        """Records the request, and lets it go."""

    @abstractmethod
    def headers(self) -> None:
        """Decides, with the head of the answer, how its body is taken."""

    @abstractmethod
    async def finish(self) -> None:
        """The answer is in."""

    @abstractmethod
    def fail(self) -> None:
        """The client left, or the provider broke off, before the answer was in."""

    @abstractmethod
    async def abandon(self) -> None:
        """Our own code failed on this call before it could be sent."""

    @abstractmethod
    def collapse(self) -> None:
        """Our own code failed on this call."""

    def record_with(self, recorder: Recorder) -> None:
        """Goes on with another recorder: options have changed, or the addon was reloaded."""
        self._around = replace(self._around, recorder=recorder)

    def cut_off(self, said: str) -> None:
        """Ends the provider's answer, which goes on for too long to be taken."""
        if not self._too_much:
            self._too_much = said
            failures.cut(self.flow)

    def end_early(self, reason: str) -> None:
        """Keeps what has come of an answer that will not be whole."""
        if self._stream is None:
            self._log_failure(reason, state="interrupted")
        elif self._stream.complete:
            # Many clients leave as soon as they have read `[DONE]`.
            self._end_stream("complete")
        else:
            self._end_stream("interrupted", reason)

    async def _log_request(
        self,
        *,
        url: str,
        provider_request: bytes | None,
        dropped: tuple[str, ...] = (),
        secrets: Iterable[str] = (),
        waited_s: float = 0.0,
    ) -> None:
        record = RequestRecord(
            request_id=self.request_id,
            timestamp=int(time.time() * 1000),
            openai_request=self.client_request,
            provider_request=provider_request,
            body=self.body,
            headers=self._client_headers,
            provider=self.provider_name,
            model=self.model,
            provider_model=self.provider_model,
            upstream_url=url,
            method=self.flow.request.method,
            path=self._client_path,
            stream=bool(self.body and self.body.get("stream") is True),
            dropped=dropped,
            secrets=(*secrets, *self._client_secrets),
            routed=self.routed,
            waited_s=waited_s,
        )
        self._tracker = await self._around.recorder.log_request(record)

    def _open_stream(self, stream: Translator | Watcher) -> None:
        assert self.flow.response is not None
        self._stream = stream
        self.flow.response.stream = self._pass_on

    def _pass_on(self, piece: bytes) -> bytes | list[bytes]:
        """A piece of a streamed answer on its way to the client.

        With `[DONE]` in hand, some clients ask the next thing at once, while the provider has yet
        to end its body: the answer is put on record before that request can come.
        """
        assert self._stream is not None
        passed = self._stream(piece)
        if self._stream.ended and not self._saved:
            self._drop_snapshot()
            self._snapshot = asyncio.get_running_loop().call_soon(self._save, "complete")
        return passed

    def _on_piece(self, piece: bytes) -> None:
        """Each piece of a streamed answer, before it is read."""
        tracker = self._tracker
        if tracker is None:
            return
        tracker.first_chunk()
        if self._around.keep_raw:
            self._around.recorder.log_raw(tracker, piece)
        if self._snapshot is None and not self._saved:
            loop = asyncio.get_running_loop()
            self._snapshot = loop.call_later(SNAPSHOT_SECONDS, self._save, "streaming")

    def _save(self, state: State) -> None:
        """Saves a stream as it stands. The loop itself calls it, with no border around."""
        self._snapshot = None
        try:
            self._log_stream(state)
        except Exception:
            # The end of the stream tries once more, inside a border.
            log_fault(logger, "A streamed answer could not be recorded.")
        else:
            self._saved = state == "complete" or self._is_cut

    def _drop_snapshot(self) -> None:
        if self._snapshot is not None:
            self._snapshot.cancel()
            self._snapshot = None

    def _end_stream(self, state: State, error: str | None = None) -> None:
        """Writes the end of a streamed answer, and shows it whole where the flow is looked at."""
        assert self._stream is not None
        self._drop_snapshot()
        if not self._saved:
            self._log_stream(state, error)
        completion = self._stream.completion()
        if self.flow.response is not None:
            # Straight into the data: `content` would write a content-length beside the chunked
            # framing that the client has been told.
            self.flow.response.data.content = dumps(completion)
        self._show(
            completion=completion,
            error=error,
            state=state,
            provider_response=dumps(self._stream.provider_answer),
        )
        if self.flow.response is not None:
            # A flow that is kept in a list would keep this call, with all that it has parsed.
            self.flow.response.stream = _pass_nothing

    @property
    def _is_cut(self) -> bool:
        return self._stream is not None and self._stream.is_cut

    def _log_stream(self, state: State, error: str | None = None) -> None:
        assert self._stream is not None
        if self._is_cut and state != "failed":
            state, error = "interrupted", error or TOO_LONG
        if self._tracker is not None:
            self._around.recorder.log_streaming_response(
                self._tracker,
                openai_response=self._stream.completion(),
                provider_response=self._stream.provider_answer,
                status_code=self._status(),
                state=state,
                error=error,
            )

    def _log_answer(self, completion: JSON | bytes, provider_response: JSON | bytes) -> None:
        if self._tracker is not None:
            self._around.recorder.log_response(
                self._tracker,
                openai_response=completion,
                provider_response=provider_response,
                status_code=self._status(),
            )

    def _log_failure(
        self,
        reason: str,
        *,
        state: State = "failed",
        status: int | None = None,
        openai_response: JSON | bytes | None = None,
        provider_response: bytes | None = None,
    ) -> None:
        if self._tracker is not None:
            self._around.recorder.log_error_response(
                self._tracker,
                error=reason,
                state=state,
                status_code=status,
                openai_response=openai_response,
                provider_response=provider_response,
            )
        self._show(
            completion=None,
            error=_short_error(status, openai_response) or reason,
            state=state,
            provider_response=provider_response or b"",
        )

    def _status(self) -> int | None:
        return self.flow.response.status_code if self.flow.response else None

    def _show(
        self, *, completion: JSON | None, error: str | None, state: State, provider_response: bytes
    ) -> None:
        """What mitmweb shows of this flow; plain data, because flows are saved to files."""
        self.flow.metadata[METADATA] = {
            "request_id": self.request_id,
            "client_url": self.client_url,
            "client_request": self.client_request,
            "provider_response": provider_response,
            "provider": self.provider_name,
            "model": self.model,
            "provider_model": self.provider_model,
        }
        self.flow.comment = summary(
            model=self.model,
            provider=self.provider_name,
            provider_model=self.provider_model,
            routed=self.routed,
            completion=completion,
            error=error,
            state=state,
            duration_ms=round((time.monotonic() - self._started) * 1000),
        )


in_flight: dict[str, CallInFlight] = {}
"""By flow id. It outlives a reload of the addon, which does not load this module anew."""


def _pass_nothing(piece: bytes) -> list[bytes]:
    """Takes the place of a stream that has ended."""
    return []


def _short_error(status: int | None, openai_response: JSON | bytes | None) -> str | None:
    """Status and code of an OpenAI error, such as `429 rate_limit_exceeded`."""
    told = openai_response.get("error") if isinstance(openai_response, dict) else None
    code = told.get("code") if isinstance(told, dict) else None
    return f"{status} {code}" if status and code else None
