"""A call that no route takes: it passes byte for byte, and is recorded on the side."""

from __future__ import annotations

from mitmproxy.http import HTTPFlow

from interception import failures, messages
from interception.call_in_flight import STOPPED, CallInFlight, Surroundings
from interception.decoding import TooLarge
from interception.reading import Received
from interception.streams import INTERNAL_ERROR, Watcher
from recording.redaction import redact_url
from routes import provider_at
from transforms.contract import JSON, ErrorAnswer
from transforms.openai import parse_error


class BareCall(CallInFlight):
    """A chat completion on its way to where the client sent it. It is never judged."""

    routed = False

    def __init__(
        self, flow: HTTPFlow, received: Received, model: str, around: Surroundings
    ) -> None:
        super().__init__(flow, received, model, around)
        self.provider_name = provider_at(self.client_url)
        self.provider_model = model

    async def send(self) -> None:
        """Records the request; both panels are the same."""
        if self.received.is_too_large:
            await self._refuse()
            return
        await self._log_request(url=self.client_url, provider_request=self.received.text)

    async def _refuse(self) -> None:
        """Answers in place of the host: with routes, it cannot be told whom the call is for."""
        assert self.received.problem is not None
        self._answered = True
        answer = self.received.problem.answer()
        messages.answer_with_error(self.flow, answer, self.request_id)
        await self._log_request(url=self.client_url, provider_request=None)
        self._log_error(answer)

    def headers(self) -> None:
        """Lets a stream through as it arrives."""
        response = self.flow.response
        assert response is not None
        if self._answered:
            return
        response.headers[messages.REQUEST_ID_HEADER] = self.request_id
        content_type = response.headers.get("content-type", "").lower()
        if not content_type.startswith("text/event-stream"):
            return
        if "content-length" not in response.headers:
            messages.frame_stream(self.flow)
        self._open_stream(Watcher(messages.content_encoding(response), self._on_piece))

    async def finish(self) -> None:
        """Records the answer, or the error, as it passed."""
        response = self.flow.response
        assert response is not None
        if self._answered:
            return
        if isinstance(self._stream, Watcher) and self._is_streamed:
            self._finish_stream(self._stream)
            return
        try:
            body = messages.decoded_body(response)
        except TooLarge as exc:
            why = f"the answer is too large to be kept: {exc}"
            self._log_failure(why, state="interrupted", status=response.status_code)
            return
        if response.status_code < 400:
            self._finish_answer(body)
        else:
            self._finish_error(response.status_code, body)

    def _finish_error(self, status: int, body: bytes) -> None:
        answer = parse_error(status, messages.json_or_text(body))
        self._log_failure(
            answer.message, status=status, openai_response=body, provider_response=body
        )

    def _finish_answer(self, body: bytes) -> None:
        self._log_answer(body, body)
        self._show(
            completion=_completion(body),
            error=None,
            state="complete",
            provider_response=body,
        )

    def _finish_stream(self, stream: Watcher) -> None:
        if stream.error is not None:
            self._end_stream("failed", stream.error.message)
        elif stream.complete:
            self._end_stream("complete")
        else:
            self._end_stream("interrupted", "the stream ended before the answer did")

    async def abandon(self) -> None:
        """Our own failure costs the record, never the call."""

    def collapse(self) -> None:
        """Our own failure costs the record its answer, never the call."""
        self._log_failure(INTERNAL_ERROR.message)

    def fail(self) -> None:
        """Keeps what has come; a client that got nothing yet gets an OpenAI error."""
        if self._answered:
            return
        if failures.has_client_left(self.flow):
            self.end_early("the client left")
        elif self._stream is not None:
            self.end_early(STOPPED.message if self._is_stopped else "the provider broke off")
        else:
            self._end_unanswered(self._unreachable())

    def _unreachable(self) -> ErrorAnswer:
        if self._is_stopped:
            return STOPPED
        url = redact_url(self.client_url)
        if self._too_much:
            return ErrorAnswer(502, f"{url} sent {self._too_much}.", "server_error")
        reason = self.flow.error.msg if self.flow.error else "no answer"
        return ErrorAnswer(502, f"{url} cannot be reached: {reason}", "server_error")


def _completion(body: bytes) -> JSON | None:
    completion = messages.json_or_text(body)
    return completion if isinstance(completion, dict) else None
