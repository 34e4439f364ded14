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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from mitmproxy.http import HTTPFlow

from inspection.contentviews import METADATA
from inspection.summary import summary
from interception import failures, messages
from interception.drafting import Drafting
from interception.reading import Received
from interception.streams import Translator, Watcher
from models import now_ms
from recording import AnswerState, PersistenceTracker, Recorder, RequestRecord
from recording.faults import log_fault
from recording.rows import STALE
from transforms.contract import JSON, ErrorAnswer
from transforms.json_text import dumps

logger = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 0.5
"""A running stream is saved this long after a piece came in, so that a killed proxy loses less
than the last second."""


STOPPED = ErrorAnswer(503, STALE, "server_error", "proxy_stopped")

TOO_LONG = "the answer is too long to be kept whole; this is its beginning"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every call needs of the addon it runs in."""

    recorder: Recorder
    environment: Mapping[str, str]
    timeout_seconds: int
    keep_raw: bool
    drafting: Drafting
    keys_for_all: bool
    """Whether clients on other machines may use the keys of the environment too."""


class CallInFlight(ABC):
    """What bare and routed calls share."""

    routed: bool
    provider_name: str
    provider_model: str

    def __init__(
        self, flow: HTTPFlow, received: Received, model: str, around: Surroundings
    ) -> None:
        self.flow = flow
        self.received = received
        self.model = model
        self.request_id = str(uuid.uuid4())
        self._client_path = flow.request.path
        self._client_headers = messages.lower_headers(flow.request)
        self.client_url = messages.client_url(flow.request, self._client_headers)
        self._client_key = messages.client_key(self._client_headers)
        self._client_secrets = messages.client_secrets(flow.request, self._client_headers)
        self._around = around
        self._started = time.monotonic()
        self._tracker: PersistenceTracker | None = None
        self._stream: Translator | Watcher | None = None
        self._is_streamed = False
        """Whether anything went through it. mitmproxy asks it for nothing where there is no body;
        whether the flow has a content afterwards is the user's choice."""
        self._snapshot: asyncio.Handle | None = None
        self._answered = False
        """Whether the client has an answer of ours, and the provider never hears of the call."""
        self._too_much = ""
        """What was sent for which the answer was cut off; empty if it was not."""
        self._is_stopped = False
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

    def cut_off(self, too_much: str) -> None:
        """Ends the provider's answer, which goes on for too long to be taken."""
        if not self._too_much:
            self._too_much = too_much
            failures.cut(self.flow)

    def stop(self) -> None:
        """The proxy ends, and with it the wait for the provider. May be called again."""
        self._is_stopped = True
        failures.cut(self.flow)

    def turn_away(self) -> None:
        """Answers in place of the provider, to which a proxy that ends sends nothing."""
        messages.answer_with_error(self.flow, STOPPED, self.request_id)
        self._log_error(STOPPED, state="interrupted")

    async def leave(self) -> None:
        """Keeps what there is of a call that nobody can wait for any longer."""
        failures.hang_up(self.flow)
        self.end_early(STOPPED.message)

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
        body = self.received.body
        record = RequestRecord(
            request_id=self.request_id,
            timestamp=now_ms(),
            openai_request=self.received.text,
            provider_request=provider_request,
            body=body,
            said=self.received.said,
            headers=self._client_headers,
            provider=self.provider_name,
            model=self.model,
            provider_model=self.provider_model,
            upstream_url=url,
            method=self.flow.request.method,
            path=self._client_path,
            stream=bool(body and body.get("stream") is True),
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
        self._is_streamed = True
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

    def _save(self, state: AnswerState) -> None:
        """Saves a stream as it stands. The loop itself calls it, with no border around."""
        self._snapshot = None
        # The end of the stream tries once more, inside a border.
        if _succeeds(lambda: self._log_stream(state), "A streamed answer could not be recorded."):
            self._saved = state == "complete" or self._is_cut

    def _drop_snapshot(self) -> None:
        if self._snapshot is not None:
            self._snapshot.cancel()
            self._snapshot = None

    def _end_stream(self, state: AnswerState, error: str | None = None) -> None:
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

    def _log_stream(self, state: AnswerState, error: str | None = None) -> None:
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
        """Puts a plain answer on record once it is on its way to the client, which need not wait
        for that, and before the client can ask the next thing."""
        if self._tracker is not None:
            record = partial(
                self._around.recorder.log_response,
                self._tracker,
                openai_response=completion,
                provider_response=provider_response,
                status_code=self._status(),
            )
            asyncio.get_running_loop().call_soon(self._record_answer, self._tracker, record)

    def _record_answer(self, tracker: PersistenceTracker, record: Callable[[], None]) -> None:
        """Records a plain answer, or at least that there was one. The loop itself calls it."""
        failed = "An answer could not be recorded."
        if not _succeeds(record, failed):
            recorder = self._around.recorder
            _succeeds(lambda: recorder.log_error_response(tracker, error=failed), failed)

    def _end_unanswered(self, answer: ErrorAnswer) -> None:
        """Gives an OpenAI error to a client that waits for the head of an answer."""
        failures.end(self.flow, messages.error_response(answer, self.request_id))
        self._log_error(answer, state="interrupted" if self._is_stopped else "failed")

    def _log_error(
        self,
        answer: ErrorAnswer,
        *,
        state: AnswerState = "failed",
        provider_response: bytes | None = None,
    ) -> None:
        """Records an error that has OpenAI's form."""
        self._log_failure(
            answer.message,
            state=state,
            status=answer.status,
            openai_response=answer.body(),
            provider_response=provider_response,
        )

    def _log_failure(
        self,
        reason: str,
        *,
        state: AnswerState = "failed",
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
        self,
        *,
        completion: JSON | None,
        error: str | None,
        state: AnswerState,
        provider_response: bytes,
    ) -> None:
        """What mitmweb shows of this flow; plain data, because flows are saved to files."""
        self.flow.metadata[METADATA] = {
            "request_id": self.request_id,
            "client_url": self.client_url,
            "client_request": self.received.text,
            "provider_response": provider_response,
            "provider": self.provider_name,
            "model": self.model,
            "provider_model": self.provider_model,
        }
        self.flow.comment = summary(
            model=self.model,
            provider=self.provider_name,
            provider_model=self.provider_model,
            completion=completion,
            error=error,
            state=state,
            duration_ms=round((time.monotonic() - self._started) * 1000),
        )


in_flight: dict[str, CallInFlight] = {}
"""By flow id. It outlives a reload of the addon, which does not load this module anew."""


def _succeeds(record: Callable[[], None], otherwise: str) -> bool:
    """Whether something could be recorded where the loop itself asks for it, with no border
    around."""
    try:
        record()
    except Exception:
        log_fault(logger, otherwise)
        return False
    return True


def _pass_nothing(piece: bytes) -> list[bytes]:
    """Takes the place of a stream that has ended."""
    return []


def _short_error(status: int | None, openai_response: JSON | bytes | None) -> str | None:
    """Status and code of an OpenAI error, such as `429 rate_limit_exceeded`."""
    error = openai_response.get("error") if isinstance(openai_response, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f"{status} {code}" if status and code else None
