"""A call that no route takes: it passes byte for byte, and is recorded on the side."""

from __future__ import annotations

from mitmproxy.http import HTTPFlow

from interception import failures, messages
from interception.call_in_flight import CallInFlight, Surroundings
from interception.streams import INTERNAL_ERROR, Watcher
from routes import provider_at
from transforms.contract import JSON, ErrorAnswer
from transforms.json_text import loads
from transforms.openai import parse_error


class BareCall(CallInFlight):
    """A chat completion on its way to where the client sent it. It is never judged."""

    routed = False

    def __init__(self, flow: HTTPFlow, body: JSON | None, model: str, around: Surroundings) -> None:
        super().__init__(flow, body, model, around)
        self.provider_name = provider_at(self.client_url)
        self.provider_model = model

    async def send(self) -> None:
        """Records the request; both panels are the same."""
        await self._log_request(url=self.client_url, provider_request=self.client_request)

    def headers(self) -> None:
        """Lets a stream through as it arrives."""
        response = self.flow.response
        assert response is not None
        response.headers[messages.REQUEST_ID_HEADER] = self.request_id
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return
        if "content-length" not in response.headers:
            messages.frame_stream(self.flow)
        self._open_stream(Watcher(response.headers.get("content-encoding", ""), self._on_piece))

    async def finish(self) -> None:
        """Records the answer, or the error, as it passed."""
        response = self.flow.response
        assert response is not None
        if isinstance(self._stream, Watcher) and response.raw_content is None:
            self._finish_stream(self._stream)
            return
        body = messages.decoded_body(response)
        if response.status_code >= 400:
            answer = parse_error(response.status_code, _readable(body))
            self._log_failure(
                answer.message,
                status=response.status_code,
                openai_response=body,
                provider_response=body,
            )
            return
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
        if failures.has_client_left(self.flow):
            self.end_early("the client left")
        elif self._stream is not None:
            self.end_early("the provider broke off")
        else:
            self._answer_unreachable()

    def _answer_unreachable(self) -> None:
        reason = self.flow.error.msg if self.flow.error else "no answer"
        message = f"{self.client_url} cannot be reached: {reason}"
        if self._too_much:
            message = f"{self.client_url} sent {self._too_much}."
        answer = ErrorAnswer(502, message, "server_error")
        failures.end(self.flow, messages.error_response(answer, self.request_id))
        self._log_failure(answer.message, status=answer.status, openai_response=answer.body())


def _readable(body: bytes) -> object:
    try:
        return loads(body)
    except ValueError:
        return None


def _completion(body: bytes) -> JSON | None:
    completion = _readable(body)
    return completion if isinstance(completion, dict) else None
