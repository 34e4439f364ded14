"""A call that a route takes: translated to the provider's format, and its answer back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

from mitmproxy.http import HTTPFlow

from interception import chats, failures, messages
from interception.asking import Ready, ask
from interception.attachments import attach
from interception.call_in_flight import STOPPED, CallInFlight, Surroundings
from interception.decoding import TooLarge, UnreadableEncoding
from interception.reading import Received
from interception.recollection import recollect
from interception.silence import SilenceWatch
from interception.streams import (
    INTERNAL_ERROR,
    Translator,
    assemble,
    stream_of,
    wants_usage,
)
from recording import AnswerState
from recording.redaction import REDACTED, secret_values
from routes import KeyRing, Target, fill_in, origin
from transforms.chat_request import check_request
from transforms.contract import JSON, Call, ErrorAnswer, Unsigned
from transforms.drafts import Written
from transforms.errors import ResponseError, TransformError
from transforms.json_text import dumps


class RoutedCall(CallInFlight):
    """A chat completion on its way to another provider."""

    routed = True

    def __init__(
        self,
        flow: HTTPFlow,
        received: Received,
        model: str,
        around: Surroundings,
        *,
        target: Target,
    ) -> None:
        super().__init__(flow, received, model, around)
        self.provider_name = target.provider.name
        self.provider_model = target.model
        self._target = target
        self._call: Call | None = None
        self._dropped: tuple[str, ...] = ()
        self._dropped_header = ""
        self._user_agent = self._client_headers.get("user-agent", "Diptych")
        self._secrets: tuple[str, ...] = ()
        self._failure: ErrorAnswer | None = None
        self._silence = SilenceWatch(around.timeout_seconds, lambda: failures.cut(flow))

    async def send(self) -> None:
        """Translates and records the request, then turns the flow to the provider.

        Whatever the client did wrong is answered here, and nothing is sent.
        """
        try:
            self._target = self._target.filled_in(self._around.environment)
            recalled = await recollect(
                self._around.recorder, self.provider_name, self._checked_call()
            )
            self._call = await chats.in_its_chat(
                self._target.provider, recalled.call, self._own_key, self._ask
            )
            ready = await self._built(self._call)
        except TransformError as exc:
            if not self._answered:
                await self._refuse(exc.answer())
            return
        if self._answered:
            return
        self._dropped = recalled.dropped_of_client(ready.dropped)
        self._dropped_header = messages.listed(self._dropped)
        await self._log_request(
            url=ready.url,
            provider_request=ready.body,
            dropped=self._dropped,
            secrets=self._secrets,
            waited_s=recalled.waited_s,
        )
        messages.redirect(self.flow.request, ready.url, ready.headers, ready.body, self._user_agent)
        self._silence.start()

    async def _built(self, call: Call) -> Ready:
        provider = self._target.provider
        may_be_private = messages.may_fetch_from_private(self.flow, self._client_headers)
        whole = await attach(call, provider.fetches, self.received.in_parts, may_be_private)
        length = len(self.received.text)
        return self._ready(self._around.drafting.request(provider, whole, length))

    def _ready(self, written: Written) -> Ready:
        url = fill_in(self._target.url(written.path), self._around.environment)
        secrets, headers = self._authorized(url, written.headers, written.text)
        self._secrets = secrets
        return Ready(url, headers, written.text, written.dropped)

    def _own_key(self) -> str | None:
        return self._keys().key_for(self._target, self._target.base_url)

    async def _ask(self, written: Written) -> tuple[int, bytes]:
        """What the provider answers to a request of ours."""
        return await self._sent(self._ready(written))

    async def _sent(self, ready: Ready) -> tuple[int, bytes]:
        return await ask(ready, self._user_agent, self._around.timeout_seconds)

    def _authorized(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """What is secret, and the headers with the key or a signature in them."""
        keys, provider = self._keys(), self._target.provider
        credentials = keys.signing_environment(self._target)
        if provider.sign is not None and credentials is not None:
            now = int(time.time())
            sent = {**headers, "content-type": "application/json"}
            return (), provider.sign(Unsigned("POST", url, sent, body, now), credentials)
        key = keys.key_for(self._target, url)
        if not key:
            return (), headers
        beside = keys.beside(self._target, key)
        return (key, *beside.values()), {**headers, **beside, **provider.auth.headers(key)}

    def _checked_call(self) -> Call:
        received = self.received
        if received.problem is not None:
            raise received.problem
        request = check_request(received.body, received.checked)
        received.checked = len(request["messages"])
        return Call(
            request=request,
            model=self._target.model,
            completion_id=f"chatcmpl-{self.request_id.replace('-', '')}",
            created=int(time.time()),
            base_url=self._target.base_url,
            settings=self._target.settings,
        )

    def _keys(self) -> KeyRing:
        return KeyRing(
            environment=self._around.environment,
            environment_allowed=self._around.keys_for_all or messages.is_local(self.flow),
            client_key=self._client_key,
            client_url=self.client_url,
        )

    async def _refuse(self, answer: ErrorAnswer) -> None:
        """Answers instead of the provider, which never hears of the call."""
        self._answered = True
        state: AnswerState = "interrupted" if answer is STOPPED else "failed"
        answer = self._without_secrets(answer)
        messages.answer_with_error(self.flow, answer, self.request_id)
        if self._tracker is None:
            await self._log_request(
                url=self._target.base_url, provider_request=None, secrets=self._secrets
            )
        self._log_error(answer, state=state)

    def headers(self) -> None:
        """Streams are translated as they arrive; the rest is taken whole."""
        response = self.flow.response
        assert response is not None
        if self._answered:
            return
        self._silence.touch()
        if self._call is None or not self._call.streams or not 200 <= response.status_code < 300:
            return
        # A plain answer to a call for a stream is taken whole, so that an error in it can still
        # have its own status; so is a page, which is never an answer.
        content_type = response.headers.get("content-type", "").lower()
        if content_type.startswith(("application/json", "text/html")):
            return
        encoding = messages.content_encoding(response)
        try:
            translator = Translator(
                self._target.provider, self._call, encoding, self._on_piece, self._without_secrets
            )
        except UnreadableEncoding as exc:
            self._failure = ErrorAnswer(
                502, f"The provider's answer has an {exc}.", "upstream_error"
            )
            return
        messages.prepare_stream(self.flow, self._answer_headers())
        self._open_stream(translator)

    def _on_piece(self, piece: bytes) -> None:
        self._silence.touch()
        super()._on_piece(piece)

    def turn_away(self) -> None:
        """Answers in place of the provider, to which a proxy that ends sends nothing."""
        self._silence.stop()
        super().turn_away()

    async def leave(self) -> None:
        """Keeps what there is of a call that nobody can wait for any longer."""
        await super().leave()
        if self._tracker is None:
            await self._refuse(STOPPED)

    async def abandon(self) -> None:
        """Our own failure, before the provider heard of the call."""
        self._silence.stop()
        await self._refuse(INTERNAL_ERROR)

    def collapse(self) -> None:
        """Our own failure: the client gets an error, whatever the provider says."""
        self._failure = INTERNAL_ERROR
        if self._stream is None:
            messages.answer_with_error(self.flow, INTERNAL_ERROR, self.request_id)
        self._log_error(INTERNAL_ERROR)

    async def finish(self) -> None:
        """Translates a plain answer; a streamed one has been translated already."""
        self._silence.stop()
        if self._answered:
            return
        response = self.flow.response
        assert response is not None
        if isinstance(self._stream, Translator) and self._is_streamed:
            self._finish_stream(self._stream)
            return
        self._stream = None
        try:
            body = messages.decoded_body(response)
        except TooLarge as exc:
            message = f"The answer of `{self.provider_name}` is too large: {exc}."
            self._failure, body = ErrorAnswer(502, message, "upstream_error"), b""
        await self._settle(response.status_code, body)

    async def _settle(self, status: int, body: bytes) -> None:
        try:
            completion, provider_answer = self._translated(status, body)
        except TransformError as exc:
            answer = exc.answer()
            assert self._call is not None
            if chats.is_lost(self._target.provider, self._call, answer):
                await self._begin_again(answer, body)
            else:
                self._answer_error(answer, body)
        else:
            self._answer(completion, provider_answer)

    async def _begin_again(self, lost: ErrorAnswer, body: bytes) -> None:
        """Tells the whole conversation anew, as an exchange of its own in the record.

        mitmproxy has the provider's answer to the first request by now, so the second one is sent
        beside it, and its answer taken whole.
        """
        assert self._call is not None
        self._log_error(lost, provider_response=body)
        self.request_id, self._tracker = str(uuid.uuid4()), None
        try:
            self._call = await chats.begun(self._target.provider, self._call, self._ask)
            ready = await self._built(self._call)
        except TransformError as exc:
            await self._refuse(exc.answer())
            return
        await self._log_request(
            url=ready.url,
            provider_request=ready.body,
            dropped=self._dropped,
            secrets=self._secrets,
        )
        try:
            status, body = await self._sent(ready)
        except TransformError as exc:
            self._answer_error(exc.answer(), b"")
        else:
            await self._settle(status, body)

    def _translated(self, status: int, body: bytes) -> tuple[JSON, JSON]:
        assert self._call is not None
        if self._failure is not None:
            raise ResponseError.reported(self._failure)
        if not 200 <= status < 300:
            raise ResponseError.reported(self._provider_error(status, body))
        return assemble(self._target.provider, self._call, body)

    def _provider_error(self, status: int, body: bytes) -> ErrorAnswer:
        if status < 400:
            message = f"The provider answered HTTP {status}, which is no answer to a call."
            return ErrorAnswer(502, message, "upstream_error")
        return self._target.provider.parse_error(status, self._named(messages.json_or_text(body)))

    def _named(self, error: object) -> object:
        """The provider's error with its name, which may stand in a header."""
        place, response = self._target.provider.error_name, self.flow.response
        if place is None or response is None or not isinstance(error, dict):
            return error
        header, member = place
        name = response.headers.get(header)
        return {member: name, **error} if name else error

    def _answer(self, completion: JSON, provider_answer: JSON) -> None:
        response = self.flow.response
        assert response is not None
        assert self._call is not None
        headers = {**messages.kept_headers(response), **self._answer_headers()}
        if self._call.streams:
            body = stream_of(completion, with_usage=wants_usage(self._call.request))
            headers["content-type"] = "text/event-stream; charset=utf-8"
        else:
            body = dumps(completion)
            headers["content-type"] = "application/json"
        messages.replace_answer(response, body, headers)
        provider_response = dumps(provider_answer)
        self._log_answer(completion, provider_response)
        self._show(
            completion=completion, error=None, state="complete", provider_response=provider_response
        )

    def _without_secrets(self, answer: ErrorAnswer) -> ErrorAnswer:
        """The error without keys and cookies of ours, which a provider may repeat."""
        message = answer.message
        for secret in secret_values(self._secrets):
            message = message.replace(secret, REDACTED)
        return replace(answer, message=message)

    def _answer_error(self, answer: ErrorAnswer, body: bytes) -> None:
        answer = self._without_secrets(answer)
        messages.answer_with_error(self.flow, answer, self.request_id)
        self._log_error(answer, provider_response=body)

    def _finish_stream(self, stream: Translator) -> None:
        if stream.error is None:
            self._end_stream("complete")
        else:
            broke_off = stream.error.code == "upstream_stream_ended"
            self._end_stream("interrupted" if broke_off else "failed", stream.error.message)

    def fail(self) -> None:
        """Keeps what has come, and tells the client in OpenAI's words what went wrong."""
        self._silence.stop()
        if self._answered:
            return
        if failures.has_client_left(self.flow):
            self.end_early("the client left")
        elif isinstance(self._stream, Translator):
            self._break_off(self._stream)
        else:
            self._end_unanswered(self._unreachable())

    def _break_off(self, stream: Translator) -> None:
        if stream.complete or stream.error is not None:
            # The client has heard all that it will.
            failures.end_stream(self.flow, b"")
            self._finish_stream(stream)
        else:
            answer = self._without_secrets(self._unreachable())
            failures.end_stream(self.flow, stream.fail(answer))
            self._end_stream("interrupted", answer.message)

    def _unreachable(self) -> ErrorAnswer:
        if self._is_stopped:
            return STOPPED
        if self._too_much:
            message = f"`{self.provider_name}` sent {self._too_much}."
            return ErrorAnswer(502, message, "upstream_error")
        if self._silence.expired:
            message = f"`{self.provider_name}` said nothing for {self._around.timeout_seconds} s."
            return ErrorAnswer(504, message, "server_error", "timeout")
        reason = self.flow.error.msg if self.flow.error else "no answer"
        place = f"`{self.provider_name}` at {origin(self.flow.request.url)}"
        if self.flow.response is not None:
            message = f"{place} broke off: {reason}"
            return ErrorAnswer(502, message, "server_error", "upstream_stream_ended")
        message = f"{place} cannot be reached: {reason}"
        return ErrorAnswer(502, message, "server_error", "upstream_unreachable")

    def end_early(self, reason: str) -> None:
        """Keeps what has come of an answer that will not be whole."""
        self._silence.stop()
        super().end_early(reason)

    def _answer_headers(self) -> dict[str, str]:
        headers = {messages.REQUEST_ID_HEADER: self.request_id}
        if self._dropped_header:
            headers[messages.DROPPED_HEADER] = self._dropped_header
        return headers
