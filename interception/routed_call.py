"""A call that a route takes: translated to the provider's format, and its answer back."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

from mitmproxy.http import HTTPFlow

from interception import failures, messages
from interception.asking import Ready, ask, readable
from interception.attachments import attach
from interception.call_in_flight import CallInFlight, Surroundings
from interception.decoding import UnreadableEncoding
from interception.recollection import recollect
from interception.silence import SilenceWatch
from interception.streams import (
    INTERNAL_ERROR,
    Translator,
    assemble,
    stream_of,
    wants_usage,
)
from recording.redaction import REDACTED, secret_values
from routes import KeyRing, Target, fill_in, origin
from transforms.chat_request import check_request
from transforms.contract import JSON, Call, ErrorAnswer, ProviderRequest, Unsigned
from transforms.errors import RequestError, ResponseError, TransformError
from transforms.json_text import dumps


class RoutedCall(CallInFlight):
    """A chat completion on its way to another provider."""

    routed = True

    def __init__(
        self,
        flow: HTTPFlow,
        body: JSON | None,
        model: str,
        around: Surroundings,
        *,
        target: Target,
        problem: RequestError | None,
    ) -> None:
        super().__init__(flow, body, model, around)
        self.provider_name = target.provider.name
        self.provider_model = target.model
        self._target = target
        self._problem = problem
        self._call: Call | None = None
        self._dropped: tuple[str, ...] = ()
        self._user_agent = self._client_headers.get("user-agent", "Diptych")
        self._secrets: tuple[str, ...] = ()
        self._answered = False
        self._failure: ErrorAnswer | None = None
        # Asked now: the request's headers are the provider's later on.
        self._may_be_private = bool(target.provider.fetches) and messages.may_fetch_from_private(
            flow
        )
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
            self._call = await self._in_its_chat(recalled.call)
            ready = await self._built(self._call)
        except TransformError as exc:
            await self.refuse(exc.answer())
            return
        self._dropped = recalled.dropped_of_client(ready.dropped)
        await self._log_request(
            url=ready.url,
            provider_request=ready.body,
            dropped=self._dropped,
            secrets=self._secrets,
            waited_s=recalled.waited_s,
        )
        messages.redirect(self.flow.request, ready.url, ready.headers, ready.body)
        self._silence.start()

    async def _built(self, call: Call) -> Ready:
        provider = self._target.provider
        whole = await attach(call, provider.fetches, self._may_be_private)
        return self._ready(provider.build_request(whole))

    def _ready(self, built: ProviderRequest) -> Ready:
        url = fill_in(self._target.url(built.path), self._around.environment)
        body = dumps(built.body)
        secrets, headers = self._authorized(url, built.headers, body)
        self._secrets = secrets
        return Ready(url, headers, body, built.dropped)

    async def _in_its_chat(self, call: Call) -> Call:
        """The call as it is, but for a provider that keeps conversations itself: then it goes on
        in its chat, or in a new one, if there must be one."""
        chats = self._target.provider.chats
        if chats is None:
            return call
        key = self._keys().key_for(self._target, self._target.base_url) or ""
        call = replace(call, account=hashlib.sha256(key.encode()).hexdigest())
        if chats.new is None or chats.goes_on(call):
            return call
        # No chat is made for what cannot be said in it.
        self._target.provider.build_request(call)
        return await self._begun(call)

    async def _begun(self, call: Call) -> Call:
        """The call as one that tells everything, in a new chat where it takes one."""
        provider, call = self._target.provider, replace(call, begins=True)
        assert provider.chats is not None
        if provider.chats.new is None:
            return call
        status, body = await self._asked(self._ready(provider.chats.new.build_request(call)))
        told = readable(body)
        if not 200 <= status < 300 or not isinstance(told, dict):
            raise ResponseError.reported(provider.parse_error(status, told))
        return replace(call, chat_id=provider.chats.new.parse_response(told))

    async def _asked(self, ready: Ready) -> tuple[int, bytes]:
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
        if self._problem is not None:
            raise self._problem
        return Call(
            request=check_request(self.body),
            model=self._target.model,
            completion_id=f"chatcmpl-{uuid.uuid4().hex}",
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

    async def refuse(self, answer: ErrorAnswer) -> None:
        """Answers instead of the provider, which never hears of the call."""
        self._answered = True
        answer = self._without_secrets(answer)
        messages.answer_with_error(self.flow, answer, self.request_id)
        if self._tracker is None:
            await self._log_request(
                url=self._target.base_url, provider_request=None, secrets=self._secrets
            )
        self._log_failure(answer.message, status=answer.status, openai_response=answer.body())

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
        encoding = response.headers.get("content-encoding", "")
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

    async def abandon(self) -> None:
        """Our own failure, before the provider heard of the call."""
        self._silence.stop()
        await self.refuse(INTERNAL_ERROR)

    def collapse(self) -> None:
        """Our own failure: the client gets an error, whatever the provider says."""
        self._failure = INTERNAL_ERROR
        if self._stream is None:
            messages.answer_with_error(self.flow, INTERNAL_ERROR, self.request_id)
        self._log_failure(
            INTERNAL_ERROR.message,
            status=INTERNAL_ERROR.status,
            openai_response=INTERNAL_ERROR.body(),
        )

    async def finish(self) -> None:
        """Translates a plain answer; a streamed one has been translated already."""
        self._silence.stop()
        if self._answered:
            return
        response = self.flow.response
        assert response is not None
        if isinstance(self._stream, Translator) and response.raw_content is None:
            self._finish_stream(self._stream)
            return
        self._stream = None
        await self._settle(response.status_code, messages.decoded_body(response))

    async def _settle(self, status: int, body: bytes) -> None:
        try:
            completion, provider_answer = self._translated(status, body)
        except TransformError as exc:
            answer = exc.answer()
            if self._lost_its_chat(answer):
                await self._begin_again(answer, body)
            else:
                self._answer_error(answer, body)
        else:
            self._answer(completion, provider_answer)

    def _lost_its_chat(self, answer: ErrorAnswer) -> bool:
        """Whether the provider lost the conversation in which the call was to go on; none is begun
        a second time."""
        assert self._call is not None
        chats = self._target.provider.chats
        return chats is not None and chats.is_lost(answer) and chats.goes_on(self._call)

    async def _begin_again(self, lost: ErrorAnswer, body: bytes) -> None:
        """Tells the whole conversation anew: an exchange of its own in the record, since
        what is sent and what is answered are others.

        The client waits with its request unanswered, so the answer is taken whole.
        """
        assert self._call is not None
        self._log_failure(
            lost.message,
            status=lost.status,
            openai_response=lost.body(),
            provider_response=body,
        )
        self.request_id, self._tracker = str(uuid.uuid4()), None
        try:
            self._call = await self._begun(self._call)
            ready = await self._built(self._call)
        except TransformError as exc:
            await self.refuse(exc.answer())
            return
        await self._log_request(
            url=ready.url,
            provider_request=ready.body,
            dropped=self._dropped,
            secrets=self._secrets,
        )
        try:
            status, told = await self._asked(ready)
        except TransformError as exc:
            self._answer_error(exc.answer(), b"")
        else:
            await self._settle(status, told)

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
        return self._target.provider.parse_error(status, self._named(readable(body)))

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
        told = dumps(provider_answer)
        self._log_answer(completion, told)
        self._show(completion=completion, error=None, state="complete", provider_response=told)

    def _without_secrets(self, answer: ErrorAnswer) -> ErrorAnswer:
        """The error without keys and cookies of ours, which a provider may repeat."""
        message = answer.message
        for secret in secret_values(self._secrets):
            message = message.replace(secret, REDACTED)
        return replace(answer, message=message)

    def _answer_error(self, answer: ErrorAnswer, body: bytes) -> None:
        answer = self._without_secrets(answer)
        messages.answer_with_error(self.flow, answer, self.request_id)
        self._log_failure(
            answer.message,
            status=answer.status,
            openai_response=answer.body(),
            provider_response=body,
        )

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
            answer = self._unreachable()
            failures.end(self.flow, messages.error_response(answer, self.request_id))
            self._log_failure(answer.message, status=answer.status, openai_response=answer.body())

    def _break_off(self, stream: Translator) -> None:
        if stream.complete:
            failures.end_stream(self.flow, b"")
        elif stream.error is None:
            failures.end_stream(self.flow, stream.fail(self._unreachable()))
        self.end_early("the provider broke off")

    def _unreachable(self) -> ErrorAnswer:
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
        if self._dropped:
            headers[messages.DROPPED_HEADER] = ", ".join(self._dropped)
        return headers
